"""What two environments cannot share is an error before anything is brought up: a gateway, a host's ports, a host name."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import InputErrors
from model.project import Project, open_project
from operations.check import check_all
from tests.support.projects import server_text, write_project, write_server


@pytest.fixture
def pair(tmp_path: Path) -> Project:
    """Environments dev and test that share nothing: each has a Kong, a host and names of its own."""
    root = write_project(tmp_path)
    text = (root / "stacks" / "Pulumi.dev.yaml").read_text()
    text = text.replace("127.0.0.1:8001", "127.0.0.1:8011").replace("dev-1:", "test-1:").replace("dev-2:", "test-2:")
    (root / "stacks" / "Pulumi.test.yaml").write_text(text)
    write_server(root, "test.one", server_text("test-one").replace("host: dev-1", "host: test-1"))
    return open_project(root)


def problems(project: Project, *stacks: str) -> list[str]:
    try:
        check_all(project, stacks or ("dev", "test"))
    except InputErrors as error:
        return [str(problem).removeprefix(f"{project.stack_dir}/") for problem in error.problems]
    return []


def change(project: Project, stack: str, before: str, after: str) -> None:
    file = project.stack_file(stack)
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))


def test_environments_that_share_nothing_pass(pair: Project) -> None:
    assert problems(pair) == []


@pytest.mark.parametrize(
    "address", ["https://kong.example.com:8444", "https://KONG.example.com:8444/", "http://localhost:8001"]
)
def test_a_gateway_of_two_environments_is_refused_at_the_one_that_is_asked_about(pair: Project, address: str) -> None:
    for stack in ("dev", "test"):
        change(pair, stack, "    topology: colocated\n", "    topology: hybrid\n")
    first = "http://127.0.0.1:8001" if "localhost" in address else "https://kong.example.com:8444"
    change(pair, "dev", "http://127.0.0.1:8001", first)
    change(pair, "test", "http://127.0.0.1:8011", address)
    for asked, other in (("test", "dev"), ("dev", "test")):
        (line,) = problems(pair, asked)
        key = "config.ringwall:environment.gateway.admin_uri"
        assert line.startswith(f"Pulumi.{asked}.yaml:16: {key}: is the gateway of environment {other} too")
        assert f"/Pulumi.{other}.yaml:16)" in line
    assert len(problems(pair)) == 1  # a pair is one problem


def test_each_hosts_own_loopback_gateway_is_another_gateway(pair: Project) -> None:
    change(pair, "test", "127.0.0.1:8011", "127.0.0.1:8001")
    assert problems(pair) == []


def test_a_port_of_one_host_belongs_to_one_environment(pair: Project) -> None:
    change(pair, "test", "test-1:", "dev-1:")
    change(pair, "test", "gateway_port: 8010", "gateway_port: 8020")
    change(pair, "test.one", "host: test-1", "host: dev-1")
    remedy = "choose another; if these are two machines, give one of the two another name than dev-1"
    lines = problems(pair)
    assert len(lines) == 3  # gateway, guard and origin; the guard's admin port follows its port
    assert "port 8000 on host dev-1 belongs to the gateway of environment dev" in lines[0]
    assert (
        "Pulumi.test.one.yaml:7: config.ringwall:server.guard_port: port 9010 on host dev-1 belongs to dev.one"
        in lines[1]
    )
    assert "port 3000 on host dev-1 belongs to dev.one" in lines[2]
    assert all(line.endswith(remedy) for line in lines)


def test_a_host_name_belongs_to_one_environment(pair: Project) -> None:
    change(pair, "test.one", "hostname: test-one.example.com", "hostname: one.example.com")
    (line,) = problems(pair)
    assert line.startswith(
        "Pulumi.test.one.yaml:6: config.ringwall:server.hostname: one.example.com is dev.one's host name"
    )


def test_an_environment_that_cannot_be_read_hides_no_other(pair: Project) -> None:
    change(pair, "dev", "team: example", "team: Example")
    assert problems(pair, "test") == []
