"""What is refused before anything is touched, whoever runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.errors import InputErrors, PlanRefused
from model.project import load, open_project
from plan import preflight
from plan.exposure import check_exposure
from plan.offline import plan_stack
from tests.support.projects import write_project

QUOTAS = """\
    quotas:
      service_tokens: 1
      access_applications: 1
"""


def test_a_plan_that_exceeds_an_account_quota_is_refused_before_anything_is_planned(tmp_path: Path) -> None:
    root = write_project(tmp_path, servers=2)
    file = root / "stacks" / "Pulumi.dev.yaml"
    file.write_text(file.read_text(encoding="utf-8") + QUOTAS, encoding="utf-8")
    project = open_project(root)
    with pytest.raises(InputErrors) as caught:
        preflight.refuse_unsafe(project, load(project, "dev.one"))
    assert [(problem.key, problem.problem) for problem in caught.value.problems] == [
        (
            "config.ringwall:environment.quotas.access_applications",
            "the files ask for 2 access applications, the account has 1",
        ),
        ("config.ringwall:environment.quotas.service_tokens", "the files ask for 2 service tokens, the account has 1"),
    ]
    assert caught.value.exit_code == 2


def test_a_public_name_that_does_not_wait_for_its_protection_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = open_project(write_project(tmp_path))
    loaded = load(project, "dev.one")
    graph = plan_stack(project, loaded)
    assert check_exposure(graph) == ()

    # The program as somebody might break it: the DNS record depends on the tunnel's id alone.
    from components.edge import server as edge

    original = edge.PublicName.__init__

    def hasty(self: edge.PublicName, name: str, args: edge.PublicNameArgs, opts: object = None) -> None:
        original(self, name, replace(args, protectors=[]), opts)  # type: ignore[arg-type]

    monkeypatch.setattr(edge.PublicName, "__init__", hasty)
    with pytest.raises(
        PlanRefused, match=r"(?s)^exposure-order: .*before ZeroTrustAccessApplication one-edge-application stands"
    ):
        preflight.refuse_unsafe(project, loaded)
