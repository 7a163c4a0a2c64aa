"""A provider's answers: the parts of a whole one that are judged, and what its errors are called here.

A provider's error may quote its key or name its account (OpenAI: "Incorrect API key provided: sk-…", "in organization
org-…"), and both are the operator's. So only the text about the request itself is passed on, inspected as an answer is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from guard.decide.reasons import Decision, Reason, origin_status
from guard.http.upstream import AnswerWithoutRoom, UpstreamDown
from guard.inspect.verdict import ModelLeg
from guard.models.conversation import MessagePart, Path, called, is_finish_reason, is_id, request_item
from guard.models.refusals import ErrorCode, ModelRefusal
from guard.models.requests import ROLES, ModelRequest
from guard.models.tool_kinds import ToolKinds
from guard.models.usage import numbers_of
from wire.json import Malformed, parse

#: Bytes of an answer that is passed on.
MAX_ANSWER = 16 * 1024 * 1024
#: Bytes of a provider's error that are read, and characters of its text that are shown.
MAX_ERROR, MAX_TEXT = 64 * 1024, 500
#: Members that name or count and are not read by a model; each is judged by its form.
_NAMES = frozenset(
    ("id", "object", "model", "system_fingerprint", "service_tier", "created", "created_at", "completed_at")
)
_ACCOUNT = re.compile(
    r"(?i)\b(?:org|proj|sk|pk|acct|key|user)-[A-Za-z0-9_*-]{3,}|api[ _-]?key|organi[sz]ation|account|billing"
)
_WORD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")


class UnusableModelAnswer(Exception):
    """The provider's answer is not of the OpenAI format. The message quotes nothing of it."""


def read_answer(request: ModelRequest, body: bytes) -> dict[str, Any]:
    """A whole answer, under the model's public name and without names that are no names; raises UnusableModelAnswer."""
    try:
        answer = parse(body)
    except Malformed as problem:
        raise UnusableModelAnswer(f"it is not JSON: {problem}") from None
    if not isinstance(answer, dict):
        raise UnusableModelAnswer("it is no object")
    if answer.get("error"):
        raise UnusableModelAnswer("it is an error")  # whose text may be about the operator's account
    member = {"chat": "choices", "responses": "output", "embeddings": "data"}[request.kind]
    items = answer.get(member)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnusableModelAnswer(f"its {member} is no list of objects")
    named = {name: value for name, value in answer.items() if not is_misnamed(name, value)}
    usage = {"usage": numbers_of(answer["usage"])} if isinstance(answer.get("usage"), dict) else {}
    return {**named, **usage, "model": request.model.name}


def is_misnamed(name: str, value: Any) -> bool:
    """Whether a member that names or counts holds something else, which nobody would inspect there."""
    return name in _NAMES and not (value is None or isinstance(value, int | float) or is_id(value))


def answer_parts(request: ModelRequest, answer: Mapping[str, Any]) -> list[MessagePart]:
    """The parts of a whole answer; raises UnusableModelAnswer for what nobody can inspect."""
    try:
        return _parts(request, answer)
    except ModelRefusal as refusal:
        raise UnusableModelAnswer(refusal.message) from None


def _parts(request: ModelRequest, answer: Mapping[str, Any]) -> list[MessagePart]:
    member = {"chat": "choices", "responses": "output", "embeddings": "data"}[request.kind]
    remaining = {
        name: value
        for name, value in answer.items()
        if name not in _NAMES and name not in (member, "usage") and isinstance(value, str | list | dict) and value
    }
    # What the request said comes back with an answer of the responses' kind; it was judged as a request.
    if request.kind == "responses":
        remaining = {name: value for name, value in remaining.items() if value != request.body.get(name)}
    parts = [MessagePart(ModelLeg.ANSWERS, (), remaining)] if remaining else []
    for index, item in enumerate(answer[member]):
        path: Path = (member, index)
        if request.kind == "embeddings":
            parts += _embedding(path, item)
        elif request.kind == "responses":
            parts += request_item(path, item, request.tools)
        else:
            parts += _choice(path, item, request.tools)
    return parts


def _embedding(path: Path, item: Mapping[str, Any]) -> list[MessagePart]:
    vector = item.get("embedding")
    numbers = isinstance(vector, list) and all(isinstance(number, int | float) for number in vector)
    if not numbers and not (isinstance(vector, str) and re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", vector)):
        raise UnusableModelAnswer("an embedding is neither numbers nor base64")
    described = {name: value for name, value in item.items() if name not in ("embedding", "index", "object")}
    return [MessagePart(ModelLeg.ANSWERS, path, described)] if described else []


def _choice(path: Path, choice: Mapping[str, Any], tools: ToolKinds) -> list[MessagePart]:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise UnusableModelAnswer("a choice has no message")
    for name in ("audio", "images"):
        if message.get(name):
            raise UnusableModelAnswer(f"it holds {name}, which nobody can inspect")
    texts = {
        name: value
        for name, value in message.items()
        if name not in ("tool_calls", "function_call")
        and isinstance(value, str | list | dict)
        and value
        and not (name == "role" and value in ROLES)
    }
    notes = {
        name: value
        for name, value in choice.items()
        if name != "message"
        and isinstance(value, str | list | dict)
        and value
        and not (name == "finish_reason" and is_finish_reason(value))
    }
    parts = [MessagePart(ModelLeg.ANSWERS, path, {**notes, **({"message": texts} if texts else {})})]
    if not parts[0].value:
        parts = []
    return [*parts, *called((*path, "message"), message, tools)]


# -- errors -----------------------------------------------------------------------------------------------------------------


def provider_error(request: ModelRequest, status: int, headers: Mapping[str, str], body: bytes) -> ModelRefusal:
    """What an answer of another status than 200 is called. `headers` are those that may reach a client."""
    refusal = _named(request, status, headers, _error_of(body))
    refusal.decision = Decision.ERROR
    return refusal


def _named(request: ModelRequest, status: int, headers: Mapping[str, str], error: Mapping[str, Any]) -> ModelRefusal:
    reason = origin_status(status)
    wait = {name: value for name, value in headers.items() if name == "retry-after"}
    if status in (400, 413, 422):
        code = ErrorCode.TOO_LARGE if status == 413 else ErrorCode.INVALID_REQUEST
        text = _shown(error.get("message"), request)
        param = error.get("param")
        return ModelRefusal(
            code,
            f"The provider refused the request{f': {text}' if text else ''}",
            reason,
            param if isinstance(param, str) and _WORD.fullmatch(param) else None,
        )
    if status == 429:
        spent = error.get("code") == "insufficient_quota" or error.get("type") == "insufficient_quota"
        text = "The operator's quota at the provider is used up" if spent else "The provider's own limit is reached"
        headers = {**wait, **({"x-should-retry": "false"} if spent else {})}
        return ModelRefusal(ErrorCode.PROVIDER_LIMITED, text, reason, headers=headers)
    if status in (408, 504):
        return ModelRefusal(ErrorCode.PROVIDER_SLOW, "The provider did not answer in time", reason, headers=wait)
    if status >= 500:
        return ModelRefusal(ErrorCode.PROVIDER_FAILED, "The provider failed", reason, headers=wait)
    text = "The provider or the gateway refused what the operator configured for this model"
    return ModelRefusal(ErrorCode.PROVIDER_REFUSED, text, reason)


def broken_off(problem: UpstreamDown) -> ModelRefusal:
    """What a connection to the inner route is called that failed or broke off."""
    if problem.silent:
        code, text = ErrorCode.PROVIDER_SLOW, "The provider did not answer in time"
    else:
        code = ErrorCode.PROVIDER_FAILED
        text = "The provider's answer broke off" if problem.sent else "The gateway cannot be reached"
    return ModelRefusal(code, text, Reason.ORIGIN_UNAVAILABLE, decision=Decision.ERROR)


def unusable(problem: str) -> ModelRefusal:
    """What an answer is called that cannot be passed on; `problem` is for the audit log."""
    text = "The provider's answer cannot be passed on"
    code, reason = ErrorCode.ANSWER_UNUSABLE, Reason.ORIGIN_MALFORMED
    return ModelRefusal(code, text, reason, decision=Decision.ERROR, problem=problem)


def without_room(problem: AnswerWithoutRoom) -> ModelRefusal:
    """What an answer is called that there is no memory for. The request was carried out."""
    text = "The provider answered, and the guard holds as much as it has memory for; ask for less, or later"
    code, reason = ErrorCode.ANSWER_UNUSABLE, Reason.MEMORY_USED_UP
    return ModelRefusal(code, text, reason, decision=Decision.BLOCK, problem=str(problem))


def _error_of(body: bytes) -> Mapping[str, Any]:
    """The error in OpenAI's form, or Kong's bare message as one."""
    try:
        value = parse(body)
    except Malformed:
        return {}
    error = value.get("error", value) if isinstance(value, dict) else {}
    return error if isinstance(error, dict) else {}


def _shown(text: Any, request: ModelRequest) -> str | None:
    """A provider's text about a request; None where it may be about the operator's account."""
    if not isinstance(text, str) or _ACCOUNT.search(text):
        return None
    line = " ".join(text.replace(request.model.provider_model, request.model.name).split())
    return line if len(line) <= MAX_TEXT else f"{line[:MAX_TEXT]}…"
