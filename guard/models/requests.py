"""One request of the endpoint: which members it may have, and what the inner route is sent in its place.

OpenAI adds members every month. One that the guard does not know could have the provider act or keep something, or hold
text that it takes for a switch. So the known ones are named here, and a further one passes once the stack file names it
(`guard.extra_parameters`); then it is inspected as a prompt is. What would let the provider act by itself (its own tools),
keep something for later calls of the same account, or answer in sound is refused: nothing of it passes the guard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from guard.decide.reasons import Reason
from guard.models.refusals import ErrorCode, ModelRefusal
from guard.models.tool_kinds import ToolKinds
from model.model_guard_config import InnerModel
from model.model_route import ModelKind

#: Answers to one request (`n`) at most.
MOST_ANSWERS = 8
#: Tools that the caller runs itself. Every other type is run by the provider.
CALLERS_TOOLS = frozenset(("function", "custom"))
ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))

_STATELESS = (
    "nothing is kept at the provider, where one account is shared by everyone here; send the conversation itself"
)
_UNHEARD = "an answer in sound cannot be inspected"


@dataclass(frozen=True, slots=True)
class RefusedMember:
    """A member that is refused where `is_meant` says that its value asks for it, and why."""

    is_meant: Callable[[Any], bool]
    reason: str


def _any(value: Any) -> bool:
    return True


def _yes(value: Any) -> bool:
    return value is not False


@dataclass(frozen=True, slots=True)
class RequestFormat:
    """The members of the requests to one path. `bounds` are those that bound the answer; `definitions` describe tools and
    forms to the model, `conversation` is what `guard.models.conversation` takes apart."""

    path: str
    conversation: str
    bounds: tuple[str, ...] = ()
    definitions: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    refused: Mapping[str, RefusedMember] = field(default_factory=dict)

    @property
    def structure(self) -> frozenset[str]:
        """The members that say nothing to a model."""
        return frozenset(("model", "stream", "stream_options", self.conversation, *self.bounds))

    def knows(self, name: str) -> bool:
        return name in self.structure or name in self.definitions or name in self.plain


_SAMPLING = ("temperature", "top_p", "user", "safety_identifier", "service_tier", "metadata", "parallel_tool_calls")
_PROMPT_CACHE = ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention")
FORMATS: Mapping[ModelKind, RequestFormat] = {
    "chat": RequestFormat(
        "chat/completions",
        "messages",
        ("max_completion_tokens", "max_tokens"),
        frozenset(("tools", "functions", "response_format")),
        frozenset(
            (
                *_SAMPLING,
                *_PROMPT_CACHE,
                *(
                    "n",
                    "seed",
                    "stop",
                    "frequency_penalty",
                    "presence_penalty",
                    "logit_bias",
                    "logprobs",
                    "top_logprobs",
                ),
                *("tool_choice", "function_call", "prediction", "reasoning_effort", "verbosity", "modalities", "store"),
            )
        ),
        {
            "audio": RefusedMember(_any, _UNHEARD),
            "modalities": RefusedMember(lambda value: value != ["text"], _UNHEARD),
            "store": RefusedMember(_yes, _STATELESS),
            "web_search_options": RefusedMember(
                _any, "the provider would search and read by itself; offer the model a search tool of a server instead"
            ),
        },
    ),
    "responses": RequestFormat(
        "responses",
        "input",
        ("max_output_tokens",),
        frozenset(("tools", "text")),
        frozenset(
            (
                *_SAMPLING,
                *_PROMPT_CACHE,
                *("instructions", "include", "max_tool_calls", "reasoning", "tool_choice", "truncation", "store"),
                "background",
            )
        ),
        {
            "background": RefusedMember(_yes, "an answer that is fetched later would be anybody's; ask for a stream"),
            "store": RefusedMember(_yes, _STATELESS),
            "previous_response_id": RefusedMember(_any, _STATELESS),
            "conversation": RefusedMember(_any, _STATELESS),
            "prompt": RefusedMember(_any, "a prompt that the provider keeps cannot be inspected; send its text"),
            "top_logprobs": RefusedMember(_any, "the single words of an answer cannot be inspected"),
        },
    ),
    "embeddings": RequestFormat("embeddings", "input", plain=frozenset(("dimensions", "encoding_format", "user"))),
}


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A request that has one meaning and asks for nothing that is never carried. `bound` is the most output tokens of one
    answer, None where nothing bounds it."""

    kind: ModelKind
    model: InnerModel
    body: Mapping[str, Any]
    stream: bool
    wants_usage: bool
    bound: int | None
    answers: int = 1
    tools: ToolKinds = field(default_factory=lambda: ToolKinds({}))

    @property
    def format(self) -> RequestFormat:
        return FORMATS[self.kind]

    def forwarded(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the inner route is sent: `body`, which passed inspection, for the provider's model, with the bound of the
        stack file and the wish for usage."""
        sent = {**body, "model": self.model.provider_model}
        if self.stream and self.kind == "chat":
            # Without it a stream says nothing of its tokens; the client that did not ask is not shown it.
            sent["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        if self.kind == "responses":
            sent["store"] = False  # the provider's default is to keep it
        if self.model.max_output_tokens is not None and self.kind != "embeddings" and not _bounds(self.format, body):
            sent[self.model.bound if self.kind == "chat" else "max_output_tokens"] = self.model.max_output_tokens
        return sent


def read_request(kind: ModelKind, model: InnerModel, body: Mapping[str, Any], extra: frozenset[str]) -> ModelRequest:
    """The request of a body whose model is granted; raises ModelRefusal.

    `extra` are the members that the stack file lets pass beside the known ones.
    """
    row = FORMATS[kind]
    if kind not in model.kinds:
        able = " and ".join(FORMATS[name].path for name in model.kinds)
        raise unsupported_member("model", f"{model.name} answers {able}, not {row.path}")
    for name, value in body.items():
        if value is None:
            continue
        refused = row.refused.get(name)
        if refused is not None and refused.is_meant(value):
            raise unsupported_member(name, refused.reason)
        if not row.knows(name) and refused is None and name not in extra:
            raise _unknown(name, row)
    stream = _boolean(body, "stream")
    if stream and kind == "embeddings":
        raise wrong_member("stream", "embeddings have no streams")
    options = body.get("stream_options")
    if options is not None and not isinstance(options, dict):
        raise wrong_member("stream_options", "must be an object")
    wants_usage = stream and _boolean(options or {}, "include_usage")
    if stream and body.get("logprobs"):
        raise unsupported_member("logprobs", "the single words of a stream cannot be inspected; ask without stream")
    _check_tools(row, body)
    answers = _number(body, "n") or 1
    if answers > MOST_ANSWERS:
        raise wrong_member("n", f"must be at most {MOST_ANSWERS}")
    bounds = _bounds(row, body)
    most = model.max_output_tokens
    for name, number in bounds.items():
        if most is not None and number > most:
            raise ModelRefusal(
                ErrorCode.INVALID_REQUEST,
                f"{name} is {number}, and the route allows at most {most} output tokens of {model.name}",
                Reason.TOO_MANY_TOKENS,
                name,
            )
    bound = max(bounds.values(), default=most)
    return ModelRequest(kind, model, body, stream, wants_usage, bound, answers, ToolKinds(body))


def _unknown(name: str, row: RequestFormat) -> ModelRefusal:
    similar = get_close_matches(name[:64], sorted((*row.structure, *row.definitions, *row.plain)), 1)
    hint = f" Do you mean {similar[0]!r}?" if similar else ""
    return ModelRefusal(
        ErrorCode.UNKNOWN_PARAMETER,
        f"The guard does not know {name[:64]!r} and does not pass it on.{hint} An operator can let it pass by "
        "guard.extra_parameters of the route.",
        Reason.UNKNOWN_PARAMETER,
        name[:64],
    )


def _bounds(row: RequestFormat, body: Mapping[str, Any]) -> dict[str, int]:
    """What the request itself bounds the answer by. Two members may differ, and a provider knows one of the two."""
    numbers = {name: _number(body, name) for name in row.bounds}
    return {name: number for name, number in numbers.items() if number is not None}


def _check_tools(row: RequestFormat, body: Mapping[str, Any]) -> None:
    for name in ("tools", "functions"):
        tools = body.get(name)
        if name not in row.definitions or tools is None:
            continue
        if not isinstance(tools, list):
            raise wrong_member(name, "must be a list")
        for index, tool in enumerate(tools):
            place = f"{name}[{index}]"
            if not isinstance(tool, dict):
                raise wrong_member(place, "must be an object")
            kind = tool.get("type") if name == "tools" else "function"
            if not isinstance(kind, str):
                raise wrong_member(f"{place}.type", "must be a text")
            if kind not in CALLERS_TOOLS:
                text = f"the provider would run {kind[:64]!r} itself, and nothing of that could be inspected"
                raise unsupported_member(f"{place}.type", f"{text}; offer functions, which the caller runs")


def _boolean(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong_member(name, "must be true or false")
    return bool(value)


def _number(body: Mapping[str, Any], name: str) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**31:
        raise wrong_member(name, "must be a whole number from 1")
    return value


def wrong_member(param: str, problem: str) -> ModelRefusal:
    """The refusal of a member that is not of its format."""
    return ModelRefusal(ErrorCode.INVALID_REQUEST, f"{param} {problem}", Reason.MALFORMED, param)


def unsupported_member(param: str, reason: str) -> ModelRefusal:
    """The refusal of a member that asks for what is never carried."""
    return ModelRefusal(
        ErrorCode.UNSUPPORTED_PARAMETER, f"{param} is not carried: {reason}", Reason.UNSUPPORTED_PARAMETER, param
    )
