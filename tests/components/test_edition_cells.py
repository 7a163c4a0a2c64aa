"""Each cell of the table of editions, on a plan: its plugin is there as Kong takes it, or `check` refuses the demand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.editions import TABLE, ByGuard, ByPlugin, Lacking, Protection
from model.errors import InputError, InputErrors
from model.kong_versions import Edition
from model.project import load, load_environment, open_project
from operations.check import check_all
from operations.editions import enforced
from plan.offline import plan_stack
from tests.support import kong_published_schema, kong_schema
from tests.support.edition_projects import ASKED, EDITIONS, GATEWAY, asking, edition_project, held_tools, opaque_tokens
from tests.support.model_routes import guardless_project

PLUGIN = "kong:index/plugin:Plugin"
#: What the files of a server and its issuer ask for.
OF_A_SERVER = {Protection.OPAQUE_TOKENS: opaque_tokens, Protection.GATEWAY_TOOLS: held_tools}
#: What no key of a stack file asks for: the table alone says why nobody does it.
WITHOUT_A_KEY = {Protection.CLIENT_CERTIFICATE}


@dataclass(frozen=True)
class PlannedStack:
    """The protections that a stack uses, and the configs of its plan's plugins by name."""

    uses: set[Protection]
    plugins: dict[str, list[dict[str, Any]]]


def planned(folder: Path, edition: Edition) -> list[PlannedStack]:
    project = edition_project(folder / "whole", edition)
    environment = load_environment(project, "dev")
    stacks = [(project, environment), *((project, stack) for stack in environment.perimeters)]
    # A route without a guard does without much that this one asks for, so it has a file of its own.
    demands = [(protection,) for protection in ASKED if protection is not Protection.GUARDLESS] + [tuple(GATEWAY)]
    if isinstance(TABLE[edition][Protection.GUARDLESS], ByPlugin):
        own = open_project(guardless_project(folder / "guardless"))
        stacks.append((own, load(own, "dev.models")))  # type: ignore[arg-type]
    for demand in demands:
        if isinstance(TABLE[edition][demand[0]], ByPlugin):
            own = edition_project(folder / demand[0].name, edition, asking(*demand))
            stacks.append((own, load(own, "dev.models")))  # type: ignore[arg-type]
    for protection, ask in OF_A_SERVER.items():
        if isinstance(TABLE[edition][protection], ByPlugin):
            own = ask(edition_project(folder / protection.name, edition))
            stacks.append((own, load(own, "dev.external")))  # type: ignore[arg-type]
    result = []
    for holder, stack in stacks:
        plugins: dict[str, list[dict[str, Any]]] = {}
        for plugin in plan_stack(holder, stack).by_type(PLUGIN):
            plugins.setdefault(str(plugin.inputs["name"]), []).append(json.loads(str(plugin.inputs["configJson"])))
        result.append(PlannedStack({row.protection for row in enforced(stack)}, plugins))
    return result


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Edition], list[PlannedStack]]:
    made: dict[Edition, list[PlannedStack]] = {}

    def of(edition: Edition) -> list[PlannedStack]:
        if edition not in made:
            made[edition] = planned(tmp_path_factory.mktemp(edition), edition)
        return made[edition]

    return of


@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("edition", EDITIONS)
def test_a_cell_is_what_a_plan_has(
    edition: Edition, protection: Protection, plans: Callable[[Edition], list[PlannedStack]]
) -> None:
    entry = TABLE[edition][protection]
    if isinstance(entry, Lacking):
        assert not any(protection in plan.uses for plan in plans(edition))
        return
    users = [plan for plan in plans(edition) if protection in plan.uses]
    assert users, f"no stack of the test uses {protection}"
    if isinstance(entry, ByGuard):
        return
    problems_of = kong_schema.plugin_problems if edition == "oss" else kong_published_schema.plugin_problems
    for plan in users:
        assert entry.name in plan.plugins
        for config in plan.plugins[entry.name]:
            assert problems_of(entry.name, config) == []


@pytest.mark.parametrize(
    ("edition", "protection"),
    [
        (edition, protection)
        for edition in EDITIONS
        for protection in Protection
        if isinstance(TABLE[edition][protection], Lacking) and protection not in WITHOUT_A_KEY
    ],
)
def test_what_an_edition_lacks_is_refused_with_what_has_it(
    edition: Edition, protection: Protection, tmp_path: Path
) -> None:
    entry = TABLE[edition][protection]
    assert isinstance(entry, Lacking)
    project = edition_project(tmp_path, edition, asking(protection))
    if protection in OF_A_SERVER:
        with pytest.raises(InputError, match=f"cannot {protection.value}") as refused:
            check_all(OF_A_SERVER[protection](project), ["dev.external"])
        assert refused.value.remedy == entry.remedy
        assert refused.value.key in ("issuers.keycloak.introspection", "oauth.tool_claim")
        return
    with pytest.raises(InputErrors) as caught:
        check_all(project, ["dev.models"])
    problems = [error for error in caught.value.problems if f"cannot {protection.value}" in error.problem]
    assert [error.remedy for error in problems] == [entry.remedy]
    assert all(str(error.key).startswith("config.ringwall:model.") for error in problems)
