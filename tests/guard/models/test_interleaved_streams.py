"""The pieces of one text or call are judged as what a client puts together, whatever a provider sends in between."""

from __future__ import annotations

from typing import Any

import pytest

from guard.engines.embedded import EmbeddedVerdictEngine
from guard.inspect.inspection import Inspected, Inspector
from guard.inspect.panel import Panel
from guard.inspect.verdict import EVERYTHING, ModelLeg
from guard.models import responses_stream
from guard.models.answers import UnusableModelAnswer
from guard.models.chat_stream import Chunks
from guard.models.held_text import WithheldPiece
from guard.models.requests import ModelRequest
from guard.models.responses_stream import ResponsesStream
from model.model_guard_config import InnerModel
from model.model_route import ModelLegs
from model.parameter_kinds import KindTree

HALVES = ("AKIAZ7QX3M", "5K9P2R4T6W")
MODEL = InnerModel(name="small", kinds=("responses",), inner_host="small.inner", provider_model="gpt-x")
ENGINE = EmbeddedVerdictEngine(thorough=frozenset((ModelLeg.ANSWERS.judged_as,)))


def stream() -> ResponsesStream:
    judge_of = Inspector(Panel([ENGINE], 30.0), ModelLegs(), "dev.models")

    async def judge(leg: ModelLeg, value: Any, kinds: KindTree = EVERYTHING) -> Inspected:
        return await judge_of.inspect(leg, "responses", "small", value, principal="p", incident="i", kinds=kinds)

    request = ModelRequest("responses", MODEL, {}, stream=True, wants_usage=True, bound=None)
    return ResponsesStream(request, 64, judge)


def said(text: str, output: int = 0, item: str = "msg_1") -> dict[str, Any]:
    place = {"item_id": item, "output_index": output, "content_index": 0}
    return {"type": "response.output_text.delta", "delta": text, **place}


def text_of(sent: Chunks, output: int = 0) -> str:
    return "".join(event["delta"] for event in sent if event.get("output_index") == output and "delta" in event)


@pytest.mark.parametrize(
    "between",
    [
        said("Elsewhere. ", output=1, item="msg_2"),
        {"type": "response.in_progress", "response": {"id": "resp_1", "output": []}},
        {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation": {}},
    ],
)
async def test_the_rest_of_a_secret_is_withheld_whatever_came_in_between(between: dict[str, Any]) -> None:
    channel = stream()
    sent = await channel.take(said(HALVES[0])) + await channel.take(between)
    assert text_of(sent) == HALVES[0], "which is no secret yet"
    assert text_of(await channel.take(said(HALVES[1], item="another"))) == ""
    with pytest.raises(WithheldPiece):
        await channel.end()


async def test_texts_that_take_turns_stay_apart_and_whole() -> None:
    channel, sent = stream(), []
    for number in range(40):
        sent += await channel.take(said(f"word{number} ", output=number % 2, item=f"msg_{number % 2}"))
    sent += await channel.end()
    assert text_of(sent, 0) == "".join(f"word{number} " for number in range(0, 40, 2))
    assert text_of(sent, 1) == "".join(f"word{number} " for number in range(1, 40, 2))
    # One secret's halves in two texts are no secret.
    apart = stream()
    await apart.take(said(HALVES[0], output=0))
    await apart.take(said(HALVES[1], output=1))
    await apart.end()


async def test_an_answer_of_more_texts_than_are_kept_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses_stream, "MOST_TEXTS", 3)
    channel = stream()
    for output in range(3):
        await channel.take(said("Hello.", output=output))
    with pytest.raises(UnusableModelAnswer, match="more texts"):
        await channel.take(said("Hello.", output=3))


async def test_the_input_of_a_call_ends_once() -> None:
    channel = stream()
    ended = {"type": "response.function_call_arguments.done", "item_id": "fc_1", "output_index": 0, "arguments": "{}"}
    assert text_of(await channel.take(ended)) == "{}"
    assert text_of(await channel.take({**ended, "item_id": "fc_2", "output_index": 1}), 1) == "{}"
    with pytest.raises(UnusableModelAnswer, match="goes on after its end"):
        await channel.take({**ended, "item_id": "fc_3"})
