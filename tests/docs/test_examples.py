"""The repository's own stacks and the README's stack file are valid: what is shown works."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from components.editions import TABLE, ByPlugin
from model.project import load, load_environment, open_project
from operations.check import check, check_all
from plan.findings import Severity
from plan.offline import plan_stack
from plan.render import from_json, to_json
from tests.support.kong_published_schema import plugin_problems
from tests.support.projects import write_project, write_server

ROOT = Path(__file__).parents[2]
#: Of the waiver in examples/ai. What is shown is judged on that day, whatever the day of the run.
LAST_DAY = date(2027, 6, 30)


def test_the_repositorys_own_stacks_pass_every_check() -> None:
    project = open_project(ROOT)
    assert project.stacks() == ["dev", "dev.tickets", "zone.example"]
    assert check_all(project, project.stacks()) == []


def test_their_plans_read_back_equal() -> None:
    project = open_project(ROOT)
    for stack in project.stacks():
        text = to_json(plan_stack(project, load(project, stack)))
        assert to_json(from_json(text)) == text
        assert str(ROOT) not in text


def test_the_production_example_passes_every_check_and_is_shown_whole() -> None:
    """The pages of docs/reference show its files; the notes are what a hosted client and a model of one's own bring."""
    root = ROOT / "examples" / "production"
    project = open_project(root)
    assert project.stacks() == ["prod", "prod.models", "prod.tickets", "zone.example"]
    assert [finding.rule_id for _, finding in check_all(project, project.stacks())] == [
        "hosted-client",
        *["model-provider-elsewhere"] * 2,
    ]
    for page, stack in (
        ("environment", "prod"),
        ("server", "prod.tickets"),
        ("model", "prod.models"),
        ("zone", "zone.example"),
    ):
        text = (root / "stacks" / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
        assert f"```yaml\n{text}```\n" in (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("edition", ["enterprise", "ai"])
def test_the_example_of_an_edition_passes_every_check_and_its_plugins_kongs_schemas(edition: str) -> None:
    project = open_project(ROOT / "examples" / edition)
    stacks = ["prod", "prod.models", "prod.tickets", *(["prod.trial", "prod.vectors"] if edition == "ai" else [])]
    assert project.stacks() == stacks
    judged = check(project, stacks, today=LAST_DAY).findings
    refused = [
        (stack, finding.rule_id, finding.waived) for stack, finding in judged if finding.severity is Severity.ERROR
    ]
    accepted = "A trial by the platform team with public texts alone, decided by the security team"
    assert refused == ([("prod.trial", "model-without-guard", accepted)] if edition == "ai" else [])
    used = set()
    for stack in stacks:
        for plugin in plan_stack(project, load(project, stack)).by_type("kong:index/plugin:Plugin"):
            name, config = str(plugin.inputs["name"]), json.loads(str(plugin.inputs["configJson"]))
            assert plugin_problems(name, config) == [], f"{stack}: {name}"
            used.add(name)
    own = {entry.name for entry in TABLE[edition].values() if isinstance(entry, ByPlugin)}  # type: ignore[index]
    unused = {"ai-semantic-cache", "cors", "file-log", "http-log", "opentelemetry"}
    assert own - used <= unused


def test_the_example_without_a_guard_is_refused_the_day_after_its_waiver_ends() -> None:
    project = open_project(ROOT / "examples" / "ai")
    judged = check(project, ["prod.trial"], today=LAST_DAY + timedelta(days=1)).findings
    refused = {
        finding.rule_id for _, finding in judged if finding.severity is Severity.ERROR and finding.waived is None
    }
    assert refused == {"model-without-guard", "waiver-expired"}


def test_the_stack_file_in_the_readme_passes_every_check(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    root = write_project(tmp_path, servers=0)
    write_server(root, "dev.tickets", shown)
    server = load_environment(open_project(root), "dev").servers["tickets"]
    assert server.manifest.hostname == "tickets.example.com"
    assert check_all(open_project(root), ["dev.tickets"]) == []


def test_readme_says_which_grant_check_refuses_beside_the_example(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert "`check` refuses a writing tool for {all: true}" in shown
    root = write_project(tmp_path, servers=0)
    write_server(root, "dev.tickets", shown.replace("to: {agents: [ci]}", "to: {all: true}"))
    assert [finding.rule_id for _, finding in check_all(open_project(root), ["dev.tickets"])] == ["guard-write-for-all"]
