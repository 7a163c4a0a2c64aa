"""The questions that the guard asks a person before an outbound call after untrusted content (`taint.outbound_call: ask`).

A question is MCP's own elicitation, in the form of either era: a request on the answer's stream, or an `input_required`
result, after which the client repeats its call with the answer. A consent is for one principal and one exact call, once,
within five minutes. When a person is asked is decided in `guard.decide.outbound`.
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
#: A question's principal, the digest of the call it is about, and until when it may be answered.
AskedCall = tuple[str, str, float]
_MOST = 4096
_KEY = "ringwall-consent"


def question(tool: str) -> dict[str, Any]:
    """The parameters of the elicitation. The text is fixed but for the tool's name, which the tool lock approved."""
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
    """Whether the person agreed: the form must be accepted, with its box ticked."""
    if not isinstance(response, dict) or response.get("action") != "accept":
        return False
    content = response.get("content")
    return isinstance(content, dict) and content.get("confirm") is True


@dataclass(slots=True)
class Consents:
    """The questions that are open. `clock` is monotonic, in seconds."""

    clock: Callable[[], float] = time.monotonic
    _tokens: OrderedDict[str, AskedCall] = field(default_factory=OrderedDict)
    _waiting: dict[tuple[str, Id], asyncio.Future[bool]] = field(default_factory=dict)

    def result(self, principal: str, call: str, tool: str) -> dict[str, Any]:
        """An `input_required` result that asks about `call` (digest of tool and arguments)."""
        token = f"{_KEY}.{secrets.token_urlsafe(24)}"
        self.keep(token, (principal, call, self.clock() + VALID_SECONDS))
        request = {"method": "elicitation/create", "params": question(tool)}
        return {"resultType": "input_required", "inputRequests": {_KEY: request}, "requestState": token}

    def keep(self, token: str, subject: AskedCall) -> None:
        """Keep what a question is about; the newest 4,096 are kept."""
        self._tokens[token] = subject
        while len(self._tokens) > _MOST:
            self._tokens.popitem(last=False)

    async def take(self, token: str) -> AskedCall | None:
        """What the question with this token is about; the token is used up."""
        return self._tokens.pop(token, None)

    @staticmethod
    def is_consent_state(state: Any) -> bool:
        """Whether a `requestState` belongs to one of the guard's own questions."""
        return isinstance(state, str) and state.startswith(f"{_KEY}.")

    async def redeem(self, params: Mapping[str, Any], principal: str, call: str) -> bool:
        """Whether the repeated call brings a valid yes. Its token is used up, whatever the answer was."""
        known = await self.take(params["requestState"])
        if known is None or known[0] != principal or known[1] != call or known[2] < self.clock():
            return False
        responses = params.get("inputResponses")
        return isinstance(responses, dict) and is_yes(responses.get(_KEY))

    def request(self, channel: str, tool: str) -> tuple[dict[str, Any], asyncio.Future[bool]]:
        """A server request for the stream of a legacy session, and a future of whether the person agreed."""
        id_ = f"{_KEY}.{secrets.token_urlsafe(24)}"
        future = asyncio.get_running_loop().create_future()
        self._waiting[channel, id_] = future
        future.add_done_callback(lambda _: self._waiting.pop((channel, id_), None))
        return {"jsonrpc": "2.0", "id": id_, "method": "elicitation/create", "params": question(tool)}, future

    def hear(self, channel: str, answer: Answer) -> bool:
        """Take a client's answer. True if it answers one of the guard's own questions in this session."""
        future = None if answer.id is None else self._waiting.get((channel, answer.id))
        if future is None:
            return False
        if not future.done():
            future.set_result(is_yes(answer.result))
        return True
