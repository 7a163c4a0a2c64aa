"""A stream of the events of a response on its way to the client: text held back until it is judged, arguments until they are
complete, every further event judged as a whole.

The events that end a text repeat it, and the last one repeats everything: each is judged again as it stands, so nothing of a
text can be sent by them that its own pieces could not. Events are numbered anew, as there are fewer of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from guard.decide.reasons import Decision
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import EVERYTHING, ModelLeg
from guard.models.answers import UnusableModelAnswer, answer_parts, is_misnamed
from guard.models.chat_stream import MOST_ARGUMENTS, Chunks, JudgeValue
from guard.models.conversation import MessagePart, is_id, kinds_of, merged, readable_call, request_item, sparse
from guard.models.held_text import HeldText, WithheldPiece
from guard.models.refusals import ModelRefusal
from guard.models.requests import ModelRequest
from guard.models.usage import ModelUsage, read_usage

_TEXTS = frozenset(
    f"response.{name}.delta" for name in ("output_text", "refusal", "reasoning_text", "reasoning_summary_text")
)
#: Pieces of a call's input, with the member that its last event has the whole in.
_INPUTS = {
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
}
_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed"))
_PLACES = ("item_id", "output_index", "content_index", "summary_index")


class ProviderStreamError(Exception):
    """The provider ended its stream with an error, whose text may be about the operator's account."""


#: Texts of one answer: each keeps what was sent last of it.
MOST_TEXTS = 512
_TextKey = tuple[tuple[str, str], ...]


def _key(head: Mapping[str, Any]) -> _TextKey:
    """What clients put together: pieces of one place in the output. Some gateways give each of them another item id."""
    places = head if "output_index" not in head else {name: head[name] for name in head if name != "item_id"}
    return tuple((name, str(value)) for name, value in sorted(places.items()))


class ResponsesStream:
    """Takes in the provider's events and gives those that may be sent, as `ChatStream` does for chunks."""

    def __init__(self, request: ModelRequest, hold_back: int, judge: JudgeValue) -> None:
        self._request = request
        self._hold_back = hold_back
        self._judge = judge
        #: The text that is being spoken, by what its events have beside it; and each text so far, of which a later piece is
        #: judged with what was sent before it, whatever came in between.
        self._speaking: dict[str, Any] | None = None
        self._texts: dict[_TextKey, HeldText] = {}
        #: The inputs of tool calls that were judged whole and sent.
        self._sent_inputs: set[_TextKey] = set()
        self._number = 0
        self._arguments = 0
        self.is_whole = False
        self.usage: ModelUsage | None = None
        self.text_size = 0
        self.noted: list[tuple[ModelLeg, Inspected]] = []

    async def take(self, event: Any) -> Chunks:
        """What may be sent after one more event. Raises WithheldPiece, UnusableModelAnswer, ProviderStreamError."""
        kind = event.get("type") if isinstance(event, dict) else None
        if not isinstance(kind, str) or not is_id(kind):
            raise UnusableModelAnswer("an event has no type")
        if kind == "error":
            raise ProviderStreamError
        if kind in _TEXTS:
            return await self._speak(event)
        if any(kind == f"{name}.delta" for name in _INPUTS):
            # The whole comes with the event that ends it.
            self._arguments += len(str(event.get("delta", "")))
            if self._arguments > MOST_ARGUMENTS:
                raise UnusableModelAnswer("its tool calls are larger than is passed on")
            return []
        if kind in _ENDS:
            response = event.get("response")
            self.usage = read_usage(response.get("usage")) if isinstance(response, dict) else None
            self.is_whole = True
        if kind == "response.failed":
            raise ProviderStreamError
        ready = await self._silence()
        member = _INPUTS.get(kind.removesuffix(".done"))
        passed = await self._judged(event, kind, member)
        if member is not None:
            self._note_whole(event, kind)
            delta = {name: passed[name] for name in _PLACES if name in passed}
            text = passed.get(member, "")
            self.text_size += len(text) if isinstance(text, str) else 0
            ready.append(self._event({**delta, "type": f"{kind.removesuffix('.done')}.delta", "delta": text}))
        return [*ready, self._event(passed)]

    async def end(self) -> Chunks:
        """What is left to be sent at the end. Raises WithheldPiece."""
        return await self._silence()

    async def _speak(self, event: Mapping[str, Any]) -> Chunks:
        text = event.get("delta")
        place = {name: event[name] for name in _PLACES if name in event}
        if not isinstance(text, str) or not all(isinstance(step, int) or is_id(step) for step in place.values()):
            raise UnusableModelAnswer("a piece of text is not of its format")
        head = {**place, "type": event["type"]}
        ready = [] if self._speaking == head else await self._silence()
        self._speaking = head
        self.text_size += len(text)
        return [*ready, *self._spoken(head, await self._channel(head).add(text))]

    def _channel(self, head: Mapping[str, Any]) -> HeldText:
        key = _key(head)
        if key not in self._texts:
            if len(self._texts) >= MOST_TEXTS:
                raise UnusableModelAnswer("it has more texts than are passed on")
            self._texts[key] = HeldText(self._hold_back, self._judge_text, "/text")
        return self._texts[key]

    def _note_whole(self, event: Mapping[str, Any], kind: str) -> None:
        """Note an input that ends. A client would put a second one behind it, and nobody judged both together."""
        key = _key({name: event[name] for name in _PLACES if name in event} | {"type": kind})
        if key in self._sent_inputs:
            raise UnusableModelAnswer("a tool call goes on after its end")
        self._sent_inputs.add(key)

    async def _judge_text(self, text: str) -> Inspected:
        return await self._judge(ModelLeg.ANSWERS, {"text": text}, EVERYTHING)

    async def _silence(self) -> Chunks:
        """End the text that is being spoken, as something else follows."""
        if self._speaking is None:
            return []
        head, self._speaking = self._speaking, None
        channel = self._channel(head)
        sent = await channel.end()
        self.noted += [(ModelLeg.ANSWERS, inspected) for inspected in channel.noted]
        channel.noted = []
        return self._spoken(head, sent)

    def _spoken(self, head: Mapping[str, Any], text: str) -> Chunks:
        return [self._event({**head, "delta": text, "logprobs": []})] if text else []

    async def _judged(self, event: dict[str, Any], kind: str, member: str | None) -> dict[str, Any]:
        """An event as it may be sent, judged leg by leg."""
        shown = dict(event)
        if isinstance(event.get("response"), dict):
            named = {name: value for name, value in event["response"].items() if not is_misnamed(name, value)}
            shown["response"] = {**named, "model": self._request.model.name}
        for leg, parts in _by_leg(_parts(self._request, shown, kind, member)).items():
            inspected = await self._judge(leg, sparse(parts), kinds_of(parts))
            if not inspected.passed:
                raise WithheldPiece(inspected, leg)
            self.noted.append((leg, inspected))
            if inspected.decision is Decision.REDACT:
                shown = merged(shown, inspected.value)
        return shown

    def _event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        numbered = {**event, "sequence_number": self._number}
        self._number += 1
        return numbered


def _by_leg(parts: list[MessagePart]) -> dict[ModelLeg, list[MessagePart]]:
    legs: dict[ModelLeg, list[MessagePart]] = {}
    for part in parts:
        legs.setdefault(part.leg, []).append(part)
    return legs


def _parts(request: ModelRequest, event: Mapping[str, Any], kind: str, member: str | None) -> list[MessagePart]:
    notes = {
        name: value
        for name, value in event.items()
        if name not in ("type", "item_id", "response", "item", member)
        and isinstance(value, str | list | dict)
        and value
    }
    parts = [MessagePart(ModelLeg.ANSWERS, (), notes)] if notes else []
    if member is not None:
        value = readable_call({"arguments": event.get(member)})
        kinds = request.tools.of(event, f"/{member}")
        parts.append(MessagePart(ModelLeg.TOOL_CALLS, (), {member: value["arguments"]}, kinds=kinds))
    try:
        if isinstance(event.get("item"), dict):
            parts += request_item(("item",), event["item"], request.tools)
    except ModelRefusal as refusal:
        raise UnusableModelAnswer(refusal.message) from None
    response = event.get("response")
    if isinstance(response, dict):
        complete = {"output": [], **response}
        if not isinstance(complete["output"], list) or not all(isinstance(item, dict) for item in complete["output"]):
            raise UnusableModelAnswer("its output is no list of objects")
        for part in answer_parts(request, complete):
            parts.append(replace(part, path=("response", *part.path)))
    return parts
