from __future__ import annotations

from cli.checks import check_all
from model.project import Project


def test_a_hosted_client_without_posture_is_said_in_the_review(project: Project) -> None:
    ((stack, finding),) = check_all(project, project.stacks())
    assert (stack, finding.rule_id, str(finding.severity)) == ("dev", "hosted-client", "info")
    assert finding.message.startswith("hosted-claude-ai-")
    assert "no device posture and no user country apply" in finding.message
    assert "https://docs.example.com/addresses" in finding.message


def test_one_server_alone_is_checked_without_its_environments_notes(project: Project) -> None:
    assert check_all(project, ["dev.hosted"]) == []
