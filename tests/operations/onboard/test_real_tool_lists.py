"""The bar that the judgement of tools is held to, on the tools of 28 real servers that a person labelled beforehand."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from model.server import Grant, Grantees
from operations.onboard.lock import build_lock
from operations.onboard.offer import default_grants
from operations.onboard.risk import RiskJudgement, assess, examine, traits_of
from operations.project.server_files import granted
from tests.support.tool_lists import LabelledTool, labelled_tools
from wire.mcp import ServerOffer

HELD_BACK = 0.10
OFFERS = Path(__file__).parents[3].parent / "shared" / "offers"


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


def offer_of(tools: list[dict[str, Any]]) -> ServerOffer:
    return ServerOffer(
        name="real",
        version="1",
        protocol_version="2025-11-25",
        protocol_versions=("2025-11-25",),
        instructions=None,
        tools=tuple(tools),
        prompts=(),
        resources=(),
        resource_templates=(),
    )


@pytest.mark.parametrize(
    ("server", "first_grant", "outbound"),
    [
        ("filesystem", 10, 0),
        ("git", 7, 5),
        ("github-ref", 14, 26),
        ("notion", 12, 24),
        ("sqlite", 3, 6),
        ("time", 2, 0),
        ("everything", 7, 6),
    ],
)
def test_first_grant_of_a_real_server_is_what_reads(server: str, first_grant: int, outbound: int) -> None:
    file = OFFERS / f"{server}.json"
    if not OFFERS.is_dir():
        pytest.skip("../shared is not here: whole tool lists not judged")
    offer = offer_of(json.loads(file.read_text(encoding="utf-8"))["tools"])
    concerns = examine(offer)
    lock = build_lock(offer)
    assert [str(concern) for concern in concerns] == []
    assert len(default_grants(lock, concerns)[0]) == first_grant
    assert sum(tool.outbound for tool in lock.tools) == outbound


def test_grant_of_every_tool_opens_none_that_sets_a_state() -> None:
    properties = {"mr": {"type": "string"}, "discussion": {"type": "string"}, "resolved": {"type": "boolean"}}
    thread = {"name": "resolve_mr_thread", "inputSchema": {"type": "object", "properties": properties}}
    readers = [{"name": name, "inputSchema": {"type": "object"}} for name in ("resolve_mr_id", "list_mrs")]
    lock = build_lock(offer_of([thread, *readers]))
    assert granted([Grant(to=Grantees(all=True), tools=("*",))], lock.tools) == ["list_mrs", "resolve_mr_id"]
