"""Client snippets are what the clients read, and hold no secret."""

from __future__ import annotations

import json
import shlex
import sys
import threading
import traceback
from typing import Any

import anyio
import httpx
import pytest

from model.known_clients import KNOWN_CLIENTS
from operations.clients.snippets import agents, people, person, python_person
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.managed_oauth import managed_oauth

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


class Browser:
    """A browser with a session at the identity provider: it follows the sign-in back to the person's machine."""

    def open(self, address: str) -> None:
        threading.Thread(
            target=lambda: httpx.get(address, follow_redirects=True, timeout=60, trust_env=False, verify=NO_AUTHORITIES)
        ).start()


def test_persons_script_registers_signs_in_and_lists_tools_where_loopback_may_register(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "webbrowser", Browser())
    with managed_oauth({"enabled": True, "allowAnyOnLoopback": True}) as edge:
        module: dict[str, Any] = {"__name__": "person"}
        exec(python_person(edge.url).text, module)  # noqa: S102 - our own snippet
        assert anyio.run(module["tools"]) == ["list_tickets"]
        (registered,) = edge.registration.registered.values()
        assert str(registered["redirect_uris"][0]).startswith("http://127.0.0.1:")


def test_persons_script_is_refused_where_loopback_may_not_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "webbrowser", Browser())
    with managed_oauth({"enabled": True, "allowAnyOnLocalhost": True}) as edge:
        module: dict[str, Any] = {"__name__": "person"}
        exec(python_person(edge.url).text, module)  # noqa: S102 - our own snippet
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - the client's group of one
            anyio.run(module["tools"])
        assert "invalid_redirect_uri" in "".join(traceback.format_exception(caught.value))
