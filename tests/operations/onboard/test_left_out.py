"""One bad member costs itself alone: it is left out of the lock with a reason, and everything else is pinned."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.tool_lock import LeftOut, from_text, to_yaml
from operations.onboard.lock import build_lock, compare, render
from operations.onboard.offer import compared, left_out_lines
from wire.mcp import ServerOffer

GOOD: dict[str, Any] = {"name": "list_rooms", "inputSchema": {"type": "object"}}
OFFER = ServerOffer("hotel", "1", "2025-06-18", ("2025-06-18",), None, (GOOD,), (), (), ())


def tool(schema: Any, **more: Any) -> dict[str, Any]:
    return {"name": "book", "inputSchema": schema, **more}


def prop(schema: Any) -> dict[str, Any]:
    return tool({"type": "object", "properties": {"p": schema}})


UNENFORCEABLE = "its input schema cannot be enforced:"
SCHEMA = f"book: {UNENFORCEABLE}"
SLIP = f"{UNENFORCEABLE} JSON Schema 2020-12 does not allow"
PLAIN = "book: it is not plain JSON:"
MCP = "MCP 2025-06-18 does not allow it:"
#: An entry of tools/list beside a good one, and what is said of it.
BAD: list[tuple[Any, str]] = [
    ("book", "entry 2: it is no object"),
    (None, "entry 2: it is no object"),
    ({"inputSchema": {"type": "object"}}, "entry 2: it has no name"),
    ({"name": "", "inputSchema": {"type": "object"}}, "entry 2: it has no name"),
    ({"name": 7, "inputSchema": {"type": "object"}}, "entry 2: it has no name"),
    ({"name": "book"}, f"book: {MCP} Field required (at /inputSchema)"),
    (tool(None), f"book: {MCP} Input should be a valid object (at /inputSchema)"),
    (tool({}), f"book: {MCP} Field required (at /inputSchema/type)"),
    (tool({"properties": {"a": {"type": "string"}}}), f"book: {MCP} Field required (at /inputSchema/type)"),
    (tool({"type": "array"}), f"book: {MCP} Input should be 'object' (at /inputSchema/type)"),
    (
        tool({"type": "object", "properties": []}),
        f"book: {MCP} Input should be a valid object (at /inputSchema/properties)",
    ),
    (tool({"type": "object"}, description=["x"]), f"book: {MCP} Input should be a valid string (at /description)"),
    (tool({"type": "object"}, annotations="none"), f"book: {MCP} Input should be a valid object (at /annotations)"),
    (
        tool({"type": "object"}, title="half \ud83d"),
        f"{PLAIN} a string holds half of a surrogate pair, which is not Unicode text",
    ),
    (
        tool({"type": "object"}, _meta={"mean": float("nan")}),
        f"{PLAIN} a number is NaN or out of range, which is not JSON",
    ),
    (tool({"type": "object", "required": None}), f"book: {SLIP} null there (at /inputSchema/required)"),
    (
        prop({"$ref": "#/$defs/Gone"}),
        f"{SCHEMA} a reference in it leads out of it or nowhere, and none is ever fetched "
        "(at /inputSchema/properties/p/$ref)",
    ),
    (prop({"type": "file"}), f'book: {SLIP} "file" there (at /inputSchema/properties/p/type)'),
    (prop({"required": True}), f"book: {SLIP} true there (at /inputSchema/properties/p/required)"),
    (
        prop({"type": "object", "required": ["n", "n"]}),
        f'book: {SLIP} ["n", "n"] there (at /inputSchema/properties/p/required)',
    ),
    (
        prop({"patternProperties": {"^(?!x)": {}}, "not": {"pattern": "(?<=a)b"}}),
        f"{SCHEMA} a pattern cannot be matched in linear time (RE2 does not take it) "
        "(at /inputSchema/properties/p/not/pattern)",
    ),
    (
        tool({"type": "object", "$schema": "https://spec.openapis.org/oas/3.1/dialect/base"}),
        f"{SCHEMA} its $schema is no draft that can be enforced here (at /inputSchema/$schema)",
    ),
]


@pytest.mark.parametrize(("bad", "said"), BAD)
def test_a_bad_tool_is_left_out_with_its_place_and_the_rest_is_pinned(bad: Any, said: str) -> None:
    lock = build_lock(replace(OFFER, tools=(GOOD, bad)))
    assert [entry.name for entry in lock.tools] == ["list_rooms"]
    (left_out,) = lock.left_out
    assert f"{left_out.key}: {left_out.reason}" == said
    assert left_out_lines(lock) == [f"tool {left_out.key} is left out: {left_out.reason}"]
    assert from_text(to_yaml(lock), Path("dev.hotel.lock.yaml")) == lock


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-11-25", "2026-07-28", "1999-01-01"])
def test_an_empty_list_for_an_object_costs_one_tool_in_every_revision(revision: str) -> None:
    bad = tool({"type": "object", "properties": [], "required": []})
    lock = build_lock(replace(OFFER, protocol_version=revision, tools=(bad, GOOD)))
    assert [entry.name for entry in lock.tools] == ["list_rooms"]
    assert "/inputSchema/properties" in lock.left_out[0].reason


def test_twins_are_one_entry_and_unlike_ones_are_left_out() -> None:
    guide = {"uri": "hotel://guide", "name": "guide"}
    lock = build_lock(
        replace(
            OFFER,
            tools=(GOOD, tool({"type": "object"}), tool({"type": "object"}, title="Other")),
            resources=(guide, {"uri": "hotel://map", "name": "map"}, dict(guide)),
        )
    )
    assert [entry.uri for entry in lock.resources] == ["hotel://guide", "hotel://map"]
    assert [entry.name for entry in lock.tools] == ["list_rooms"]
    reason = "it is offered 2 times, each time otherwise, so a request could mean either"
    assert lock.left_out == (LeftOut(kind="tools", key="book", reason=reason),)


def test_a_bad_prompt_resource_or_template_costs_itself_alone() -> None:
    lock = build_lock(
        replace(
            OFFER,
            prompts=({"name": "greet", "arguments": {"who": "x"}}, {"name": "bye"}),
            resources=({"name": "no uri"}, {"uri": "hotel://a"}, {"uri": "hotel://b", "name": "b"}),
            resource_templates=(
                {"uriTemplate": "hotel://{id}", "name": "room"},
                {"uriTemplate": "hotel://{", "name": "x"},
                7,
            ),  # type: ignore[arg-type]
        )
    )
    assert [len(entries) for entries in lock.entries().values()] == [1, 1, 1, 1]
    assert [(entry.kind, entry.key) for entry in lock.left_out] == [
        ("prompts", "greet"),
        ("resource_templates", "entry 3"),
        ("resource_templates", "hotel://{"),
        ("resources", "entry 1"),
        ("resources", "hotel://a"),
    ]


def test_a_list_that_failed_is_left_out_as_a_whole_and_the_tools_are_pinned() -> None:
    lock = build_lock(replace(OFFER, failed={"resources": "resources/list: -32603 db down"}))
    assert lock.left_out == (LeftOut(kind="resources", key="", reason="resources/list: -32603 db down"),)
    assert left_out_lines(lock) == ["the list of resources is left out: resources/list: -32603 db down"]
    # The same list failing for another reason is no change of the lock.
    again = build_lock(replace(OFFER, failed={"resources": "resources/list: -32603 timed out"}), lock)
    assert compare(lock, again) == ()


def test_the_difference_shows_what_is_left_out_and_what_no_longer_is() -> None:
    good, bad = tool({"type": "object"}), tool({"type": "object", "properties": {"p": {"type": "any"}}})
    lock = build_lock(replace(OFFER, tools=(GOOD, good)))
    comparison = compared(lock, replace(OFFER, tools=(GOOD, bad, "x")))  # type: ignore[arg-type]
    assert render(comparison.changes) == [
        "- tool book removed",
        f'+ tool book is left out: {SLIP} "any" there (at /inputSchema/properties/p/type)',
        "+ tool entry 3 is left out: it is no object",
    ]
    assert not any(change.blocks for change in comparison.changes)
    back = compare(comparison.new, lock)
    assert render(back)[-2:] == ["- tool book is no longer left out", "- tool entry 3 is no longer left out"]


def test_a_pattern_that_only_the_server_can_match_is_named_in_the_lock_and_costs_no_tool() -> None:
    duration = r"^P(?:(\d+W)|(?!.*W)(?=\d|T\d)(\d+D)?(T(?=\d)(\d+H)?)?)$"
    lock = build_lock(replace(OFFER, tools=(prop({"type": "string", "pattern": duration}), GOOD)))
    place = "/inputSchema/properties/p/pattern"
    assert (lock.tools[0].left_to_server, lock.left_out) == ((place,), ())
    assert left_out_lines(lock) == [
        f"book: the guard cannot match the pattern at {place} in linear time, so only the server enforces it"
    ]
    assert from_text(to_yaml(lock), Path("dev.hotel.lock.yaml")) == lock
    # A lock from before said nothing of it: the difference does.
    (change,) = compare(
        lock.model_copy(update={"tools": (lock.tools[0].model_copy(update={"left_to_server": ()}), lock.tools[1])}),
        lock,
    )
    assert render([change]) == ["~ tool book changed", f'    /left_to_server: new, ["{place}"]']


def test_a_lock_of_many_tools_half_of_them_bad_takes_linear_time() -> None:
    def offer(count: int) -> ServerOffer:
        schemas = ({"type": "object"}, {"type": "object", "properties": []})
        return replace(OFFER, tools=tuple({"name": f"t{n:04}", "inputSchema": schemas[n % 2]} for n in range(count)))

    started = time.process_time()
    build_lock(offer(400))
    small = time.process_time() - started
    lock = build_lock(offer(2000))
    assert time.process_time() - started - small < 20 * small
    assert (len(lock.tools), len(lock.left_out)) == (1000, 1000)
