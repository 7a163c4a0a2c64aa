"""How the server is told who calls: a token in a header of each request, or in each message's `_meta`.

What the token says is in `guard.identity.caller_token`. A client's own word in either place never arrives: no header of a
client's is forwarded but MCP's, and `without_claims` takes the members out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from guard.identity.caller_token import CallerTokens, TokenId
from guard.identity.principal import Principal
from model.origin_headers import IDENTITY_HEADER, IDENTITY_META, META_PREFIX
from wire.jsonrpc import Answer, Message
from wire.protocol_versions import META_KEYS

Sent = tuple[dict[str, str], Mapping[str, Any]]


class CallerIntroduction:
    """Puts tokens where the stack file has them: `place` is `header` or `meta`."""

    def __init__(self, place: Literal["header", "meta"], tokens: CallerTokens) -> None:
        self.place = place
        self.tokens = tokens

    def of_caller(
        self,
        headers: Mapping[str, str],
        body: Mapping[str, Any],
        id_: TokenId,
        principal: Principal,
        *,
        message: Mapping[str, str],
        groups: Sequence[str] = (),
        incident: str | None = None,
    ) -> Sent:
        """A caller's request with the token about the caller. Without a body, as of a GET, only a header can tell."""
        return self._placed(headers, body, lambda: self.tokens.about_caller(id_, principal, message, groups, incident))

    def of_guard(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> Sent:
        """A request of the guard's own, which says so."""
        return self._placed(headers, body, lambda: self.tokens.about_guard(self.tokens.new_id()))

    def message_of_guard(self, message: Message) -> Message:
        """A message of the guard's own to a command, which reads no headers."""
        body = dict(self.of_guard({}, message.body)[1])
        return message if isinstance(message, Answer) else replace(message, params=body.get("params", {}), body=body)

    def _placed(self, headers: Mapping[str, str], body: Mapping[str, Any], token: Any) -> Sent:
        if self.place == "header":
            return {**headers, IDENTITY_HEADER: token()}, body
        if "method" not in body:
            return dict(headers), body  # an answer has no `_meta` that all versions know
        params = body.get("params", {})
        meta = {**params.get("_meta", {}), IDENTITY_META: token()}
        return dict(headers), {**body, "params": {**params, "_meta": meta}}


def without_claims(message: Message) -> Message:
    """The message without members of `_meta` that only the guard writes, in whatever mode."""
    if isinstance(message, Answer):
        result = message.result
        if result is None or (cleaned := _cleaned(result)) is result:
            return message
        return replace(message, result=cleaned, body={**message.body, "result": cleaned})
    params = _cleaned(message.params)
    if params is message.params:
        return message
    return replace(message, params=params, body={**message.body, "params": params})


def _cleaned(holder: dict[str, Any]) -> dict[str, Any]:
    meta = holder.get("_meta")
    # Most hold the protocol's own members alone, of which one look is enough.
    if not isinstance(meta, dict) or meta.keys() <= META_KEYS or not any(_is_reserved(name) for name in meta):
        return holder
    return {**holder, "_meta": {name: value for name, value in meta.items() if not _is_reserved(name)}}


def _is_reserved(name: str) -> bool:
    return name.strip().lower().startswith(META_PREFIX)
