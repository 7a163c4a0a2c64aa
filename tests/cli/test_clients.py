"""`ringwall clients` shows who may sign in with what, and writes a client's own settings file with a copy of the old."""

from __future__ import annotations

import json
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

from model.errors import InputError
from model.known_clients import KNOWN_CLIENTS
from model.project import load_environment, open_project
from operations.clients.link import settings_file
from tests.support.command_line import on_a_terminal, ringwall, snapshot
from tests.support.projects import write_project

URL = "https://one.example.com/mcp"
SETTINGS = """\
{
  // Mine.
  "mcpServers": {
    "other": {"command": "npx", "env": {"KEY": "planted-secret"}}, // stays
  },
}
"""


@pytest.fixture
def desk_project(tmp_path: Path) -> Path:
    root = write_project(tmp_path / "project", every_shape=True)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text().replace(
        "      agents: [ci]\n    posture", "      agents: [ci]\n      clients: [claude-code, cursor]\n    posture"
    )
    file.write_text(text)
    environment = root / "stacks" / "Pulumi.dev.yaml"
    text = environment.read_text().replace(
        "https://claude.example.com/callback",
        "https://claude.ai/api/mcp/auth_callback, https://claude.com/api/mcp/auth_callback",
    )
    environment.write_text(text)
    return root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / ".cursor").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


def test_clients_that_may_register_are_shown_with_their_settings_and_the_others_with_the_reason(
    desk_project: Path,
) -> None:
    document = ringwall("clients", "dev.one", "--json", "--project", desk_project).json
    assert {row["client"]: row["may_register"] for row in document["clients"]} == {
        **dict.fromkeys(KNOWN_CLIENTS, False),
        # On loopback Access allows a host as a whole, so these may, too.
        **dict.fromkeys(("claude-code", "cursor", "inspector", "gemini-cli"), True),
    }
    texts = {snippet["client"]: snippet["text"] for snippet in document["snippets"]["people"]}
    assert "http://127.0.0.1:" in texts["Python (mcp SDK)"]
    assert shlex.split(texts["Claude Code"]) == ["claude", "mcp", "add", "--transport", "http", "dev-one", URL]
    assert json.loads(texts["Cursor"]) == {"mcpServers": {"dev-one": {"url": URL}}}
    assert {snippet["client"] for snippet in document["snippets"]["agents"]} >= {"Claude Code", "Python (mcp SDK)"}


def test_hosted_client_is_given_its_own_public_name(desk_project: Path) -> None:
    result = ringwall("clients", "dev.hosted", "claude", "--project", desk_project)
    assert (result.code, "https://hosted-claude.example.com/mcp" in result.out) == (0, True)


def test_client_of_ones_own_is_listed_and_a_hosted_one_without_a_door_is_told_how_to_get_one(
    desk_project: Path,
) -> None:
    file = desk_project / "stacks" / "Pulumi.dev.one.yaml"
    own = "{name: desk, redirect_uris: ['https://desk.example.com/cb']}"
    file.write_text(file.read_text().replace("clients: [claude-code, cursor]", f"clients: [vscode, {own}]"))
    rows = {
        row["client"]: row
        for row in ringwall("clients", "dev.one", "--json", "--project", desk_project).json["clients"]
    }
    assert (rows["desk"]["url"], rows["desk"]["note"]) == (URL, "returns to https://desk.example.com/cb")
    assert rows["gemini-cli"]["note"] == "not listed: Access allows loopback by host, for any client"
    assert rows["vscode"]["note"] == ""
    (error,) = ringwall("clients", "dev.one", "chatgpt", "--project", desk_project).errors
    assert "needs a door of its own below hosted_clients" in error
    assert "https://chatgpt.com/connector/oauth/*" in error


def test_vendors_servers_are_given_no_address_before_an_external_issuer(desk_project: Path) -> None:
    document = ringwall("clients", "dev.external", "--json", "--project", desk_project).json
    assert {row["client"] for row in document["clients"] if not row["may_register"]} == {"claude", "chatgpt"}
    assert {row["note"] for row in document["clients"] if row["may_register"]} == {
        "registers at the issuer keycloak, which must allow its redirect URIs"
    }


def test_client_that_may_not_register_is_an_error_that_names_the_key(desk_project: Path) -> None:
    result = ringwall("clients", "dev.one", "vscode", "--link", "--project", desk_project)
    assert result.code == 2
    file = desk_project / "stacks" / "Pulumi.dev.one.yaml"
    assert result.errors == [
        f"{file}:14: config.ringwall:server.access.clients: VS Code: its redirect URIs are not allowed; add vscode to "
        "access.clients there, and bring the server up again"
    ]


def test_link_keeps_comments_and_a_copy_with_the_same_rights_and_its_undo_restores_every_byte(
    desk_project: Path, home: Path
) -> None:
    file = home / ".cursor" / "mcp.json"
    file.write_text(SETTINGS)
    file.chmod(0o600)
    result = ringwall("clients", "dev.one", "cursor", "--link", "--yes", "--json", "--project", desk_project)
    assert result.code == 0, result.err
    link = result.json["link"]
    assert file.read_text() == SETTINGS.replace(
        "// stays\n", '// stays\n    "dev-one": {\n      "url": "https://one.example.com/mcp"\n    },\n'
    )
    copy = Path(link["copy"])
    assert (copy.read_text(), stat.S_IMODE(copy.stat().st_mode)) == (SETTINGS, 0o600)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    after = snapshot(home)
    again = ringwall("clients", "dev.one", "cursor", "--link", "--yes", "--project", desk_project)
    assert (again.code, again.out) == (0, f"{file} holds dev-one already\n")
    assert snapshot(home) == after
    subprocess.run(["/bin/sh", "-c", link["undo"]], check=True)
    assert snapshot(home) == {".cursor/mcp.json": SETTINGS.encode()}


def test_link_makes_the_file_where_there_is_none_and_its_undo_removes_it(desk_project: Path, home: Path) -> None:
    result = ringwall("clients", "dev.one", "cursor", "--link", "--yes", "--json", "--project", desk_project)
    file = home / ".cursor" / "mcp.json"
    assert json.loads(file.read_text()) == {"mcpServers": {"dev-one": {"url": URL}}}
    subprocess.run(["/bin/sh", "-c", result.json["link"]["undo"]], check=True)
    assert snapshot(home) == {}


def test_other_entry_of_the_name_is_replaced_only_with_a_warning_and_stays_in_the_copy(
    desk_project: Path, home: Path
) -> None:
    file = home / ".cursor" / "mcp.json"
    file.write_text('{"mcpServers": {"dev-one": {"url": "https://elsewhere.example"}}}')
    result = ringwall("clients", "dev.one", "cursor", "--link", "--yes", "--json", "--project", desk_project)
    assert f"warning: {file} holds another dev-one, which is replaced; the copy keeps it" in result.err
    assert "elsewhere" in Path(result.json["link"]["copy"]).read_text()
    assert json.loads(file.read_text()) == {"mcpServers": {"dev-one": {"url": URL}}}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{broken", "cannot be edited: not JSON"),
        (b'{"mcpServers": []}', "cannot be edited: mcpServers is no object"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b"[" + b" " * 2**20 + b"]", "is over 1 MiB"),
    ],
)
def test_file_that_cannot_be_read_is_refused_and_untouched(
    desk_project: Path, home: Path, content: bytes, problem: str
) -> None:
    file = home / ".cursor" / "mcp.json"
    file.write_bytes(content)
    result = ringwall("clients", "dev.one", "cursor", "--link", "--yes", "--project", desk_project)
    assert result.code == 2
    assert result.err.startswith(f"error: {file}: {problem}")
    assert snapshot(home) == {".cursor/mcp.json": content}


def test_link_asks_and_writes_nothing_without_consent(desk_project: Path, home: Path) -> None:
    arguments = ["clients", "dev.one", "cursor", "--link", "--project", str(desk_project)]
    code, shown = on_a_terminal(arguments, ["n"], HOME=str(home))
    assert (code, snapshot(home)) == (1, {})
    assert "[y/N]" in shown


@pytest.mark.parametrize(
    ("client", "platform", "environment", "file"),
    [
        ("cursor", "linux", {"HOME": "{}"}, ".cursor/mcp.json"),
        ("cursor", "win32", {"USERPROFILE": "{}"}, ".cursor/mcp.json"),
        ("gemini-cli", "darwin", {"HOME": "{}"}, ".gemini/settings.json"),
        ("vscode", "linux", {"HOME": "{}"}, ".config/Code/User/mcp.json"),
        ("vscode", "linux", {"HOME": "/", "XDG_CONFIG_HOME": "{}/x"}, "x/Code/User/mcp.json"),
        ("vscode", "darwin", {"HOME": "{}"}, "Library/Application Support/Code/User/mcp.json"),
        ("vscode", "win32", {"USERPROFILE": "/", "APPDATA": "{}/Roaming"}, "Roaming/Code/User/mcp.json"),
    ],
)
def test_settings_file_is_where_the_client_looks_and_nowhere_before_it_ran(
    tmp_path: Path, client: str, platform: str, environment: dict[str, str], file: str
) -> None:
    variables = {name: value.format(tmp_path) for name, value in environment.items()}
    with pytest.raises(InputError, match="was never started here"):
        settings_file(client, variables, platform)
    (tmp_path / file).parent.mkdir(parents=True)
    assert settings_file(client, variables, platform) == tmp_path / file


@pytest.mark.parametrize("client", ["claude", "chatgpt", "inspector"])
def test_client_without_a_settings_file_is_refused_with_what_to_do_in_it(client: str) -> None:
    with pytest.raises(InputError) as caught:
        settings_file(client, {})
    assert "paste" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["dev.one", "--link"], "--link: needs a client; name one: `ringwall clients dev.one CLIENT --link --project {}`"),
        (["dev.one", "--link-file", "x"], "--link-file: says where to write, and nothing is written; add --link"),
        (["dev"], "ENV.SERVER: dev is no server; name a server, such as dev.github"),
        (["dev.one", "vscod"], "CLIENT: vscod is no client that is known by name; name one of claude-code, cursor, vscode, "
         "claude, chatgpt, inspector, gemini-cli"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_error(desk_project: Path, arguments: list[str], error: str) -> None:
    result = ringwall("clients", *arguments, "--project", desk_project)
    assert (result.code, result.errors) == (2, [error.replace("{}", str(desk_project))])


def test_onboard_names_the_usual_clients_and_links_the_one_that_was_named(root: Path, desk: str, home: Path) -> None:
    arguments = ("onboard", "tickets", "--env", "dev", "--url", desk, "--people", "ada@example.com", "--yes")
    result = ringwall(*arguments, "--link", "cursor", "--json", "--project", root)
    assert result.code == 0, result.err
    stack = load_environment(open_project(root), "dev").servers["tickets"]
    assert stack.manifest.access.clients == ("claude-code", "cursor", "vscode")
    file = home / ".cursor" / "mcp.json"
    assert json.loads(file.read_text()) == {
        "mcpServers": {"dev-tickets": {"url": "https://dev-tickets.example.com/mcp"}}
    }
    assert [link["file"] for link in result.json["links"]] == [str(file)]


def test_onboard_writes_nothing_where_a_link_cannot_be_written(root: Path, desk: str, home: Path) -> None:
    (home / ".cursor" / "mcp.json").write_text("{broken")
    before = snapshot(root)
    arguments = ("onboard", "tickets", "--env", "dev", "--url", desk, "--people", "ada@example.com", "--yes")
    result = ringwall(*arguments, "--client", "cursor", "--link", "cursor", "--project", root)
    assert result.code == 2
    assert "cannot be edited" in result.err
    assert snapshot(root) == before
