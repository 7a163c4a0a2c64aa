"""A server is asked twice, and what is not the same is named with its places and the way to mend it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.base import SecretRef
from model.errors import InputError
from model.server import Origin
from operations.onboard.lock import build_lock
from operations.onboard.offer import capabilities_of, default_grants
from operations.onboard.stability import Acquaintance, acquaint, instabilities
from wire.mcp import ServerOffer

#: One tool's default is joined from a set, one names a number of its process, one needs a client with roots.
SERVER = """
import json, os, sys
def tool(name, **properties):
    return {"name": name, "description": "Reads.", "inputSchema": {"type": "object", "properties": properties}}
steady = [tool("list_notes"), tool("list_tags", order={"default": ",".join({"alpha", "beta", "gamma", "delta", "eps"})})]
tools = steady + [{**tool("list_runs"), "description": f"Run {os.getpid()}"}]
for line in sys.stdin:
    message = json.loads(line)
    if message["method"] == "initialize":
        if "roots" in message["params"]["capabilities"]:
            tools = tools + [tool("list_roots")]
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x"}}
    elif message["method"] == "tools/list":
        result = {"tools": tools}
    elif "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}), flush=True)
        continue
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def offer(*tools: dict[str, Any], **fields: Any) -> ServerOffer:
    return ServerOffer("x", "1", "2025-11-25", ("2025-11-25",), None, tools, (), (), (), **fields)


def read(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **fields}


def test_what_two_starts_show_otherwise_is_named_and_not_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    origin = Origin(command=(sys.executable, "-c", SERVER))
    met = acquaint(origin, 20)
    # Five names in two or three starts: once in some hundred times all of them come in one order.
    while "list_tags" not in met.unstable_tools:
        met = acquaint(origin, 20)
    assert met.unstable_tools == {"list_tags", "list_runs"}
    assert met.hidden == ("list_roots",)
    lines = "\n".join(met.lines())
    assert "tool list_tags puts /inputSchema/properties/order/default in another order at each start" in lines
    assert "--pass-env PYTHONHASHSEED" in lines
    assert "tool list_runs is not the same at each start, at /description" in lines
    assert "is offered 1 more (list_roots); to pin these too: --client-capabilities elicitation,roots,sampling" in lines
    granted, withheld = default_grants(build_lock(met.offer), (), met.unstable_tools)
    assert granted == ("list_notes",)
    assert withheld == {"list_tags": "not the same at each start", "list_runs": "not the same at each start"}
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    seeded = origin.model_copy(update={"environment": {"PYTHONHASHSEED": SecretRef(env="PYTHONHASHSEED")}})
    able = acquaint(seeded, 20, ("roots",))
    assert able.unstable_tools == {"list_runs"}
    assert able.hidden == ()
    assert "list_roots" in {tool.name for tool in build_lock(able.offer).tools}
    assert build_lock(able.offer).server.client_capabilities == ("roots",)


def test_a_server_that_knows_one_client_only_is_named(peer: Any) -> None:
    introduction, met = peer.answers["initialize"], []

    def initialize(_: dict[str, Any]) -> Any:
        met.append(1)
        return introduction if len(met) == 1 else {}

    peer.answers["initialize"] = initialize
    once = acquaint(Origin(url=peer.url), 20)
    assert [tool["name"] for tool in once.offer.tools] == ["list_notes"]
    (line,) = once.lines()
    assert line.startswith("it answered once and no second time, so nobody knows whether its lock will hold: ")


def test_a_definition_that_comes_and_goes_and_one_of_instructions_are_named() -> None:
    first, second = offer(read("a"), read("b")), replace(offer(read("b")), instructions="It is noon.")
    lines = [str(entry) for entry in instabilities(first, second)]
    assert lines[0] == "tool a is offered at one start and not at the next, so a lock holds for a while only"
    assert lines[1].startswith("instructions is not the same at each start, at the text")
    assert instabilities(first, first) == ()


def test_lists_that_failed_and_entries_that_are_no_definitions_are_not_compared() -> None:
    failed = offer(failed={"tools": "tools/list: db down"})
    assert instabilities(offer(read("a")), failed) == ()
    odd: Any = (None, 7, {"name": 3}, read("a"))
    assert instabilities(offer(*odd), offer(read("a"))) == ()


@pytest.mark.parametrize("spelling", ["Asia/Tokyo", ":Asia/Tokyo", "{}/localtime", ":{}/localtime"])
def test_facts_of_this_host_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spelling: str) -> None:
    zone = tmp_path / "zoneinfo" / "Asia" / "Tokyo"
    zone.parent.mkdir(parents=True)
    zone.touch()
    (tmp_path / "localtime").symlink_to(zone)
    monkeypatch.setenv("TZ", spelling.format(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    zoned = read("get_time", description="Use 'Asia/Tokyo' as local timezone if none is given.")
    homed = read("list_files", inputSchema={"properties": {"path": {"default": f"{tmp_path}/notes"}}})
    listed = read("convert", inputSchema={"properties": {"zone": {"enum": ["Asia/Tokyo", "Europe/Oslo"]}}})
    lines = Acquaintance(offer(zoned, homed, listed)).lines()
    assert [line.partition(",")[0] for line in lines] == [
        "tool get_time holds Asia/Tokyo",
        f"tool list_files holds {tmp_path}",
    ]
    assert "--pass-env TZ" in lines[0]


def test_capabilities_are_those_of_the_flag_or_else_of_the_lock() -> None:
    lock = build_lock(offer(client_capabilities=("roots",)))
    assert capabilities_of(None, lock) == ("roots",)
    assert capabilities_of("sampling, elicitation", lock) == ("elicitation", "sampling")
    assert capabilities_of("none", lock) == capabilities_of(None) == ()
    with pytest.raises(
        InputError, match="--client-capabilities: tasks is none; give some of elicitation, roots, sampling"
    ):
        capabilities_of("roots,tasks")
