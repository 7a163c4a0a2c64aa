"""Client snippets are what the clients read, and hold no secret."""

from __future__ import annotations

import json
import shlex
from typing import Any

import anyio
import pytest

from model.known_clients import KNOWN_CLIENTS
from operations.clients.snippets import agents, people, person

URL = "https://notes.example.com/mcp"


def test_people_get_a_url_and_nothing_else() -> None:
    snippets = people("notes", [(name, URL) for name in KNOWN_CLIENTS])
    claude_code, cursor, code, claude, chatgpt, inspector, gemini = snippets
    assert shlex.split(claude_code.text) == ["claude", "mcp", "add", "--transport", "http", "notes", URL]
    assert (cursor.file, json.loads(cursor.text)) == (".cursor/mcp.json", {"mcpServers": {"notes": {"url": URL}}})
    assert (code.file, json.loads(code.text)) == (
        ".vscode/mcp.json",
        {"servers": {"notes": {"type": "http", "url": URL}}},
    )
    assert shlex.split(gemini.text)[-2:] == ["notes", URL]
    for snippet in (claude, chatgpt):
        assert (snippet.text, snippet.file) == (URL, None)
        assert "Settings" in snippet.note
    assert inspector.text == "npx @modelcontextprotocol/inspector"
    assert URL in inspector.note


def test_agents_name_the_variables_of_their_service_token() -> None:
    claude, cursor, code, script = agents("notes", URL)
    assert json.loads(claude.text)["mcpServers"]["notes"] == {
        "type": "http",
        "url": URL,
        "headers": {
            "CF-Access-Client-Id": "${CF_ACCESS_CLIENT_ID}",
            "CF-Access-Client-Secret": "${CF_ACCESS_CLIENT_SECRET}",
        },
    }
    assert json.loads(cursor.text)["mcpServers"]["notes"]["headers"] == {
        "CF-Access-Client-Id": "${env:CF_ACCESS_CLIENT_ID}",
        "CF-Access-Client-Secret": "${env:CF_ACCESS_CLIENT_SECRET}",
    }
    settings = json.loads(code.text)
    assert settings["servers"]["notes"]["headers"]["CF-Access-Client-Secret"] == "${input:CF_ACCESS_CLIENT_SECRET}"
    assert [(snippet["id"], snippet["password"]) for snippet in settings["inputs"]] == [
        ("CF_ACCESS_CLIENT_ID", True),
        ("CF_ACCESS_CLIENT_SECRET", True),
    ]
    assert 'os.environ["CF_ACCESS_CLIENT_SECRET"]' in script.text


def test_agent_script_runs_against_a_real_server(desk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CF_ACCESS_CLIENT_ID", "id.access")
    monkeypatch.setenv("CF_ACCESS_CLIENT_SECRET", "planted")
    module: dict[str, Any] = {}
    exec(agents("desk", desk)[3].text, module)  # noqa: S102 - our own snippet
    assert "list_tickets" in anyio.run(module["tools"])


def test_name_with_shell_characters_is_quoted() -> None:
    assert shlex.split(person("claude-code", "a; rm -rf /", URL).text)[5] == "a; rm -rf /"
