"""Commands that name a server's clients and callers name the portal that offers it, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import ringwall
from tests.support.portals import add_portal
from tests.support.projects import write_project

URL = "https://mcp.example.com/mcp"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = write_project(tmp_path / "project", every_shape=True)
    add_portal(root)
    return root


def test_clients_gives_the_portals_address_of_a_server_that_it_offers(root: Path) -> None:
    assert ringwall("clients", "dev.one", "--json", "--project", root).json["portal"] == URL
    assert "portal" not in ringwall("clients", "dev.external", "--json", "--project", root).json
    shown = ringwall("clients", "dev.hosted", "--project", root).out
    assert f"dev.hosted: the portal {URL} offers it too, as dev-hosted-" in shown
    assert "calls it as agent nightly, whoever calls" in shown


def test_explain_says_as_whom_the_portal_calls_the_server(root: Path) -> None:
    call = ("--as", "person:ada@example.com", "list_tickets")
    answers = ringwall("explain", "dev.one", *call, "--json", "--project", root).json["answers"]
    notes = [answer["text"] for answer in answers if answer["ring"] == "edge" and answer["effect"] == "note"]
    assert len(notes) == 1
    assert notes[0].endswith("and calls it as the person who calls")
