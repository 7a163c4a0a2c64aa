"""Asking the person before data may leave after untrusted content was read (`taint.outbound_call: ask`).

The question is MCP's own elicitation, in the form of either era: a request on the answer's stream, or an
`input_required` result that the client repeats its call with. A client that cannot be asked is refused. A consent is
for one principal and one exact call, once, within five minutes.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wire.jsonrpc import Answer, Id

VALID_SECONDS = 300.0
_MOST = 4096
_KEY = "ringwall-consent"


def question(tool: str) -> dict[str, Any]:
    """The parameters of the elicitation: fixed words and the tool's name, which is in the lock."""
    return {
        "mode": "form",
        "message": f"Untrusted content was read a moment ago. Let the tool {tool} be called, which can send data out?",
        "requestedSchema": {
            "type": "object",
            "properties": {"confirm": {"type": "boolean", "title": "Call it", "default": False}},
            "required": ["confirm"],
        },
    }


def is_yes(response: Any) -> bool:
    """Only an accepted form with the box ticked is a yes."""
    if not isinstance(response, dict) or response.get("action") != "accept":
        return False
    content = response.get("content")
    return isinstance(content, dict) and content.get("confirm") is True


@dataclass(slots=True)
class Consents:
    """Open questions. `clock` in monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    _tokens: OrderedDict[str, tuple[str, str, float]] = field(default_factory=OrderedDict)
    _waiting: dict[tuple[str, Id], asyncio.Future[bool]] = field(default_factory=dict)

    def result(self, principal: str, call: str, tool: str) -> dict[str, Any]:
        """An `input_required` result that asks about `call` (digest of tool and arguments)."""
        token = f"{_KEY}.{secrets.token_urlsafe(24)}"
        self._tokens[token] = (principal, call, self.clock() + VALID_SECONDS)
        while len(self._tokens) > _MOST:
            self._tokens.popitem(last=False)
        request = {"method": "elicitation/create", "params": question(tool)}
        return {"resultType": "input_required", "inputRequests": {_KEY: request}, "requestState": token}

    @staticmethod
    def is_ours(state: Any) -> bool:
        """Whether a `requestState` is one of the guard's own questions."""
        return isinstance(state, str) and state.startswith(f"{_KEY}.")

    def redeem(self, params: Mapping[str, Any], principal: str, call: str) -> bool:
        """Whether the repeated call brings a valid yes; a token counts once, whatever it brings."""
        known = self._tokens.pop(params["requestState"], None)
        if known is None or known[0] != principal or known[1] != call or known[2] < self.clock():
            return False
        responses = params.get("inputResponses")
        return isinstance(responses, dict) and is_yes(responses.get(_KEY))

    def request(self, channel: str, tool: str) -> tuple[dict[str, Any], asyncio.Future[bool]]:
        """A server request for the stream of a legacy session, and its coming answer."""
        id_ = f"{_KEY}.{secrets.token_urlsafe(24)}"
        future = asyncio.get_running_loop().create_future()
        self._waiting[channel, id_] = future
        future.add_done_callback(lambda _: self._waiting.pop((channel, id_), None))
        return {"jsonrpc": "2.0", "id": id_, "method": "elicitation/create", "params": question(tool)}, future

    def hear(self, channel: str, answer: Answer) -> bool:
        """True if `answer` was to one of the guard's own questions in this session."""
        future = None if answer.id is None else self._waiting.get((channel, answer.id))
        if future is None:
            return False
        if not future.done():
            future.set_result(is_yes(answer.result))
        return True
