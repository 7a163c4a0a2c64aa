"""The same rules as a policy pack, on the real engine's preview and update."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.project import open_project
from sandbox import Sandbox
from tests.support.engine_project import EngineProject
from tests.support.projects import write_project

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

PACK = Path(__file__).parents[3] / "policy_pack" / "ringwall-policy"


@pytest.fixture
def engine_project(tmp_path: Path) -> Iterator[EngineProject]:
    root = write_project(tmp_path / "project", every_shape=True)
    with Sandbox(tmp_path / "world") as sandbox:
        yield EngineProject(open_project(root), sandbox, tmp_path / "home")
    gc.collect()


def run(target: EngineProject, command: str, stack: str) -> subprocess.CompletedProcess[str]:
    arguments = [command, "--stack", stack, "--policy-pack", str(PACK), *(["--yes"] if command == "up" else [])]
    return target.pulumi(*arguments, check=False)


def fresh(target: EngineProject, *stacks: str) -> None:
    for stack in stacks:
        target.pulumi("stack", "init", stack)


#: Says what the pack let a project's own rule see.
PREVIEWED = """\
from plan.rules.rule import broken, rule

@rule(id="acme-seen", severity="warning", reason="r", remedy="m")
def seen(subject):
    yield broken(f"engine={subject.engine} guard={subject.guard is not None} resources={len(subject.graph.resources)}")
"""

#: A program that declares more than Ringwall's own: what the program's own refusal cannot see, the engine shows.
EXTRA_RESOURCES = """\
import pulumi
import pulumi_cloudflare as cloudflare

from plan.program import main

main()
if pulumi.get_stack() == "dev":
    own = cloudflare.Provider("own", api_token=pulumi.Output.secret("planted0token0value0planted0token0value00"))
    cloudflare.ZeroTrustAccessPolicy(
        "open", account_id="0af1" * 8, name="open", decision="bypass", includes=[{"everyone": {}}],
        session_duration="8h", opts=pulumi.ResourceOptions(provider=own),
    )
    cloudflare.AccessPolicy(
        "former", account_id="0af1" * 8, name="former", decision="bypass", includes=[{"email": {"email": "a@b.se"}}],
        session_duration="8h", opts=pulumi.ResourceOptions(provider=own),
    )
    places = cloudflare.ZeroTrustAccessGroup(
        "places", account_id="0af1" * 8, name="places", includes=[{"geo": {"country_code": "SE"}}],
        opts=pulumi.ResourceOptions(provider=own),
    )
    cloudflare.ZeroTrustAccessPolicy(
        "anybody", account_id="0af1" * 8, name="anybody", decision="allow", includes=[{"group": {"id": places.id}}],
        session_duration="8h", opts=pulumi.ResourceOptions(provider=own),
    )
"""


def test_every_shape_passes_the_pack_in_its_first_preview_in_update_and_afterwards(
    engine_project: EngineProject,
) -> None:
    stacks = ("dev", "dev.one", "dev.hosted", "dev.external")
    for stack in stacks:
        fresh(engine_project, stack)
        for command in ("up", "preview"):  # `up` previews first, with the pack as well
            result = run(engine_project, command, stack)
            text = result.stdout + result.stderr
            assert result.returncode == 0, text
            assert "ringwall@v1.0.0" in text, text
            assert "severity: high" not in text, text
            assert "[mandatory]" not in text, text
            assert "Traceback" not in text, text


def test_what_a_program_declares_beside_ringwall_is_judged_before_it_is_made(engine_project: EngineProject) -> None:
    fresh(engine_project, "dev")
    (engine_project.project.root / "stacks" / "__main__.py").write_text(EXTRA_RESOURCES, encoding="utf-8")
    result = run(engine_project, "preview", "dev")
    text = result.stdout + result.stderr
    assert result.returncode != 0
    assert "edge-policy-bypass" in text, text
    assert "ZeroTrustAccessPolicy open bypasses Access" in text
    assert "ZeroTrustAccessPolicy open admits Everyone" in text
    assert "ZeroTrustAccessPolicy former bypasses Access" in text
    assert "ZeroTrustAccessPolicy anybody admits by the group places whoever matches geo" in text
    assert "planted0token0value0planted0token0value00" not in text
    assert engine_project.sandbox.resources() == []


def test_own_rules_see_the_guard_once_it_is_known_and_waivers_are_shown(engine_project: EngineProject) -> None:
    root = engine_project.project.root
    (root / "ringwall-rules.py").write_text(PREVIEWED, encoding="utf-8")
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    waiver = '    waivers:\n      - {rule: acme-seen, reason: Known to Ada, expires: "2999-01-01"}\n'
    file.write_text(file.read_text(encoding="utf-8") + waiver, encoding="utf-8")
    engine_project.run("dev", "up")
    fresh(engine_project, "dev.one")
    first = run(engine_project, "up", "dev.one").stdout
    later = run(engine_project, "preview", "dev.one").stdout
    assert "engine=True guard=False" in first
    assert "engine=True guard=True" in later
    assert "[waived until 2999-01-01: Known to Ada]" in later
    assert "[mandatory]" not in first + later


def test_a_stack_whose_files_are_not_there_is_refused(engine_project: EngineProject, tmp_path: Path) -> None:
    fresh(engine_project, "dev")
    unchecked = write_project(tmp_path / "other")
    (unchecked / "Pulumi.yaml").write_text(
        (unchecked / "Pulumi.yaml").read_text(encoding="utf-8").replace("name: ringwall", "name: another"),
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RINGWALL_PROJECT", str(unchecked))
        result = run(engine_project, "preview", "dev")
    text = result.stdout + result.stderr
    assert result.returncode != 0
    assert "stack-unreadable" in text
    assert "the engine runs ringwall, and" in text


def test_plain_pulumi_refuses_a_broken_rule_before_any_resource_without_the_pack(engine_project: EngineProject) -> None:
    engine_project.run("dev", "up")
    file = engine_project.project.stack_file("dev.one")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("{agents: [ci]}", "{all: true}"), encoding="utf-8")
    fresh(engine_project, "dev.one")
    resource_count = len(engine_project.sandbox.resources())
    result = engine_project.pulumi("up", "--stack", "dev.one", "--yes", check=False)
    assert result.returncode != 0
    assert (
        "guard-write-for-all: Guard one-guard grants create_ticket (write) to everyone" in result.stdout + result.stderr
    )
    assert len(engine_project.sandbox.resources()) == resource_count
