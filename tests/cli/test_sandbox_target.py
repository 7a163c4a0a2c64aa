"""`--sandbox` goes to stand-in providers, whatever else is attached."""

from __future__ import annotations

import pytest

from cli.target import target_of
from model.project import Project
from sandbox import Sandbox


def test_attached_providers_that_are_no_sandbox_of_this_project_are_not_used(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", "cloudflare:1,kong:2")
    with target_of(project, sandbox=True) as target:
        assert target.environment["PULUMI_DEBUG_PROVIDERS"] != "cloudflare:1,kong:2"


def test_a_sandbox_of_another_process_on_the_same_world_is_used_while_it_serves(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = project.root / ".ringwall" / "sandbox"
    home.mkdir(parents=True)
    with Sandbox(home / "providers") as serving:
        monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", serving.environment()["PULUMI_DEBUG_PROVIDERS"])
        with target_of(project, sandbox=True) as target:
            assert (target.environment, target.sandbox_folder) == ({}, home)
    with target_of(project, sandbox=True) as target:
        assert target.environment != {}
