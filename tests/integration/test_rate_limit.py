"""A run that Cloudflare's API refuses with 429 waits as long as the API says and goes on where it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.api_calls import Calls
from engine.budget import CallBudget
from engine.run import Run
from engine.runs import execute
from sandbox import Fault
from tests.support.engine_project import EngineProject
from wire.cloudflare_allowance import Allowance

pytestmark = pytest.mark.engine
#: As cloudflare-go words it, with the answer of Cloudflare's API.
REFUSED = (
    'POST "https://api.cloudflare.com/client/v4/accounts/0af1/access/groups": 429 Too Many Requests '
    '{"code":10100,"message":"More than 1200 requests per 300 seconds reached. Please wait"}'
)


def test_a_run_goes_on_after_the_api_took_no_more_calls(engine_project: EngineProject) -> None:
    notes: list[str] = []
    budget = CallBudget(notes.append, ask=lambda: Allowance(0, 0.1))
    target = replace(engine_project.target, budget=budget)
    engine_project.sandbox.faults.add(Fault("create", "cloudflare:*", nth=3, message=REFUSED))
    run = execute(target, Run("dev", "up"))
    assert (run.state, run.error) == ("done", None)
    assert [note for note in notes if "429" in note] == [
        "dev: Cloudflare's API takes no more calls at present (429); waiting 0 s, then it goes on"
    ]
    made = [(record.type, record.name) for record in engine_project.sandbox.resources("cloudflare:*")]
    assert len(made) == len(set(made)) > 3


@pytest.mark.rare
def test_a_run_that_is_refused_again_and_again_ends_with_the_apis_words(engine_project: EngineProject) -> None:
    notes: list[str] = []
    target = replace(engine_project.target, budget=CallBudget(notes.append, ask=lambda: Allowance(0, 0.0)))
    engine_project.sandbox.faults.add(Fault("create", "cloudflare:*", nth=0, message=REFUSED))
    run = execute(target, Run("dev", "up", calls=Calls(cloudflare=2)))
    assert run.state == "failed"
    assert "429 Too Many Requests" in str(run.error)
