"""Streams without HTTP: held text however it is cut, and chunks of several answers, channels and forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.engines.embedded import EmbeddedVerdictEngine
from guard.inspect.inspection import Inspected, Inspector
from guard.inspect.panel import Panel
from guard.inspect.verdict import (
    EVERYTHING,
    Category,
    EngineFinding,
    ModelLeg,
    Outcome,
    ScanItem,
    Verdict,
    VerdictEngine,
)
from guard.models.answers import UnusableModelAnswer
from guard.models.chat_stream import ChatStream, Chunks
from guard.models.held_text import HeldText, WithheldPiece
from guard.models.tool_kinds import ToolKinds
from model.model_route import ModelLegs
from model.parameter_kinds import KindTree

SECRET = "AKIA" + "Z7QX3M5K9P2R4T6W"
ENGINE = EmbeddedVerdictEngine(thorough=frozenset((ModelLeg.ANSWERS.judged_as,)))


class EndlessFinding:
    """An engine that takes everything behind a word for one secret."""

    name = "endless"

    def judge(self, item: ScanItem, deadline: float) -> Verdict:
        text = item.texts[0].value
        start = text.find("begin")
        if start < 0:
            return Verdict(Outcome.ALLOW, self.name)
        finding = EngineFinding(Category.SECRET, "endless", item.texts[0].pointer, (start, len(text)))
        return Verdict(Outcome.BLOCK, self.name, (finding,))

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        return self.judge(item, deadline)

    async def close(self) -> None:
        return None


def inspector(engine: VerdictEngine = ENGINE, **legs: Any) -> Inspector:
    return Inspector(Panel([engine], 5.0), ModelLegs(**legs), "dev.models")


def held(hold_back: int, sizes: list[int] | None = None, engine: VerdictEngine = ENGINE, **legs: Any) -> HeldText:
    judge_of = inspector(engine, **legs)

    async def judge(text: str) -> Inspected:
        if sizes is not None:
            sizes.append(len(text))
        return await judge_of.inspect(
            ModelLeg.ANSWERS, "chat/completions", "small", {"text": text}, principal="p", incident="i"
        )

    return HeldText(hold_back, judge, "/text")


async def passed(channel: HeldText, pieces: list[str]) -> str:
    sent = [await channel.add(piece) for piece in pieces]
    return "".join([*sent, await channel.end()])


@settings(max_examples=60)
@given(st.lists(st.text("ab \n", max_size=90), max_size=20), st.integers(64, 200))
async def test_text_that_is_well_arrives_as_it_was_whatever_its_pieces(pieces: list[str], hold_back: int) -> None:
    assert await passed(held(hold_back), pieces) == "".join(pieces)


@settings(max_examples=60)
@given(st.integers(0, 400), st.integers(0, 400), st.integers(1, 50))
async def test_a_secret_is_cut_out_whole_wherever_it_stands(before: int, after: int, size: int) -> None:
    text = "x " * before + SECRET + " y" * after
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert await passed(held(64, answers="redact"), pieces) == text.replace(SECRET, "[redacted:secret]")


async def test_a_long_text_is_judged_in_time_that_grows_with_its_length_alone() -> None:
    sizes: list[int] = []
    await passed(held(256, sizes), ["word "] * 4000)
    assert sum(sizes) < 12 * 20_000


async def test_a_secret_that_never_ends_is_withheld_and_not_kept_for_ever() -> None:
    channel = held(64, engine=EndlessFinding(), answers="redact")
    pieces = ["word " * 40, "begin ", *["a1B2c3D4" * 100] * 200]
    with pytest.raises(WithheldPiece):
        await passed(channel, pieces)
    short = held(64, engine=EndlessFinding(), answers="redact")
    assert await passed(short, ["word " * 40, "begin ", "a1B2"]) == "word " * 40 + "[redacted:secret]"


def stream(**options: Any) -> ChatStream:
    judge_of = inspector()

    async def judge(leg: ModelLeg, value: Any, kinds: KindTree = EVERYTHING) -> Inspected:
        return await judge_of.inspect(leg, "chat/completions", "small", value, principal="p", incident="i", kinds=kinds)

    return ChatStream("small", 64, judge, **{"wants_usage": False, "tools": ToolKinds({}), **options})


def chunk(*choices: dict[str, Any], **members: Any) -> dict[str, Any]:
    rows = [{"finish_reason": None, **choice} for choice in choices]
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", "choices": rows, **members}


async def through(channel: ChatStream, chunks: list[Any]) -> Chunks:
    sent: Chunks = []
    for item in chunks:
        sent += await channel.take(item)
    return [*sent, *await channel.end()]


def text_of(sent: Chunks, name: str, index: int = 0) -> str:
    rows = [row for item in sent for row in item["choices"] if row["index"] == index]
    return "".join(row["delta"].get(name) or "" for row in rows)


async def test_several_answers_and_channels_stay_apart_and_in_order() -> None:
    sent = await through(
        stream(),
        [
            chunk({"index": 0, "delta": {"role": "assistant", "content": ""}}),
            chunk({"index": 1, "delta": {"role": "assistant"}}),
            chunk({"index": 0, "delta": {"reasoning_content": "Let me "}}),
            chunk({"index": 1, "delta": {"content": "Second."}}),
            chunk({"index": 0, "delta": {"reasoning_content": "think."}}),
            chunk({"index": 0, "delta": {"content": "First."}}),
            chunk(
                {"index": 0, "delta": {}, "finish_reason": "stop"}, {"index": 1, "delta": {}, "finish_reason": "length"}
            ),
        ],
    )
    assert text_of(sent, "reasoning_content") == "Let me think."
    assert (text_of(sent, "content"), text_of(sent, "content", 1)) == ("First.", "Second.")
    order = [name for item in sent for row in item["choices"] if row["index"] == 0 for name in row["delta"]]
    assert order == ["role", "reasoning_content", "content"]
    assert [row["finish_reason"] for item in sent for row in item["choices"] if row["finish_reason"]] == [
        "stop",
        "length",
    ]
    assert {item["model"] for item in sent} == {"small"}


@pytest.mark.parametrize(
    "halves",
    [
        [
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "run", "arguments": '{"text": "AKIAZ7QX3M'}}]},
            {"tool_calls": [{"index": 0, "id": "d", "function": {"arguments": '5K9P2R4T6W"}'}}]},
        ],
        [
            {"function_call": {"name": "run", "arguments": '{"text": "AKIAZ7QX3M'}},
            {"function_call": {"arguments": '5K9P2R4T6W"}'}},
        ],
    ],
)
async def test_a_call_that_goes_on_after_its_answer_has_ended_is_not_judged_in_halves(
    halves: list[dict[str, Any]],
) -> None:
    channel = stream()
    sent = await channel.take(chunk({"index": 0, "delta": halves[0], "finish_reason": "tool_calls"}))
    assert "AKIAZ7QX3M" in str(sent)
    with pytest.raises(UnusableModelAnswer, match="goes on after the end"):
        await channel.take(chunk({"index": 0, "delta": halves[1], "finish_reason": "tool_calls"}))
    with pytest.raises(UnusableModelAnswer, match="goes on after the end"):
        await channel.end()


async def test_further_calls_and_text_may_follow_the_end_that_some_providers_say_too_early() -> None:
    first, second = (
        {"tool_calls": [{"index": number, "id": f"c{number}", "function": {"name": "find", "arguments": "{}"}}]}
        for number in (0, 1)
    )
    sent = await through(
        stream(),
        [
            chunk({"index": 0, "delta": first, "finish_reason": "tool_calls"}),
            chunk({"index": 0, "delta": second, "finish_reason": "tool_calls"}),
            chunk({"index": 0, "delta": {"content": "Done."}, "finish_reason": "stop"}),
        ],
    )
    calls = [call for item in sent for row in item["choices"] for call in row["delta"].get("tool_calls", ())]
    assert [call["id"] for call in calls] == ["c0", "c1"]
    assert text_of(sent, "content") == "Done."


async def test_the_old_form_of_a_call_and_further_members_are_judged_too() -> None:
    pieces = [{"function_call": {"name": "find", "arguments": '{"a"'}}, {"function_call": {"arguments": ": 1}"}}]
    sent = await through(stream(), [chunk({"index": 0, "delta": delta}) for delta in pieces])
    assert sent[-1]["choices"][0]["delta"]["function_call"] == {"name": "find", "arguments": '{"a": 1}'}
    sent = await through(stream(), [chunk({"index": 0, "delta": {"annotations": [{"type": "note", "text": "well"}]}})])
    assert sent[0]["choices"][0]["delta"] == {"annotations": [{"type": "note", "text": "well"}]}
    for delta in (
        {"function_call": {"name": "send", "arguments": f'{{"body": "{SECRET}"}}'}},
        {"annotations": [{"text": SECRET}]},
        {"tool_calls": [{"index": 0, "id": "c", "custom": {"name": "send", "input": SECRET}}]},
        {"tool_calls": [{"index": 0, "function": {"name": SECRET}}]},
    ):
        with pytest.raises(WithheldPiece):
            await through(stream(), [chunk({"index": 0, "delta": delta})])


@pytest.mark.parametrize(
    "bad",
    [
        [],
        {"choices": 7},
        {"choices": ["x"]},
        chunk({"index": -1, "delta": {}}),
        chunk({"index": 99, "delta": {}}),
        chunk({"index": 0, "delta": {"tool_calls": [{"index": 500}]}}),
        chunk({"index": 0, "delta": {}, "finish_reason": f"see {SECRET}"}),
        chunk({"index": 0, "delta": {"audio": {"data": "UklGRg=="}}}),
    ],
)
async def test_what_is_no_chunk_ends_the_stream(bad: Any) -> None:
    with pytest.raises(UnusableModelAnswer):
        await through(stream(), [bad])


async def test_names_that_are_no_names_and_usage_that_is_no_number_are_left_out() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "note": SECRET}
    answered = chunk(
        {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}, system_fingerprint=f"a {SECRET}"
    )
    sent = await through(stream(wants_usage=True), [answered, {**chunk(), "usage": usage}])
    assert SECRET not in str(sent)
    assert sent[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
