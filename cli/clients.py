"""`ringwall clients`: which clients may register at a server, their settings, and their settings files written."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import typer

from cli import console
from cli.project import current_project
from model.errors import InputError
from model.portal_checks import portal_words
from model.project import load
from model.stacks import ModelStack, ServerStack
from operations.clients.addresses import address_of, client_addresses, entry_name, script_url, usable
from operations.clients.link import Link, prepare, settings_file, undo, write
from operations.clients.snippets import agents, lines_of, people, python_person
from operations.model_route.snippets import CLAUDE_CODE, base_url, model_snippets


def clients(stack: str, client: str | None, *, link: bool, link_file: Path | None, yes: bool, as_json: bool) -> None:
    """What `ringwall clients` does; its flags and help are in `cli.flags.clients`."""
    server = load(current_project(), stack)
    if isinstance(server, ModelStack):
        _model_clients(server, client, link=link or link_file is not None, as_json=as_json)
        return
    if not isinstance(server, ServerStack):
        raise InputError(f"{stack} is no server", key="ENV.SERVER", remedy="name a server, such as dev.github")
    if link_file is not None and not link:
        raise InputError("says where to write, and nothing is written", key="--link-file", remedy="add --link")
    if link and client is None:
        raise InputError("needs a client", key="--link", remedy=f"name one: `ringwall clients {stack} CLIENT --link`")
    shown = usable(server) if client is None else ((client, address_of(server, client)),)
    if link and client is not None:
        document = link_client(server, client, link_file, yes=yes)
        if document is None:
            raise typer.Exit(1)
        if as_json:
            console.print_json({"version": 1, "stack": stack, "link": document})
        return
    script = script_url(server) if client is None else None
    snippets = {
        "people": (*people(entry_name(server), shown), *((python_person(script),) if script else ())),
        "agents": agents(entry_name(server), _url(server)) if server.manifest.access.agents and client is None else (),
    }
    portal = portal_words(server)
    rows = [item for item in client_addresses(server) if client in (None, item.name)]
    if as_json:
        values: dict[str, Any] = {kind: [snippet.as_json() for snippet in group] for kind, group in snippets.items()}
        document = {"version": 1, "stack": stack, "clients": [row.as_json() for row in rows], "snippets": values}
        if portal is not None and server.settings.portal is not None:
            document["portal"] = server.settings.portal.url
        console.print_json(document)
        return
    if client is None:
        table = [(row.name, "yes" if row.url else "no", row.note) for row in rows]
        console.table(["client", "may register", "note"], table)
    for kind, group in snippets.items():
        for line in lines_of(kind, group):
            console.say(line)
    if portal is not None:
        console.say(f"\n{stack}: {portal}")
    if client is None and usable(server):
        console.say(f"\nTo write a client's own settings file: ringwall clients {stack} CLIENT --link")


def _model_clients(stack: ModelStack, client: str | None, *, link: bool, as_json: bool) -> None:
    """Settings for a model route, whose clients speak OpenAI's API and not MCP."""
    if client is not None or link:
        raise InputError(
            f"{stack.stack} is a model route: clients by name are for MCP servers",
            key="CLIENT" if client else "--link",
            remedy=f"run `ringwall clients {stack.stack}`",
        )
    snippets = model_snippets(stack)
    if as_json:
        values = {kind: [snippet.as_json() for snippet in group] for kind, group in snippets.items()}
        console.print_json({"version": 1, "stack": stack.stack, "base_url": base_url(stack), "snippets": values})
        return
    for kind, group in snippets.items():
        for line in lines_of(kind, group):
            console.say(line)
    console.say(f"\n{CLAUDE_CODE}")


def plan_link(server: ServerStack, client: str, file: Path | None) -> Link:
    """The change of a client's settings file, without writing it."""
    url = address_of(server, client)
    return prepare(client, entry_name(server), url, file or settings_file(client, os.environ))


def link_client(server: ServerStack, client: str, file: Path | None, *, yes: bool) -> dict[str, Any] | None:
    """Write the server into a client's settings file after consent, and say how to take it back; None without consent."""
    link = plan_link(server, client, file)
    path = link.change.path
    if link.is_unchanged:
        console.say(f"{path} holds {link.name} already")
        return {"client": client, "file": str(path), "written": False, "copy": None, "undo": None}
    if link.previous is not None:
        console.note(f"warning: {path} holds another {link.name}, which is replaced; the copy keeps it")
    if not console.ask(f"Write {link.name} into {path}?", yes=yes):
        console.note(f"{path} is as it was")
        return None
    copy = write(link, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    taken_back = undo(link, copy)
    console.say(f"wrote {path}" + (f"; what was there is in {copy}" if copy else ""))
    console.say(f"  to take it back: {taken_back}")
    return {
        "client": client,
        "file": str(path),
        "written": True,
        "copy": str(copy) if copy else None,
        "undo": taken_back,
    }


def _url(server: ServerStack) -> str:
    return f"https://{server.manifest.hostname}{server.manifest.path}"
