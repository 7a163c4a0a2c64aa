"""`ringwall engine`: installs the Pulumi engine, and says which one is used."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Literal

import typer

from cli import console
from cli.project import current_project
from engine import install as installer
from engine.locate import PINNED, explain, find
from engine.plugins import install_plugins, plugins_missing
from model.errors import NoProject
from operations.project.new_project import make_virtualenv
from operations.project.pulumi_addons import write_addons


def install(*, method: Literal["auto", "download", "build"], plugins: bool, yes: bool, as_json: bool) -> None:
    """What `ringwall engine install` does; its flags and help are in `cli.flags.engine`."""
    engine = find()
    if engine is None and not console.ask(f"Install Pulumi {PINNED} into this user's cache?", yes=yes):
        raise typer.Exit(1)
    engine = installer.install(progress=console.note, method=method)
    console.say(f"engine: Pulumi {engine.version} at {engine.path}")
    with contextlib.suppress(NoProject):
        if virtualenv := make_virtualenv(current_project().root):
            console.say(f"made {virtualenv} for the plain pulumi CLI, leading to this Ringwall (ignored by Git)")
    if plugins:
        install_plugins(engine, console.note)
    if as_json:
        used = {"path": str(engine.path), "version": engine.version, "source": engine.source}
        console.print_json({"version": 1, "engine": used, "plugins": plugins})


def addons(folder: Path, *, as_json: bool) -> None:
    """What `ringwall engine addons` does; its flags and help are in `cli.flags.engine`."""
    pack, package = write_addons(folder.expanduser())
    if as_json:
        console.print_json({"version": 1, "policy_pack": str(pack), "package": str(package)})
    console.say(f"policy pack: pulumi preview --policy-pack {shlex.quote(str(pack))}")
    console.say(f"component package: name {package} as a provider's path under plugins: in your Pulumi.yaml")


def status(*, as_json: bool) -> None:
    """What `ringwall engine status` does; its flags and help are in `cli.flags.engine`."""
    candidates, engine = explain(), find()
    missing = [str(plugin) for plugin in plugins_missing(engine)] if engine else []
    if as_json:
        rows = [
            {"source": c.source, "path": str(c.path) if c.path else None, "taken": c.selected, "reason": c.reason}
            for c in candidates
        ]
        used = {"path": str(engine.path), "version": engine.version, "source": engine.source} if engine else None
        console.print_json({"version": 1, "engine": used, "candidates": rows, "plugins_missing": missing})
    for candidate in candidates:
        mark = "*" if candidate.selected else " "
        console.say(f"{mark} {candidate.source}: {candidate.path or 'none'}: {candidate.reason}")
    for plugin in missing:
        console.say(f"plugin missing: {plugin}; `ringwall engine install --plugins` (not needed with --sandbox)")
    if engine is None:
        console.say("no usable engine; run `ringwall engine install`")
        raise typer.Exit(4)
