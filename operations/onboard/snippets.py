"""Client settings for a server behind Ringwall, ready to be pasted: for people and for agents.

People sign in by OAuth, so their snippets hold a URL and nothing else. Agents present a Cloudflare Access service token
in two headers (Cloudflare One docs, "Service tokens"); a snippet names the environment variables, never the secret.
Formats: code.claude.com/docs (claude mcp add, .mcp.json with ${VAR}), cursor.com/docs/mcp (${env:VAR}),
code.visualstudio.com MCP configuration reference ("servers", "inputs").
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

CLIENT_ID_HEADER = "CF-Access-Client-Id"
CLIENT_SECRET_HEADER = "CF-Access-Client-Secret"  # noqa: S105 - a header's name
CLIENT_ID_VARIABLE = "CF_ACCESS_CLIENT_ID"
CLIENT_SECRET_VARIABLE = "CF_ACCESS_CLIENT_SECRET"  # noqa: S105 - a variable's name


@dataclass(frozen=True)
class Snippet:
    """The settings of one client. `file` is the file that `text` goes into, None when `text` is a command line."""

    client: str
    file: str | None
    text: str
    note: str = ""

    def as_json(self) -> dict[str, str | None]:
        return {"client": self.client, "where": self.file, "text": self.text, "note": self.note}


def people(name: str, url: str) -> tuple[Snippet, ...]:
    """Settings for people: the client opens the sign-in by itself on first use."""
    return (
        Snippet("Claude Code", None, f"claude mcp add --transport http {shlex.quote(name)} {shlex.quote(url)}"),
        Snippet("Cursor", ".cursor/mcp.json", _json({"mcpServers": {name: {"url": url}}})),
        Snippet("VS Code", ".vscode/mcp.json", _json({"servers": {name: {"type": "http", "url": url}}})),
    )


def agents(name: str, url: str) -> tuple[Snippet, ...]:
    """Settings for agents: both headers of the service token come from the environment (VS Code asks for them once)."""
    note = f"set {CLIENT_ID_VARIABLE} and {CLIENT_SECRET_VARIABLE} where the agent runs"

    def headers(form: str) -> dict[str, str]:
        return {
            CLIENT_ID_HEADER: form.format(CLIENT_ID_VARIABLE),
            CLIENT_SECRET_HEADER: form.format(CLIENT_SECRET_VARIABLE),
        }

    inputs = [
        {"type": "promptString", "id": variable, "description": f"{header} for {name}", "password": True}
        for header, variable in (
            (CLIENT_ID_HEADER, CLIENT_ID_VARIABLE),
            (CLIENT_SECRET_HEADER, CLIENT_SECRET_VARIABLE),
        )
    ]
    server = {"type": "http", "url": url}
    return (
        Snippet(
            "Claude Code",
            ".mcp.json",
            _json({"mcpServers": {name: {**server, "headers": headers("${{{}}}")}}}),
            note,
        ),
        Snippet(
            "Cursor",
            ".cursor/mcp.json",
            _json({"mcpServers": {name: {"url": url, "headers": headers("${{env:{}}}")}}}),
            note,
        ),
        Snippet(
            "VS Code",
            ".vscode/mcp.json",
            _json({"inputs": inputs, "servers": {name: {**server, "headers": headers("${{input:{}}}")}}}),
            "VS Code asks for both and keeps them in its secret storage",
        ),
        Snippet("Python (mcp SDK)", "agent.py", _python(url), note),
    )


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _python(url: str) -> str:
    return f"""\
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

HEADERS = {{
    "{CLIENT_ID_HEADER}": os.environ["{CLIENT_ID_VARIABLE}"],
    "{CLIENT_SECRET_HEADER}": os.environ["{CLIENT_SECRET_VARIABLE}"],
}}


async def tools() -> list[str]:
    async with (
        httpx2.AsyncClient(headers=HEADERS, timeout=60) as http,
        Client(streamable_http_client({url!r}, http_client=http)) as client,
    ):
        return [tool.name for tool in (await client.list_tools()).tools]
"""
