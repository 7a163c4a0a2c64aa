"""The demo's origin: a small ticket desk, a real MCP server made with the official SDK.

    python -m sandbox.mcp_server [--port 0] [--host 127.0.0.1] [--socket PATH] [--stdio]

Over HTTP it prints its URL as the first line of stdout and serves both protocol eras until SIGTERM or SIGINT, then
exits 0. `--host` exists for tests of exposure; an origin belongs on loopback. Tickets live in memory only.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
from collections.abc import Sequence
from typing import Literal

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel

INSTRUCTIONS = "Tickets of the support desk. Search before creating a ticket; close one only when its reporter agrees."


class Ticket(BaseModel):
    """One ticket of the desk."""

    id: int
    title: str
    status: Literal["open", "closed"] = "open"
    reporter: str = "desk@example.com"
    notes: list[str] = []


def make_server(extra_tickets: Sequence[Ticket] = ()) -> MCPServer[None]:
    """A fresh desk with three tickets, and `extra_tickets`."""
    tickets = {
        1: Ticket(id=1, title="Printer on floor 3 prints blank pages", reporter="ada@example.com"),
        2: Ticket(id=2, title="VPN drops every hour", notes=["Reproduced on Linux and macOS."]),
        3: Ticket(id=3, title="New laptop for Grace", status="closed", reporter="grace@example.com"),
        **{ticket.id: ticket for ticket in extra_tickets},
    }
    server: MCPServer[None] = MCPServer(
        "ticket-desk", version="1.4.0", instructions=INSTRUCTIONS, log_level="WARNING", warn_on_duplicate_tools=True
    )
    read = ToolAnnotations(read_only_hint=True, open_world_hint=False)
    write = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)

    def known(ticket_id: int) -> Ticket:
        if ticket_id not in tickets:
            raise ValueError(f"there is no ticket {ticket_id}")
        return tickets[ticket_id]

    @server.tool(annotations=read)
    def list_tickets(status: Literal["open", "closed", "any"] = "any") -> list[Ticket]:
        """List the desk's tickets, oldest first."""
        return [ticket for ticket in tickets.values() if status in ("any", ticket.status)]

    @server.tool(annotations=read)
    def get_ticket(ticket_id: int) -> Ticket:
        """Get one ticket with all its notes."""
        return known(ticket_id)

    @server.tool(annotations=read)
    def search_tickets(query: str, limit: int = 10) -> list[Ticket]:
        """Search tickets whose title or notes contain the words."""
        words = query.casefold().split()
        matches = (t for t in tickets.values() if all(w in " ".join([t.title, *t.notes]).casefold() for w in words))
        return list(matches)[: max(0, limit)]

    @server.tool(annotations=write)
    def create_ticket(title: str, reporter: str) -> Ticket:
        """Open a new ticket."""
        ticket = Ticket(id=max(tickets) + 1, title=title, reporter=reporter)
        tickets[ticket.id] = ticket
        return ticket

    @server.tool(annotations=ToolAnnotations(read_only_hint=False, destructive_hint=True, open_world_hint=False))
    def close_ticket(ticket_id: int, resolution: str) -> Ticket:
        """Close a ticket with a resolution; it cannot be opened again."""
        ticket = known(ticket_id)
        tickets[ticket_id] = ticket.model_copy(update={"status": "closed", "notes": [*ticket.notes, resolution]})
        return tickets[ticket_id]

    @server.tool()
    def run_report_command(command: str) -> str:
        """Run a report command on the desk's host. (This demo only echoes it.)"""
        return f"would run: {command}"

    @server.prompt()
    def triage(ticket_id: str) -> str:
        """Ask for a priority and an owner for one ticket."""
        return f"Read ticket {ticket_id} and propose a priority and an owner, with one reason each."

    @server.prompt()
    def weekly_summary() -> str:
        """Ask for a summary of the week's tickets."""
        return "Summarise this week's tickets: opened, closed, and what is stuck."

    @server.resource("desk://handbook", mime_type="text/markdown")
    def handbook() -> str:
        """How the desk works."""
        return "# Desk handbook\n\nEvery ticket gets an answer within one working day."

    @server.resource("desk://tickets/{ticket_id}", mime_type="application/json")
    def ticket(ticket_id: str) -> str:
        """One ticket as JSON."""
        return known(int(ticket_id)).model_dump_json()

    return server


def bind(host: str, port: int, path: str | None) -> tuple[socket.socket, str]:
    """A listening socket and the URL it is reached by; bound here so that port 0 is known before the first request."""
    if path is not None:
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(path)
        unix.listen(128)
        return unix, f"unix:{path}:/mcp"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family)
    name = f"[{host}]" if ":" in host else host
    return listening, f"http://{name}:{listening.getsockname()[1]}/mcp"


def serve(server: MCPServer[None], host: str, port: int, path: str | None = None) -> None:
    """Serve over HTTP until SIGTERM or SIGINT."""
    listening, url = bind(host, port, path)
    config = uvicorn.Config(
        server.streamable_http_app(host=host), log_level="warning", timeout_graceful_shutdown=1, lifespan="on"
    )
    running = uvicorn.Server(config)

    def stop(*_: object) -> None:
        running.should_exit = True

    # For a signal before uvicorn listens for it, and for the one it raises again after its shutdown: exit code 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    print(url, flush=True)
    with listening:
        running.run(sockets=[listening])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.mcp_server", description="Ringwall's demo MCP server.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1", help="beyond loopback only to test that Ringwall notices")
    parser.add_argument("--socket", help="listen on this Unix socket instead")
    parser.add_argument("--stdio", action="store_true", help="speak on standard input and output instead")
    options = parser.parse_args()
    server = make_server()
    if options.stdio:
        asyncio.run(server.run_stdio_async())
    else:
        serve(server, options.host, options.port, options.socket)


if __name__ == "__main__":
    main()
