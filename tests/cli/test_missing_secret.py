"""A locally managed tunnel without its secret is found by whatever looks at the files, before an engine is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.project import Project, open_project
from tests.support.command_line import ringwall
from tests.support.projects import write_project

KEY = "config.ringwall:tunnelSecret"
PROBLEM = (
    "is missing, and host dev-1 has a locally managed tunnel; run `pulumi stack select --create dev.one && openssl rand "
    "-base64 32 | pulumi config set --secret ringwall:tunnelSecret --stack dev.one`"
)
SECURE = "  ringwall:tunnelSecret:\n    secure: v1:AAAA\n"


def local_tunnel(project: Project) -> Path:
    dev = project.stack_file("dev")
    dev.write_text(dev.read_text("utf-8").replace("dev-1: {}", "dev-1: {tunnel: local}"), "utf-8")
    return project.stack_file("dev.one")


@pytest.mark.engine
@pytest.mark.parametrize(
    "command", [["check", "dev.one"], ["check"], ["preview", "dev.one", "--sandbox"], ["preview", "dev", "--sandbox"]]
)
def test_check_and_preview_name_the_command_that_sets_it(command: list[str], project: Project) -> None:
    file = local_tunnel(project)
    done = ringwall(*command, "--project", project.root)
    assert done.code == 2
    (error,) = [line for line in done.errors if "dev.one.yaml" in line]
    assert error == f"{file}:1: {KEY}: {PROBLEM}"


def test_doctor_names_the_command_that_sets_it(project: Project) -> None:
    file = local_tunnel(project)
    done = ringwall("doctor", "dev.one", "--offline", "--json", "--project", project.root)
    (found,) = [check for check in done.json["checks"] if check["id"] == "project.files"]
    assert (found["status"], found["subject"]) == ("error", "dev.one")
    assert f"{found['message']}; {found['remedy']}" == f"{file}:1: {KEY} {PROBLEM}"


def test_a_stack_that_holds_it_is_good_and_a_stack_that_does_not_can_still_be_closed(project: Project) -> None:
    file = local_tunnel(project)
    assert ringwall("plan", "dev.one", "--project", project.root).code == 0
    file.write_text(file.read_text("utf-8").replace("config:\n", f"config:\n{SECURE}", 1), "utf-8")
    assert not [line for line in ringwall("check", "dev.one", "--project", project.root).errors if "tunnel" in line]


@pytest.mark.engine
def test_the_sandbox_makes_a_secret_up_and_keeps_it(tmp_path: Path) -> None:
    project = open_project(write_project(tmp_path))
    file = local_tunnel(project)
    file.write_text(file.read_text("utf-8").replace("config:\n", f"config:\n{SECURE}", 1), "utf-8")
    assert ringwall("up", "dev", "--sandbox", "--yes", "--project", project.root).code == 0
    again = ringwall("preview", "dev.one", "--sandbox", "--json", "--project", project.root)
    assert [(run["error"], run["changes"]) for run in again.json["runs"]] == [(None, [])]
