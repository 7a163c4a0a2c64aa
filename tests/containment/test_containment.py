"""The units of the host files, enforced by real systemd: a server gets out nowhere, and answers its guard."""

from __future__ import annotations

import pytest

from tests.containment.attempts import ATTEMPTS
from tests.containment.booted import obstacle
from tests.containment.run import NAMED, NOTE, OPEN, OWN, UNNAMED, Outcome, contain


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """A server with a URL, the same with ways out, and a command with ways out."""
    if problem := obstacle():
        pytest.skip(f"the units were NOT run by systemd here: {problem}")
    return contain(("web", "caller", "tool"))


def test_a_server_gets_out_nowhere_but_where_its_stack_lets_it(outcome: Outcome) -> None:
    succeeded = {
        server: {name for name, answer in answers.items() if answer.startswith("succeeded")}
        for server, answers in outcome.contained.items()
    }
    assert succeeded == {"web": {NOTE}, "caller": {NOTE, NAMED}, "tool": {NOTE, NAMED}}
    assert all(set(answers) == {*ATTEMPTS, OPEN, OWN, NOTE, NAMED, UNNAMED} for answers in outcome.contained.values())


def test_without_its_unit_each_attempt_succeeds(outcome: Outcome) -> None:
    assert {name for name, answer in outcome.control.items() if answer.startswith("succeeded")} == {*ATTEMPTS, OPEN}


def test_the_way_back_of_the_readme_leaves_nothing_on_the_machine(outcome: Outcome) -> None:
    assert outcome.left == []
