"""What the demo asks of its model route, in OpenAI's form through the running guard, and what the guard makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx

from cli.demo_calls import SECONDS
from cli.demo_guard import RunningGuard
from cli.demo_outcome import AttemptResult, ModelAttempt, decisions
from guard.decide.reasons import Decision, Reason
from guard.identity.verifier import ASSERTION
from model.errors import RingwallError
from sandbox.demo_server import INJECTED
from wire.http import HttpPolicy

#: What a person may use of the granted model; a question and its answer take 16.
TOKENS_PER_DAY = 100
#: Far more questions than that is enough for.
_MOST = 20
_TEXT = "In five words: what is wrong with the printer on floor 3?"

QUESTION = ModelAttempt(
    "model-allowed", "a question to a granted model", "small", _TEXT, Decision.ALLOW, Decision.ALLOW
)
NOT_GRANTED = ModelAttempt(
    "model-not-granted", "a model that is not granted", "large", _TEXT, Decision.REFUSE, Reason.NOT_GRANTED
)
INJECTED_RESULT = ModelAttempt(
    "model-injected", "orders in a tool's result, sent to a model", "small", "Sum up ticket 4.",
    Decision.BLOCK, "injection", INJECTED.notes[0],
)  # fmt: skip
RUNAWAY = ModelAttempt(
    "model-budget", "the same question over and over", "small", _TEXT, Decision.REFUSE, Reason.RATE_LIMITED
)


def model_outcomes(guard: RunningGuard, token: str) -> Iterator[AttemptResult]:
    """Make every attempt in order; the last one is repeated as by an agent that does not stop, until it is refused.

    Raises:
        RingwallError: the guard made something else of one than it must.
    """
    headers = {"host": guard.hostname, ASSERTION.decode(): token}
    with HttpPolicy(guard.url, proxies=False).client(headers=headers, timeout=SECONDS) as http:
        for attempt in (QUESTION, NOT_GRANTED, INJECTED_RESULT):
            yield _result(guard, attempt, http.post(f"{guard.url}/chat/completions", json=_body(attempt)))
        answered = 0
        while (response := http.post(f"{guard.url}/chat/completions", json=_body(RUNAWAY))).status_code == 200:
            answered += 1
            if answered == _MOST:
                raise RingwallError(f"the budget of {TOKENS_PER_DAY} tokens did not end after {_MOST} more questions")
        yield _result(guard, RUNAWAY, response, f"{answered} more answers, then ")


def _body(attempt: ModelAttempt) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": attempt.message}]
    if attempt.tool_result is not None:
        function = {"name": "get_ticket", "arguments": '{"ticket_id": 4}'}
        messages += [
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "call_1", "content": attempt.tool_result},
        ]
    return {"model": attempt.model, "messages": messages}


def _result(guard: RunningGuard, attempt: ModelAttempt, response: httpx.Response, before: str = "") -> AttemptResult:
    saw = before + _shown(response)
    records = [record for record in decisions(guard.audit) if record.get("name") == attempt.model]
    if not records or (records[-1]["decision"], records[-1]["reason"]) != (attempt.decision, attempt.reason):
        wrote = f"{records[-1]['decision']} {records[-1]['reason']}" if records else "nothing down"
        raise RingwallError(
            f"“{attempt.title}” was to be {attempt.decision} {attempt.reason}, and the guard wrote {wrote}; "
            f"the client saw: {saw}"
        )
    return AttemptResult(attempt, saw, records[-1])


def _shown(response: httpx.Response) -> str:
    """What a client reads of an answer or an error."""
    try:
        body = response.json()
        if response.status_code == 200:
            return str(body["choices"][0]["message"]["content"])
        error = body["error"]
        wait = response.headers.get("retry-after")
        code = error["code"] if wait is None else f"{error['code']}, Retry-After {wait}"
        return f"HTTP {response.status_code} {code}: {error['message']}"
    except (json.JSONDecodeError, KeyError, TypeError):
        return f"HTTP {response.status_code}: {response.text}"
