"""An environment that pushes logs, on the real engine: up and down again, and the destination nowhere in clear."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.support.engine_project import EngineProject
from tests.support.logpush import KEYS, add_logpush

pytestmark = pytest.mark.engine

DESTINATION = "s3://planted-bucket/logs/{DATE}?region=eu-1&secret-access-key=planted-key"


def test_logs_are_pushed_once_everything_protects_and_where_to_is_found_nowhere(engine_project: EngineProject) -> None:
    project = engine_project.project
    add_logpush(project.root, keys=())
    engine_project.pulumi("stack", "init", "dev")
    for key in KEYS:
        engine_project.pulumi("config", "set", "--secret", "--stack", "dev", key, DESTINATION)
    engine_project.run("dev", "up")
    engine_project.run("dev", "refresh")
    assert not engine_project.run("dev", "preview").steps.differs
    jobs = {job.outputs["dataset"]: job.outputs for job in engine_project.sandbox.resources("cloudflare:*:LogpushJob")}
    assert sorted(jobs) == ["access_requests", "audit_logs_v2"]
    # The rehearsal's world keeps digests of secrets.
    assert all(list(job["destinationConf"]) == ["$sha256"] for job in jobs.values())
    assert list(jobs["audit_logs_v2"]["ownershipChallenge"]) == ["$sha256"]
    planted = [b"planted-key", base64.b64encode(DESTINATION.encode())[:24]]
    files: list[Path] = [path for path in project.root.rglob("*") if path.is_file()]
    assert any("history" in path.parts for path in files)
    assert [path for path in files if any(text in path.read_bytes() for text in planted)] == []
    engine_project.run("dev", "destroy")
    assert engine_project.sandbox.resources("cloudflare:*:LogpushJob") == []
