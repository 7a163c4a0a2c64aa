"""Client settings for a server behind Ringwall, ready to be pasted: for people and for agents.

People sign in by OAuth, so their snippets hold a URL and nothing else. Agents present a Cloudflare Access service token
in two headers (Cloudflare One docs, "Service tokens"); a snippet names the environment variables, never the secret.
Formats: code.claude.com/docs (claude mcp add, .mcp.json with ${VAR}), cursor.com/docs/mcp (${env:VAR}),
code.visualstudio.com MCP configuration reference ("servers", "inputs"), geminicli.com/docs/tools/mcp-server (`httpUrl`;
`url` means SSE there).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from model.known_clients import KNOWN_CLIENTS
from operations.clients.scripts import agent_script, person_script

CLIENT_ID_HEADER = "CF-Access-Client-Id"
CLIENT_SECRET_HEADER = "CF-Access-Client-Secret"  # noqa: S105 - a header's name
CLIENT_ID_VARIABLE = "CF_ACCESS_CLIENT_ID"
CLIENT_SECRET_VARIABLE = "CF_ACCESS_CLIENT_SECRET"  # noqa: S105 - a variable's name


@dataclass(frozen=True)
class Snippet:
    """The settings of one client. `file` is the file that `text` goes into, None when `text` is a command line or an
    address; `note` then says where it goes."""

    client: str
    file: str | None
    text: str
    note: str = ""

    def as_json(self) -> dict[str, str | None]:
        return {"client": self.client, "where": self.file, "text": self.text, "note": self.note}


@dataclass(frozen=True)
class SettingsFormat:
    """The settings file of one client: where it lies in a project, and the entry of a server in it."""

    project_file: str
    section: str
    entry: Callable[[str], dict[str, Any]]

    def document(self, name: str, url: str) -> dict[str, Any]:
        return {self.section: {name: self.entry(url)}}


FORMATS: dict[str, SettingsFormat] = {
    "claude-code": SettingsFormat(".mcp.json", "mcpServers", lambda url: {"type": "http", "url": url}),
    "cursor": SettingsFormat(".cursor/mcp.json", "mcpServers", lambda url: {"url": url}),
    "vscode": SettingsFormat(".vscode/mcp.json", "servers", lambda url: {"type": "http", "url": url}),
    "gemini-cli": SettingsFormat(".gemini/settings.json", "mcpServers", lambda url: {"httpUrl": url}),
}
_COMMANDS = {
    "claude-code": "claude mcp add --transport http {name} {url}",
    "gemini-cli": "gemini mcp add --scope user --transport http {name} {url}",
}
#: Clients without a file or command for it: what to do with the address.
_PLACES = {
    "claude": "in Claude: Settings, Connectors, Add custom connector; paste this address (the desktop app reads it from "
    "the account)",
    "chatgpt": "in ChatGPT: Settings, Apps & Connectors, with developer mode on: Create; paste this address, "
    "Authentication: OAuth",
}


def person(client: str, name: str, url: str) -> Snippet:
    """Settings of one client that is known by name: it opens the sign-in by itself on first use."""
    title = KNOWN_CLIENTS[client].title
    if client in _COMMANDS:
        return Snippet(title, None, _COMMANDS[client].format(name=shlex.quote(name), url=shlex.quote(url)))
    if client in FORMATS:
        settings = FORMATS[client]
        return Snippet(title, settings.project_file, _json(settings.document(name, url)))
    if client == "inspector":
        note = f"on its page choose Streamable HTTP and paste {url}"
        return Snippet(title, None, "npx @modelcontextprotocol/inspector", note)
    return Snippet(title, None, url, _PLACES[client])


def people(name: str, addresses: Sequence[tuple[str, str]]) -> tuple[Snippet, ...]:
    """Settings for people: of each client by its name, with the address it is to use."""
    return tuple(person(client, name, url) for client, url in addresses)


def python_person(url: str) -> Snippet:
    """A program of a person's own; it may register where any client that returns to 127.0.0.1 may."""
    return Snippet("Python (mcp SDK)", "person.py", person_script(url), "it opens the sign-in in the browser")


def lines_of(kind: str, snippets: Sequence[Snippet]) -> list[str]:
    """The settings for people or for agents, as they are printed."""
    lines = [f"\nClients, for {kind}:"] if snippets else []
    for snippet in snippets:
        place = f" ({snippet.file})" if snippet.file else ""
        note = f"; {snippet.note}" if snippet.note else ""
        lines.append(f"\n# {snippet.client}{place}{note}\n{snippet.text}")
    return lines


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
        Snippet(
            "Python (mcp SDK)",
            "agent.py",
            agent_script(
                url,
                id_header=CLIENT_ID_HEADER,
                id_variable=CLIENT_ID_VARIABLE,
                secret_header=CLIENT_SECRET_HEADER,
                secret_variable=CLIENT_SECRET_VARIABLE,
            ),
            note,
        ),
    )


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
