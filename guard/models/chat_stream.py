"""A stream of chat completion chunks on its way to the client: text held back until it is judged, tool calls until they are
complete, everything under the model's public name.

Chunks are written anew from what was judged; the provider's own cuts do not remain. Members of a chunk that OpenAI's format
does not have are left out, as is the padding that OpenAI adds (`obfuscation`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from guard.decide.reasons import Decision
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import EVERYTHING, ModelLeg
from guard.models.answers import UnusableModelAnswer, is_misnamed
from guard.models.conversation import MessagePart, called, is_finish_reason, kinds_of, merged, sparse
from guard.models.held_text import HeldText, WithheldPiece
from guard.models.requests import MOST_ANSWERS, ROLES
from guard.models.tool_kinds import ToolKinds
from guard.models.usage import ModelUsage, numbers_of, read_usage
from model.parameter_kinds import KindTree

#: Channels of text, in the names that providers have for them.
CHANNELS = ("reasoning_content", "reasoning", "content", "refusal")
#: Tool calls of one answer, and characters of all their arguments.
MOST_CALLS = 128
MOST_ARGUMENTS = 4 * 1024 * 1024
_NAMING = ("id", "created", "system_fingerprint", "service_tier")

#: Judges a value on a leg.
JudgeValue = Callable[[ModelLeg, Any, KindTree], Awaitable[Inspected]]
Chunks = list[dict[str, Any]]


@dataclass
class _Choice:
    """One of the answers of a stream."""

    channels: dict[str, HeldText] = field(default_factory=dict)
    speaking: str | None = None
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: The old form of one call.
    call: dict[str, Any] = field(default_factory=dict)
    #: The calls that were judged whole and sent; -1 is the old form's.
    sent_calls: set[int] = field(default_factory=set)
    has_role: bool = False
    finished: bool = False


class ChatStream:
    """Takes in the provider's chunks and gives those that may be sent. `usage` is what the provider said of it, `text_size`
    counts the characters of all answers, `noted` are the decisions worth a record."""

    def __init__(self, model: str, hold_back: int, judge: JudgeValue, *, wants_usage: bool, tools: ToolKinds) -> None:
        self._model = model
        self._hold_back = hold_back
        self._judge = judge
        self._wants_usage = wants_usage
        self._tools = tools
        self._head: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage_shown: Mapping[str, Any] | None = None
        self._arguments = 0
        self.usage: ModelUsage | None = None
        self.text_size = 0
        self.noted: list[tuple[ModelLeg, Inspected]] = []

    @property
    def is_whole(self) -> bool:
        """Whether every answer that began has ended."""
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    async def take(self, chunk: Any) -> Chunks:
        """What may be sent after one more chunk. Raises WithheldPiece, UnusableModelAnswer."""
        if not isinstance(chunk, dict) or not isinstance(chunk.get("choices", []), list):
            raise UnusableModelAnswer("a chunk is no object with choices")
        for name in _NAMING:
            if chunk.get(name) is not None and not is_misnamed(name, chunk[name]):
                self._head.setdefault(name, chunk[name])
        usage = read_usage(chunk.get("usage"))
        if usage is not None:
            self.usage, self._usage_shown = usage, numbers_of(chunk["usage"])
        ready: Chunks = []
        for choice in chunk.get("choices") or ():
            ready += await self._take_choice(choice)
        return ready

    async def end(self) -> Chunks:
        """What is left to be sent at the end, with the usage if the client asked for it. Raises WithheldPiece."""
        ready: Chunks = []
        for index, choice in sorted(self._choices.items()):
            ready += await self._flush(index, choice)
        if self._wants_usage and self._usage_shown is not None:
            ready.append({**self._chunk([]), "usage": self._usage_shown})
        return ready

    async def _take_choice(self, value: Any) -> Chunks:
        index = value.get("index", 0) if isinstance(value, dict) else None
        delta = value.get("delta") or {} if isinstance(value, dict) else None
        if not isinstance(index, int) or not 0 <= index < MOST_ANSWERS or not isinstance(delta, dict):
            raise UnusableModelAnswer("a choice of a chunk is not of its format")
        choice = self._choices.setdefault(index, _Choice())
        ready: Chunks = []
        for name, member in delta.items():
            if member is None or member == [] or (member == "" and name != "content"):
                continue
            if name == "role":
                if member in ROLES and not choice.has_role:
                    choice.has_role = True
                    ready.append(self._delta(index, {"role": member}))
            elif name in CHANNELS and isinstance(member, str):
                ready += await self._speak(index, choice, name, member)
            elif name == "tool_calls" and isinstance(member, list):
                ready += await self._silence(index, choice)
                for call in member:
                    self._take_call(choice, call)
            elif name == "function_call" and isinstance(member, dict):
                ready += await self._silence(index, choice)
                self._grow(choice.call, member)
            else:
                ready += await self._member(index, choice, name, member)
        reason = value.get("finish_reason")
        if reason is not None:
            if not is_finish_reason(reason):
                raise UnusableModelAnswer("a finish_reason is no word")
            ready += await self._flush(index, choice)
            choice.finished = True
            ready.append(self._delta(index, {}, finish=reason))
        return ready

    # -- text ---------------------------------------------------------------------------------------------------------

    async def _speak(self, index: int, choice: _Choice, name: str, text: str) -> Chunks:
        ready = [] if choice.speaking in (None, name) else await self._silence(index, choice)
        choice.speaking = name
        channel = choice.channels.get(name)
        if channel is None:
            channel = choice.channels[name] = self._channel(index, name)
        self.text_size += len(text)
        sent = await channel.add(text)
        return [*ready, *self._spoken(index, name, sent)]

    async def _silence(self, index: int, choice: _Choice) -> Chunks:
        """End the text that is being spoken, as something else follows."""
        if choice.speaking is None:
            return []
        name, choice.speaking = choice.speaking, None
        channel = choice.channels[name]
        sent = await channel.end()
        self.noted += [(ModelLeg.ANSWERS, inspected) for inspected in channel.noted]
        channel.noted = []
        return self._spoken(index, name, sent)

    def _spoken(self, index: int, name: str, text: str) -> Chunks:
        return [self._delta(index, {name: text})] if text else []

    def _channel(self, index: int, name: str) -> HeldText:
        path = ("choices", index, "message", name)

        async def judge(text: str) -> Inspected:
            return await self._judge(ModelLeg.ANSWERS, sparse([MessagePart(ModelLeg.ANSWERS, path, text)]), EVERYTHING)

        return HeldText(self._hold_back, judge, f"/choices/{index}/message/{name}")

    async def _member(self, index: int, choice: _Choice, name: str, value: Any) -> Chunks:
        """A member that is no text of the format: judged and sent as it is."""
        if name in ("audio", "images"):
            raise UnusableModelAnswer(f"it holds {name}, which nobody can inspect")
        ready = await self._silence(index, choice)
        part = MessagePart(ModelLeg.ANSWERS, ("choices", index, "message", name), value)
        return [*ready, self._delta(index, await self._passed(index, {name: value}, [part]))]

    # -- tool calls ---------------------------------------------------------------------------------------------------

    def _take_call(self, choice: _Choice, value: Any) -> None:
        number = value.get("index", 0) if isinstance(value, dict) else None
        if not isinstance(number, int) or not 0 <= number < MOST_CALLS:
            raise UnusableModelAnswer("a tool call of a chunk is not of its format")
        call = choice.calls.setdefault(number, {"index": number})
        for name, member in value.items():
            if name in ("function", "custom") and isinstance(member, dict):
                self._grow(call.setdefault(name, {}), member)
            elif name != "index" and member is not None:
                call[name] = member

    def _grow(self, call: dict[str, Any], pieces: Mapping[str, Any]) -> None:
        for name, piece in pieces.items():
            if isinstance(piece, str):
                call[name] = call.get(name, "") + piece
                self._arguments += len(piece)
                self.text_size += len(piece)
        if self._arguments > MOST_ARGUMENTS:
            raise UnusableModelAnswer("its tool calls are larger than is passed on")

    async def _flush(self, index: int, choice: _Choice) -> Chunks:
        """Everything of one answer that waits: the end of its text, then its tool calls."""
        ready = await self._silence(index, choice)
        message: dict[str, Any] = {}
        if choice.calls:
            message["tool_calls"] = [call for _, call in sorted(choice.calls.items())]
        if choice.call:
            message["function_call"] = choice.call
        if not message:
            return ready
        numbers = {*choice.calls, *([-1] if choice.call else [])}
        if not numbers.isdisjoint(choice.sent_calls):
            # A client would put both parts together, and nobody judged that.
            raise UnusableModelAnswer("a tool call goes on after the end of its answer")
        choice.sent_calls |= numbers
        choice.calls, choice.call = {}, {}
        parts = list(called(("choices", index, "message"), message, self._tools))
        return [*ready, self._delta(index, await self._passed(index, message, parts))]

    # -- verdicts and chunks ------------------------------------------------------------------------------------------

    async def _passed(self, index: int, message: Mapping[str, Any], parts: list[MessagePart]) -> dict[str, Any]:
        """A piece of a message as it may be sent; `parts` are what is judged of it. Raises WithheldPiece."""
        leg = parts[0].leg
        inspected = await self._judge(leg, sparse(parts), kinds_of(parts))
        if not inspected.passed:
            raise WithheldPiece(inspected, leg)
        self.noted.append((leg, inspected))
        if inspected.decision is not Decision.REDACT:
            return dict(message)
        passed: dict[str, Any] = merged({"choices": _at(index, message)}, inspected.value)["choices"][index]["message"]
        return passed

    def _delta(self, index: int, delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        return self._chunk([{"index": index, "delta": dict(delta), "logprobs": None, "finish_reason": finish}])

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        usage = {"usage": None} if self._wants_usage else {}
        return {
            "id": "",
            "created": 0,
            **self._head,
            "object": "chat.completion.chunk",
            "model": self._model,
            "choices": choices,
            **usage,
        }


def _at(index: int, message: Mapping[str, Any]) -> list[Any]:
    return [*([None] * index), {"message": message}]


def as_chunks(answer: Mapping[str, Any], *, wants_usage: bool) -> Iterator[dict[str, Any]]:
    """A whole answer, which was judged, as the chunks of a stream."""
    head = {name: answer[name] for name in _NAMING if name in answer}
    usage = {"usage": None} if wants_usage else {}
    head |= {"object": "chat.completion.chunk", "model": answer["model"]}
    for number, choice in enumerate(answer["choices"]):
        index = choice.get("index", number)
        message = {name: value for name, value in choice["message"].items() if value is not None}
        if isinstance(message.get("tool_calls"), list):
            message["tool_calls"] = [{"index": at, **call} for at, call in enumerate(message["tool_calls"])]
        for delta, finish in ((message, None), ({}, choice.get("finish_reason") or "stop")):
            row = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            yield {**head, "choices": [row], **usage}
    if wants_usage and isinstance(answer.get("usage"), dict):
        yield {**head, "choices": [], "usage": answer["usage"]}
