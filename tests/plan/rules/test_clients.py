"""What `ringwall check` says about clients that are known by name and call from their vendor's servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.project import load, open_project
from plan.offline import plan_stack
from plan.rules.evaluate import evaluate, subject_of
from tests.support.projects import write_project


def findings(root: Path, clients: str) -> list[str]:
    write_project(root)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text()
    file.write_text(
        text.replace("      agents: [ci]\n    posture", f"      agents: [ci]\n      clients: {clients}\n    posture")
    )
    project = open_project(root)
    stack = load(project, "dev.one")
    return [
        f"{finding.rule_id}:{finding.line}: {finding.message}"
        for finding in evaluate(subject_of(stack, plan_stack(project, stack)))
    ]


def test_client_whose_calls_come_from_its_vendors_servers_is_named_with_what_would_refuse_them(tmp_path: Path) -> None:
    assert findings(tmp_path, "[cursor, claude]") == [
        "edge-client-hosted:14: Claude (web, desktop, mobile) calls from its vendor's servers, and this name demands the "
        "countries NO, SE and posture encrypted"
    ]


@pytest.mark.parametrize("clients", ["[claude-code, cursor, vscode, inspector, gemini-cli]", "[]"])
def test_clients_on_the_persons_own_machine_and_known_wide_forms_are_no_finding(tmp_path: Path, clients: str) -> None:
    assert findings(tmp_path, clients) == []
