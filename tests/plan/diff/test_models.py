"""The diff of a model route says who may spend how much on which model, where prompts go, and what of it loosens."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.editions import Protection
from model.guardless import LOST
from plan.diff.compare import Side, compare
from plan.diff.model import Change, Direction, StackDiff
from tests.support.edition_projects import asking, edition_project
from tests.support.exposure_changes import GUARD_OFF
from tests.support.model_routes import FILE, GUARDLESS, ROUTE, guardless_project, write_route_project


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_route_project(tmp_path_factory.mktemp("base"))


def diff(base: Path, folder: Path, text: str | None) -> StackDiff:
    root = write_route_project(folder, text or ROUTE)
    if text is None:
        (root / FILE).unlink()
    report = compare(Side("base", base), Side("head", root))
    assert report.errors == ()
    (stack,) = [stack for stack in report.stacks if stack.stack == "dev.models"]
    return stack


def changes(base: Path, folder: Path, old: str, new: str) -> list[Change]:
    assert ROUTE.count(old) == 1, old
    return list(diff(base, folder, ROUTE.replace(old, new)).changes)


def test_an_unchanged_model_route_is_no_difference(base: Path, tmp_path: Path) -> None:
    report = compare(Side("base", base), Side("head", write_route_project(tmp_path)))
    assert [stack.stack for stack in report.stacks] == ["project"]  # the folder of the backend


CHANGES = {
    "a wider grant": (
        "models: [small]",
        'models: ["*"]',
        ("grant-gained", Direction.LOOSENS, "everyone admitted gains model house [openai/llama-3.1]"),
    ),
    "a larger budget": (
        "tokens_per_day: 100000",
        "tokens_per_day: 900000",
        ("grant-conditions", Direction.LOOSENS, "agent ci: conditions of model house changed"),
    ),
    "a smaller limit for all": (
        "    prompt_policy:\n",
        "    limits: {all: {tokens_per_minute: 1000}}\n    prompt_policy:\n",
        (
            "model.limits.all.tokens_per_minute",
            Direction.TIGHTENS,
            "tokens per minute of all principals together: 2000000 → 1000",
        ),
    ),
    "another address for prompts": (
        "https://one.example.com/v1/chat/completions",
        "https://elsewhere.example.com/v1/chat/completions",
        ("model.models.*.targets", Direction.LOOSENS, "where prompts for house go, and with which credential: "),
    ),
    "a model more": (
        "      house:\n",
        "      large:\n        targets: [{provider: openai, model: gpt-5}]\n        price: {input: \"9\"}\n      house:\n",
        ("model.models.*", Direction.LOOSENS, "model large: added"),
    ),
    "a pattern less": (
        '      deny: ["(?i)internal use only"]\n',
        "",
        ("model.prompt_policy.deny", Direction.LOOSENS, "patterns that no prompt may match: "),
    ),
    "a leg that only flags": (
        "    prompt_policy:\n",
        "    guard: {legs: {answers: flag}}\n    prompt_policy:\n",
        ("model.guard.legs.answers", Direction.LOOSENS, "a finding in what the model answers leads to: block → flag"),
    ),
    "a shared cache": (
        "    prompt_policy:\n",
        "    cache: {exact: {shared: true}}\n    prompt_policy:\n",
        ("model.cache.exact", Direction.LOOSENS, "answers that the guard keeps: added"),
    ),
    "a person less": (
        "      people: {groups: [engineers]}",
        "      people: {emails: [ada@example.com]}",
        ("access-lost", Direction.TIGHTENS, ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_of_a_model_route_is_said_and_judged(base: Path, tmp_path: Path, case: str) -> None:
    old, new, (id_, direction, title) = CHANGES[case]
    found = changes(base, tmp_path, old, new)
    assert any(c.id == id_ and c.direction is direction and c.title.startswith(title) for c in found), [
        (c.id, c.direction, c.title) for c in found
    ]


def test_a_budget_beside_a_more_generous_grant_changes_nothing_and_figures_are_judged_each(
    base: Path, tmp_path: Path
) -> None:
    """Everybody has small without a budget of the grant's own, so the agent's budget bounds house alone."""
    found = changes(base, tmp_path, '{tokens_per_day: 100000, cost_per_day: "5.00"}', "{tokens_per_day: 90000}")
    (house,) = [change for change in found if change.id == "grant-conditions"]
    assert (house.title, house.direction) == ("agent ci: conditions of model house changed", Direction.LOOSENS)
    assert house.details == ('cost_per_day: "5.00" → none', "tokens_per_day: 100000 → 90000")
    widened = changes(base, tmp_path / "widened", "models: [small]", "models: [small, house]")
    (ci,) = [change for change in widened if change.id == "grant-conditions"]
    assert ci.details == ('cost_per_day: "5.00" → none', "tokens_per_day: 100000 → none")


def test_a_target_is_said_in_words_and_not_cut(base: Path, tmp_path: Path) -> None:
    found = changes(base, tmp_path, "https://two.example.com:8443", "https://three.example.com")
    (moved,) = [change for change in found if change.id == "model.models.*.targets"]
    assert moved.title == (
        "where prompts for house go, and with which credential: "
        "+ openai/llama-3.1 at https://three.example.com/v1/chat/completions (weight 50), "
        "- openai/llama-3.1 at https://two.example.com:8443/v1/chat/completions (weight 50)"
    )


def test_a_new_model_route_says_where_prompts_go_and_what_they_may_cost(tmp_path: Path) -> None:
    empty = write_route_project(tmp_path / "empty")
    (empty / FILE).unlink()
    stack = diff(empty, tmp_path / "head", ROUTE)
    (new,) = [change for change in stack.changes if change.id == "stack-new"]
    assert new.title == "new model route, public at models.example.com"
    assert "prompts for small go to openai/gpt-4o-mini" in new.details
    assert any(line.startswith("each principal: 60 requests a minute") for line in new.details)
    assert stack.matrix is not None
    assert [name for name, _ in stack.matrix.tools] == ["house", "small"]


def test_a_removed_model_route_tightens_and_says_what_stays(base: Path, tmp_path: Path) -> None:
    stack = diff(base, tmp_path, None)
    (removed,) = [change for change in stack.changes if change.id == "stack-removed"]
    assert removed.direction is Direction.TIGHTENS


def test_a_guard_that_goes_loosens_and_says_what_is_lost_and_one_that_comes_tightens(tmp_path: Path) -> None:
    old, new = GUARD_OFF[0][1:]
    guarded = GUARDLESS.replace(new, old).replace("all: {}", "all: {tokens_per_minute: 100000}")
    sides = {"with": guardless_project(tmp_path / "with", guarded), "none": guardless_project(tmp_path / "none")}
    for base_name, head_name, direction in (("with", "none", Direction.LOOSENS), ("none", "with", Direction.TIGHTENS)):
        report = compare(Side("base", sides[base_name]), Side("head", sides[head_name]))
        (stack,) = [stack for stack in report.stacks if stack.stack == "dev.models"]
        (leg,) = [change for change in stack.changes if change.id == "model.guard"]
        assert leg.direction is direction
        assert not [change.id for change in stack.changes if change.id.startswith(("model.guard.", "model.guard_"))]
        assert leg.details == (LOST if direction is Direction.LOOSENS else ())


def test_a_new_route_without_a_guard_says_what_it_does_without(tmp_path: Path) -> None:
    head = guardless_project(tmp_path / "head")
    base = guardless_project(tmp_path / "base")
    (base / FILE).unlink()
    report = compare(Side("base", base), Side("head", head))
    (stack,) = [stack for stack in report.stacks if stack.stack == "dev.models"]
    (new,) = [change for change in stack.changes if change.id == "stack-new"]
    assert {"no guard, so:", *LOST} <= {*new.details}


LAKERA = Protection.GATEWAY_LAKERA
GATEWAY_CHANGES = {
    "a check less": (asking(LAKERA), asking(), ("model.gateway.lakera", Direction.LOOSENS)),
    "a check more": (asking(), asking(LAKERA), ("model.gateway.lakera", Direction.TIGHTENS)),
    "answers that are not read": (
        asking(LAKERA),
        asking(LAKERA).replace("project_id: project-1", "project_id: project-1, legs: [prompts]"),
        ("model.gateway.lakera.legs", Direction.LOOSENS),
    ),
    "a larger count": (
        asking(Protection.GATEWAY_TOKENS),
        asking(Protection.GATEWAY_TOKENS).replace("tokens_per_minute: 20000,", "tokens_per_minute: 90000,"),
        ("model.gateway.limits.tokens_per_minute", Direction.LOOSENS),
    ),
}


@pytest.mark.parametrize("case", GATEWAY_CHANGES)
def test_what_the_gateway_itself_checks_is_compared(case: str, tmp_path: Path) -> None:
    before, after, expected = GATEWAY_CHANGES[case]
    sides = [
        Side(name, edition_project(tmp_path / name, "ai", text).root)
        for name, text in (("base", before), ("head", after))
    ]
    report = compare(*sides)
    assert report.errors == ()
    (stack,) = [stack for stack in report.stacks if stack.stack == "dev.models"]
    assert expected in [(change.id, change.direction) for change in stack.changes]
