"""An environment whose agents show client certificates, on the real engine: authorities come, change over and go, and no
name is without its protection meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from engine import deploy
from engine.run import Run
from tests.support.client_authorities import TestAuthority, add_authorities
from tests.support.engine_project import EngineProject
from tests.support.exposure_watch import watching

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def authorities(engine_project: EngineProject) -> dict[str, Any]:
    return {
        str(resource.outputs["name"]): resource.outputs
        for resource in engine_project.sandbox.resources("cloudflare:*:ZeroTrustAccessMtlsCertificate")
    }


def up(engine_project: EngineProject) -> list[tuple[str, str]]:
    scope = deploy.scope_of(engine_project.project, "dev")
    with watching(engine_project.sandbox) as watch:
        runs: list[Run] = deploy.bring_up(engine_project.target, scope, deploy.preview(engine_project.target, scope))
    assert watch.exposed == []
    assert [run.error for run in runs] == [None] * len(runs)
    return [(change.operation, change.name) for run in runs for change in run.steps.changed]


def test_authorities_change_over_beside_running_servers_and_leave_nothing(engine_project: EngineProject) -> None:
    root = engine_project.project.root
    old, new = TestAuthority.made("old"), TestAuthority.made("new")
    add_authorities(root, first=old.pem)
    made = [name for _, name in up(engine_project)]
    # Access knows the authority before a policy asks for a certificate.
    assert made.index("dev-edge-authority-first") < made.index("dev-edge-policy-agent-ci")
    assert authorities(engine_project)["dev-first"]["associatedHostnames"] == ["one.example.com"]
    engine_project.run("dev", "refresh")
    assert not engine_project.run("dev", "preview").steps.differs
    add_authorities(root, first=old.pem, second=new.pem)
    assert ("create", "dev-edge-authority-second") in up(engine_project)
    add_authorities(root, second=new.pem)
    assert ("delete", "dev-edge-authority-first") in up(engine_project)
    assert list(authorities(engine_project)) == ["dev-second"]
    for stack in ("dev.one", "dev"):
        engine_project.run(stack, "destroy")
    assert engine_project.sandbox.resources() == []
