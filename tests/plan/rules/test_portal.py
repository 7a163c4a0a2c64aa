"""The rules about an MCP portal: each breaks alone where the file or the plan breaks it alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.project import load, open_project
from plan.findings import Finding
from plan.graph import Graph
from plan.offline import plan_stack
from plan.protectors import MCP_PORTAL
from plan.rules.evaluate import evaluate, subject_of
from tests.support.portals import PORTAL, add_portal
from tests.support.projects import write_project

#: Of a portal that asks of devices what its servers ask, and calls each as the person.
BARE = """\
    portal:
      hostname: mcp.example.com
      servers: [hosted]
      people: {groups: [engineers]}
"""


def judged(root: Path, text: str, **inputs: Any) -> list[Finding]:
    write_project(root, every_shape=True)
    add_portal(root, text)
    project = open_project(root)
    loaded = load(project, "dev")
    graph = plan_stack(project, loaded)
    resources = [
        replace(resource, inputs={**resource.inputs, **inputs}) if resource.type == MCP_PORTAL else resource
        for resource in graph.resources
    ]
    findings = evaluate(subject_of(loaded, Graph.build(graph.project, graph.stack, resources, graph.outputs)))
    return [finding for finding in findings if finding.rule_id != "hosted-client"]


def test_a_portal_that_asks_nothing_unusual_has_no_finding(tmp_path: Path) -> None:
    assert judged(tmp_path, BARE) == []


@pytest.mark.parametrize(
    ("inputs", "rule", "text"),
    [
        ({"codeMode": None}, "portal-code-mode", "lets clients run code: opt_in"),
        ({"codeMode": "enforced"}, "portal-code-mode", "lets clients run code: enforced"),
        ({"servers": [{"serverId": "${dev-portal-server-hosted.id}"}]}, "portal-tools-open", "new tools are on"),
    ],
)
def test_a_plan_that_loosens_the_portal_is_found(tmp_path: Path, inputs: dict[str, Any], rule: str, text: str) -> None:
    (finding,) = judged(tmp_path, BARE, **inputs)
    assert (finding.rule_id, text in finding.message) == (rule, True)
    assert finding.file
    assert finding.line


def test_a_server_that_asks_of_devices_at_its_own_name_is_named(tmp_path: Path) -> None:
    (finding,) = judged(tmp_path, BARE.replace("[hosted]", "[one]"))
    assert finding.rule_id == "portal-posture"
    assert "one asks encrypted of devices at its own name, and the portal does not ask encrypted" in finding.message


def test_a_server_that_is_called_as_an_agent_is_told_of(tmp_path: Path) -> None:
    findings = {finding.rule_id: finding for finding in judged(tmp_path, PORTAL)}
    assert sorted(findings) == ["portal-posture", "portal-shared"]
    assert "hosted is called as agent nightly for everybody in the portal" in findings["portal-shared"].message
