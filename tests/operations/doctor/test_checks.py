"""What ends a task of checks is said once."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from operations.doctor.checks import Check, Task, ok, run_all
from operations.doctor.cloudflare import IDS, Account, check
from tests.support.projects import ACCOUNT, ZONE


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A port that is taken and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_service_that_does_not_answer_is_one_error_for_all_its_checks(refusing_port: int) -> None:
    account = Account(
        f"http://127.0.0.1:{refusing_port}", "example.com", ZONE, ACCOUNT, "team", frozenset(), False, True, "dev"
    )
    task = Task(IDS, lambda: check(account, {"CLOUDFLARE_API_TOKEN": "token"}), "dev")
    first, *further = run_all([task], offline=None, deadline=60)
    assert (first.id, first.status) == ("cloudflare.token", "error")
    assert first.message == f"http://127.0.0.1:{refusing_port} does not answer (ConnectError)"
    assert first.remedy
    assert [(result.id, result.status, result.message) for result in further] == [
        (id_, "skipped", "not looked at after token failed") for id_ in IDS[1:]
    ]


def test_what_a_task_saw_before_it_failed_is_kept() -> None:
    def run() -> Iterator[Check]:
        yield ok("engine.found", "here")
        raise ZeroDivisionError

    found, plugins, more = run_all(
        [Task(("engine.found", "engine.plugins", "engine.more"), run)], offline=None, deadline=60
    )
    assert (found.status, found.message) == ("ok", "here")
    assert (plugins.status, plugins.message) == (
        "error", "the check itself failed (ZeroDivisionError), a defect of Ringwall"
    )  # fmt: skip
    assert (more.status, more.message) == ("skipped", "not looked at after plugins failed")


def test_a_failure_behind_the_last_check_is_said_too() -> None:
    def run() -> Iterator[Check]:
        yield ok("engine.found", "here")
        raise ZeroDivisionError

    statuses = [result.status for result in run_all([Task(("engine.found",), run)], offline=None, deadline=60)]
    assert statuses == ["ok", "error"]
