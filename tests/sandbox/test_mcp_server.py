"""The demo's origin is a real MCP server whose tools do what they say."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from sandbox.mcp_server import make_server


async def call(*calls: tuple[str, dict[str, Any]], url: str | None = None, mode: str = "auto") -> list[Any]:
    """Results of tool calls on one fresh desk, or on the running one at `url`."""
    async with Client(url or make_server(), mode=mode) as client:
        return [await client.call_tool(name, arguments) for name, arguments in calls]


async def test_tickets_are_created_found_and_closed() -> None:
    created, matches, closed, opened = await call(
        ("create_ticket", {"title": "Scanner is loud", "reporter": "ada@example.com"}),
        ("search_tickets", {"query": "LOUD scanner"}),
        ("close_ticket", {"ticket_id": 4, "resolution": "oiled"}),
        ("list_tickets", {"status": "open"}),
    )
    assert created.structured_content["id"] == 4
    assert [ticket["id"] for ticket in matches.structured_content["result"]] == [4]
    assert (closed.structured_content["status"], closed.structured_content["notes"]) == ("closed", ["oiled"])
    assert [ticket["id"] for ticket in opened.structured_content["result"]] == [1, 2]


async def test_report_command_runs_nothing() -> None:
    (result,) = await call(("run_report_command", {"command": "touch /nowhere; id"}))
    assert result.structured_content == {"result": "would run: touch /nowhere; id"}


async def test_unknown_ticket_is_a_tool_error() -> None:
    (result,) = await call(("get_ticket", {"ticket_id": 99}))
    assert result.is_error


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_both_eras_are_served_over_http(desk: str, mode: str) -> None:
    (result,) = await call(("get_ticket", {"ticket_id": 2}), url=desk, mode=mode)
    assert result.structured_content["title"] == "VPN drops every hour"


async def test_prompts_and_resources_answer(desk: str) -> None:
    async with Client(desk) as client:
        with pytest.raises(MCPError):
            await client.read_resource("desk://nothing")
        prompt: Any = await client.get_prompt("triage", {"ticket_id": "2"})
        handbook: Any = await client.read_resource("desk://handbook")
        ticket: Any = await client.read_resource("desk://tickets/3")
    assert "ticket 2" in prompt.messages[0].content.text
    assert handbook.contents[0].text.startswith("# Desk handbook")
    assert "New laptop" in ticket.contents[0].text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_cleanly(start_demo: Callable[..., Any], number: signal.Signals) -> None:
    with start_demo() as (url, process):
        assert url.startswith("http://127.0.0.1:")
        assert url.endswith("/mcp")
        process.send_signal(number)
        assert process.wait(90) == 0
