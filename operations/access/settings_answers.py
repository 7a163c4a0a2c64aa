"""What settings say to every call that a ring lets pass: a note for each key that a file writes, and none for a default.

Keys that decide about one call or another have answers of their own (`edge`, `gateway_answers`, `server_answers`,
`model_answers`); what is no part of a call's road has none (logs, waivers, where the guard listens).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from model.clients import client_title
from model.stacks import PerimeterStack
from operations.access.answers import RingAnswer
from operations.access.places import server_place

Words = Callable[[Any], str]

_FINDINGS: Final = {"block": "is refused", "redact": "is redacted", "flag": "is logged, and passes"}
_LEGS: Final = {
    "arguments": "arguments",
    "results": "a result",
    "prompts": "a prompt",
    "resources": "a resource",
    "tool_results": "a tool result",
    "definitions": "a definition",
    "server_requests": "what the server asks of the client",
    "answers": "an answer",
    "tool_calls": "a tool call that the model asks for",
}


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _leg(leg: str) -> Words:
    return lambda verdict: f"a finding in {_LEGS[leg]} {_FINDINGS[verdict]}"


#: By ring, in the order in which they are shown: a key of a server's or model route's file, and what its value says.
_NOTES: Final[Mapping[str, Mapping[tuple[str, ...], Words]]] = {
    "edge": {
        ("session",): lambda value: f"a sign-in lasts {value}",
        ("oauth", "access_token_lifetime"): lambda value: f"a client's token lasts {value}",
        ("oauth", "grant_lifetime"): lambda value: f"a client asks the person to sign in again after {value}",
        ("access", "clients"): lambda value: (
            f"these clients alone may register to sign people in: {_listed(map(client_title, value))}"
        ),
    },
    "gateway": {
        ("oauth", "tool_claim"): lambda value: f"Kong too holds tool calls to the grants, by the token's claim {value}",
        ("cors", "origins"): lambda value: f"a page in a browser may call from {_listed(value)} alone",
        ("limits", "tokens_per_minute"): lambda value: f"at most {value} tokens a minute of all callers together",
        ("timeouts", "connect"): lambda value: f"waits {value} for a connection to the guard",
        ("timeouts", "write"): lambda value: f"a request may pause for {value} while it is sent",
        ("timeouts", "read"): lambda value: f"an answer or stream may be silent for {value}",
        ("circuit_breaker", "failures"): lambda value: (
            f"refuses everybody after {value} failures of the guard in a row"
        ),
        ("circuit_breaker", "timeouts"): lambda value: (
            f"refuses everybody after {value} probes of the guard in a row without an answer"
        ),
        ("circuit_breaker", "probe_every"): lambda value: f"probes the guard every {value}",
        ("circuit_breaker", "recover_after"): lambda value: f"opens again after {value} good probes",
    },
    "guard": {
        ("limits", "requests_per_hour"): lambda value: f"at most {value} requests an hour of one caller",
        ("limits", "principal_tokens_per_minute"): lambda value: f"at most {value} tokens a minute of one caller",
        ("limits", "body_kilobytes"): lambda value: f"a request has at most {value} KiB",
        ("limits", "concurrency"): lambda value: f"at most {value} requests in flight of one caller",
        **{("guard", "legs", leg): _leg(leg) for leg in _LEGS},
        ("guard", "deadline"): lambda value: f"no verdict of all engines within {value} is a refusal",
        ("guard", "taint", "window"): lambda value: f"untrusted text counts for {value}",
        ("guard", "taint", "tool_calls"): lambda value: (
            "tool calls that the model asks for after untrusted text "
            + ("are refused" if value == "block" else "pass, if nothing else is found in them")
        ),
        ("guard", "questions", "include_context"): lambda value: (
            f"the server may ask the client for a part of the conversation: {value}"
        ),
        ("guard", "questions", "url_hosts"): lambda value: f"the server may send the person to {_listed(value)}",
        ("guard", "hold_back"): lambda value: f"{value} characters of a stream wait for their verdict",
        ("guard", "extra_parameters"): lambda value: f"a request may have these members too: {_listed(value)}",
        ("guard", "redis"): lambda value: f"nothing passes while the counters at {value.url} do not answer",
        ("cache", "exact"): lambda value: (
            f"a request with temperature 0 may get the answer that the guard gave within {value.lifetime} "
            + ("to anybody with the model" if value.shared else "to the same caller")
        ),
    },
    "origin": {
        ("origin", "identity"): lambda value: (
            "the guard tells the server who calls, by a token it signs in "
            + ("a header" if value == "header" else "_meta")
        ),
        ("origin", "headers"): lambda value: f"the guard adds the server's own headers: {_listed(value)}",
        ("origin", "token_exchange"): lambda _: "the caller's token is exchanged for one of the server's own",
    },
}


def settings_answers(stack: PerimeterStack, ring: str) -> list[RingAnswer]:
    """A note for each setting of this ring that the stack's file or its environment's defaults write."""
    answers = []
    for key, words in _NOTES[ring].items():
        place = server_place(stack, *key)
        value = _value(stack.manifest, key)
        if place.line is not None and value not in (None, (), {}, "none"):
            answers.append(RingAnswer(ring, "note", words(value), place))
    return answers


def _value(manifest: Any, key: tuple[str, ...]) -> Any:
    value = manifest
    for name in key:
        value = getattr(value, name, None)
    return value
