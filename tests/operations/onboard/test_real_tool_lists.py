"""The bar that the judgement of tools is held to, on the tools of 28 real servers that a person labelled beforehand."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from operations.onboard.risk import RiskJudgement, assess, traits_of
from tests.support.tool_lists import LabelledTool, labelled_tools

HELD_BACK = 0.10


def judged() -> list[tuple[LabelledTool, RiskJudgement]]:
    tools = labelled_tools()
    offers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for tool in tools:
        offers[tool.server].append(tool.definition)
    traits = {server: traits_of(definitions, server) for server, definitions in offers.items()}
    return [(tool, assess(tool.definition, traits[tool.server])) for tool in tools]


def names(tools: list[LabelledTool]) -> list[str]:
    return [f"{tool.server}: {tool.definition['name']}" for tool in tools]


def test_table_is_large_enough_to_say_something() -> None:
    tools = labelled_tools()
    assert len(tools) >= 500
    assert len({tool.server for tool in tools}) >= 25
    assert {tool.label for tool in tools} == {"read", "write", "execute", "secret"}


def test_no_tool_that_writes_runs_or_hands_out_secrets_is_called_read() -> None:
    assert names([tool for tool, judgement in judged() if tool.label != "read" and judgement.risk == "read"]) == []


def test_no_tool_that_sends_is_called_inbound() -> None:
    assert names([tool for tool, judgement in judged() if tool.sends and not judgement.outbound]) == []


def test_few_readers_are_held_back() -> None:
    readers = [(tool, judgement) for tool, judgement in judged() if tool.label == "read"]
    held = [tool for tool, judgement in readers if judgement.risk != "read"]
    assert len(held) <= HELD_BACK * len(readers), names(held)
