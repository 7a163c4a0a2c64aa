from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, Yes
from engine import install as installer
from engine.locate import PINNED, explain, find
from engine.plugins import install_plugins, plugins_missing

app = typer.Typer(help="The Pulumi engine that previews and applies.", no_args_is_help=True, rich_markup_mode=None)


class Method(StrEnum):
    auto = "auto"
    download = "download"
    build = "build"


@app.command()
def install(
    method: Annotated[
        Method,
        typer.Option(help="auto: one on PATH, else the official download, else a build of the pinned Go module."),
    ] = Method.auto,
    plugins: Annotated[bool, typer.Option("--plugins", help="Install the real provider plugins too.")] = False,
    yes: Yes = False,
    debug: Debug = False,
) -> None:
    """Install the pinned engine into this user's cache folder, and with --plugins its provider plugins."""
    found = find()
    if found is None and not console.ask(f"Install Pulumi {PINNED} into this user's cache?", yes=yes):
        raise typer.Exit(1)
    found = installer.install(progress=console.note, method=method.value)
    console.say(f"engine: Pulumi {found.version} at {found.path}")
    if plugins:
        install_plugins(found, console.note)


@app.command()
def status(as_json: AsJson = False, debug: Debug = False) -> None:
    """Explain which engine is used and why, and which provider plugins are there."""
    candidates, found = explain(), find()
    missing = [str(plugin) for plugin in plugins_missing(found)] if found else []
    if as_json:
        rows = [
            {"source": c.source, "path": str(c.path) if c.path else None, "taken": c.selected, "reason": c.reason}
            for c in candidates
        ]
        used = {"path": str(found.path), "version": found.version, "source": found.source} if found else None
        console.print_json({"version": 1, "engine": used, "candidates": rows, "plugins_missing": missing})
    for candidate in candidates:
        mark = "*" if candidate.selected else " "
        console.say(f"{mark} {candidate.source}: {candidate.path or 'none'}: {candidate.reason}")
    for plugin in missing:
        console.say(f"plugin missing: {plugin}; `ringwall engine install --plugins` (not needed with --sandbox)")
    if found is None:
        console.say("no usable engine; run `ringwall engine install`")
        raise typer.Exit(4)
