"""The meaning of a change of `access.clients`, by what Access allows before and after."""

from __future__ import annotations

from typing import Any

import pytest

from model.server import Server
from plan.diff.model import Direction
from plan.diff.semantic.clients import clients_of, compare_clients

L, T, N = Direction.LOOSENS, Direction.TIGHTENS, Direction.NEUTRAL
DESK = {"name": "desk", "redirect_uris": ["https://desk.example.com/cb"]}
DESK_TWICE = {"name": "desk", "redirect_uris": ["https://desk.example.com/cb", "com.example.desk:/cb"]}
ANY = "any client that returns to the person's own machine"
REGISTER = "may register and sign people in"


def server(clients: list[Any] | None) -> Server:
    access = {"agents": ["ci"]} | ({} if clients is None else {"clients": clients})
    return Server.model_validate(
        {
            "version": 1,
            "host": "h1",
            "hostname": "one.example.com",
            "guard_port": 9010,
            "origin": {"url": "http://127.0.0.1:3000/mcp"},
            "access": access,
        }
    )


@pytest.mark.parametrize(
    ("base", "head", "expected"),
    [
        (None, ["claude-code"], [(f"{ANY} may no longer register", N), (f"Claude Code {REGISTER}", N)]),
        (None, ["cursor"], [(f"{ANY} may no longer register", T), (f"Cursor {REGISTER}", L)]),
        (None, [], [(f"{ANY} may no longer register", T)]),
        ([], None, [(f"{ANY} {REGISTER}", L)]),
        (["vscode"], ["vscode", "claude-code"], [(f"Claude Code {REGISTER}", N)]),
        (["vscode", "claude-code"], ["claude-code"], [("VS Code may no longer register", T)]),
        (["gemini-cli"], ["claude-code"], [(f"Claude Code {REGISTER}", L), ("Gemini CLI may no longer register", N)]),
        (["claude-code"], ["claude-code", DESK], [(f"client desk {REGISTER}", L)]),
        ([DESK], [DESK_TWICE], [("client desk: sign-in may return to com.example.desk:/cb too", L)]),
        ([DESK_TWICE], [DESK], [("client desk: sign-in no longer returns to com.example.desk:/cb", T)]),
        (["cursor", "vscode"], ["vscode", "cursor"], []),
    ],
)
def test_change_of_clients_loosens_where_access_allows_more_and_tightens_where_less(
    base: list[Any] | None, head: list[Any] | None, expected: list[tuple[str, Direction]]
) -> None:
    changes = compare_clients("dev.one", clients_of(server(base)), clients_of(server(head)))
    assert [(change.title, change.direction) for change in changes] == expected


def test_reviewer_reads_where_sign_ins_return_and_what_loopback_means() -> None:
    (change,) = compare_clients("dev.one", clients_of(server([])), clients_of(server(["cursor"])))
    assert change.details == (
        "redirect URIs: cursor://anysphere.cursor-mcp/oauth/callback, "
        "https://www.cursor.com/agents/mcp/oauth/callback, http://localhost:8787/callback",
        "on loopback Access allows a host as a whole: any program on the person's machine may register so",
    )


def test_reviewer_reads_that_a_vendors_servers_call() -> None:
    (change,) = compare_clients("dev.one", clients_of(server([])), clients_of(server(["chatgpt"])))
    assert change.details[-1] == "its vendor's servers call, not the person's machine"
