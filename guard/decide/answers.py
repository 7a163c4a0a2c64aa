"""The guard's own answers: short fixed texts with an incident id, which never tell the finding or the rule behind it.

A text says whether to ask the operator makes sense: what blocked the call, and what would let it pass, is the operator's to
see (`ringwall audit show --incident`).

A tool that may not be called is answered as an unknown tool. Blocked arguments and results are answered as tool errors,
which the model reads. Other methods get a JSON-RPC error. The guard's own error codes lie outside the range that
JSON-RPC and MCP reserve (-32768 to -32000). The reasons, for the audit log, are in `guard.decide.reasons`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from wire.jsonrpc import HEADER_MISMATCH as HEADER_MISMATCH
from wire.jsonrpc import INVALID_PARAMS as INVALID_PARAMS
from wire.jsonrpc import METHOD_NOT_FOUND as METHOD_NOT_FOUND
from wire.jsonrpc import UNSUPPORTED_VERSION as UNSUPPORTED_VERSION
from wire.jsonrpc import Id

PARSE_ERROR = -32700
INVALID_REQUEST = -32600

REFUSED = -31001
NO_VERDICT = -31002
LIMITED = -31003
ORIGIN_UNAVAILABLE = -31004
UNAUTHENTICATED = -31005
#: The request was executed and its answer is withheld. This must never read as a refusal, or the request is sent again.
WITHHELD = -31006

#: The member of a tool error's `_meta` that says which limit was reached, as `data` does in a JSON-RPC error.
LIMIT_META = "ringwall/limit"
#: The member of a tool error's `_meta` that names the incident, as `data.incident` does in a JSON-RPC error.
INCIDENT_META = "ringwall/incident"
#: The header of a refusal that names the incident, also where there is no body.
INCIDENT_HEADER = "ringwall-incident"

#: HTTP status, when the server fails, of a request without a JSON-RPC answer (a notification, a GET, a DELETE). A 5xx would
#: tell Kong that the guard is broken, and a 404 would tell the client that its session has ended.
ORIGIN_FAILED = 424

#: HTTP status of an error that is answered outside a stream in the modern era. Limits and failures of the server are 200:
#: the official SDK's 1.x loses its session over any other status (its `raise_for_status` runs outside its task group), some
#: clients repeat a call after a 429 or 5xx by themselves, and Kong's circuit breaker reads a 5xx as the guard's own failure.
_STATUS = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    INVALID_PARAMS: 400,
    HEADER_MISMATCH: 400,
    UNSUPPORTED_VERSION: 400,
    METHOD_NOT_FOUND: 404,
    UNAUTHENTICATED: 401,
}

_ASK = "An operator can allow it: give them incident {incident}."
_FINAL = "It stays blocked; to ask or to repeat it does not help. Incident {incident}."
#: Every text about a block or refusal that an operator may lift. `_final` ends the key where no operator is to be asked.
TEXTS = {
    "arguments": f"This call was blocked by the guard and was not executed. {_ASK}",
    "arguments_final": f"This call was blocked by the guard and was not executed. {_FINAL}",
    "results": f"The result of this call was blocked by the guard. {_ASK}",
    "results_final": f"The result of this call was blocked by the guard. {_FINAL}",
    "other": f"Blocked by the guard. {_ASK}",
    "other_final": f"Blocked by the guard. {_FINAL}",
    "no_verdict": "The guard could not reach a verdict; the call was not executed. Try again later. Incident {incident}.",
    "no_verdict_result": (
        "The guard could not reach a verdict on the result, which is withheld. Nothing else is wrong with the call. "
        "Incident {incident}."
    ),
    "no_verdict_other": "The guard could not reach a verdict. Try again later. Incident {incident}.",
    "too_large": (
        "This call was executed; its result is withheld, as it is larger than the guard passes on. Ask for less of it. "
        "Incident {incident}."
    ),
    "no_room": (
        "This call was executed; its result is withheld, as the guard holds as much as it has memory for. "
        "Ask for less of it, or later. Incident {incident}."
    ),
    "used_up": (
        "This call was executed; the rest of its result is withheld, as it exceeds the token budget. "
        "Ask for less of it. Incident {incident}."
    ),
    "taint": (
        "This call could send data out after untrusted content was read, and was blocked by the guard. "
        "It is possible again some minutes after such content. Incident {incident}."
    ),
    "unshared": (
        "Nothing was executed: this call could send data out, and the guard could not find out whether untrusted "
        "content was read before it. Try again later. Incident {incident}."
    ),
    "no_token": (
        "Nothing was executed: the server acts by your own rights, and no token in your name could be had for it. "
        "An operator can see why: give them incident {incident}."
    ),
    "constraint": "The operator who grants this tool can allow it: give them incident {incident}.",
    # The same whether the thing exists or not, as a caller must not learn what it may not use.
    "unknown": "An operator can grant what exists: give them incident {incident}.",
    # To the server, which has no operator to ask.
    "server": "Blocked by the guard.",
}


def text(key: str, incident: str) -> str:
    """One of `TEXTS`, with the incident id of the exchange."""
    return TEXTS[key].format(incident=incident)


def limited(text: str, wait: int | None) -> str:
    """The text of a request that was refused by a limit, which `text` names."""
    later = "" if wait is None else f" Try again in {wait} s."
    return f"{text} Nothing was executed.{later}"


def status_of(code: int, *, modern: bool) -> int:
    """HTTP status for an error: in the 2025 eras a JSON-RPC error to a readable request is HTTP 200."""
    status = _STATUS.get(code, 200)
    return status if modern or code in (PARSE_ERROR, INVALID_REQUEST) else 200


def new_incident() -> str:
    """A new incident id, which links an answer to its audit record: 16 random hexadecimal digits."""
    return os.urandom(8).hex()


def error(
    id_: Id | None, code: int, message: str, data: Mapping[str, Any] | None = None, incident: str | None = None
) -> dict[str, Any]:
    """A JSON-RPC error answer; with `incident` its text and its data name that."""
    if incident is not None:
        message, data = _with_incident(message, incident), {**(data or {}), "incident": incident}
    body: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        body["data"] = data
    return {"jsonrpc": "2.0", "id": id_, "error": body}


def of_refusal(message: dict[str, Any], incident: str) -> dict[str, Any]:
    """A JSON-RPC error that was made before its incident was known, with the incident in its text and its data."""
    body = message["error"]
    return error(message["id"], body["code"], body["message"], body.get("data"), incident)


def _with_incident(text: str, incident: str) -> str:
    if incident in text:
        return text
    return f"{text}{'' if text.endswith('.') else '.'} Incident {incident}."


def tool_error(
    id_: Id, text: str, *, modern: bool, incident: str, limit: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A tool result with `isError`, which the model reads. SDK clients do not check it against the output schema.

    `limit` is what was reached, for programs, as `incident` is.
    """
    content = [{"type": "text", "text": _with_incident(text, incident)}]
    meta: dict[str, Any] = {INCIDENT_META: incident}
    if limit is not None:
        meta[LIMIT_META] = limit
    result: dict[str, Any] = {"content": content, "isError": True, "_meta": meta}
    if modern:
        result["resultType"] = "complete"
    return {"jsonrpc": "2.0", "id": id_, "result": result}
