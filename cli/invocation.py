"""The options in force of one invocation, which Typer's context carries: the callbacks of the options fill them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer._click.globals import get_current_context


@dataclass
class Invocation:
    """What the options of one command line said."""

    project: Path | None = None
    debug: bool = False
    #: Stand-in providers and their own backend: `--sandbox`, or RINGWALL_SANDBOX in a shell for rehearsals.
    sandbox: bool = False
    #: The stack that this call names: an environment, a server or a zone; None for several or none.
    stack: str | None = None
    json: bool = False
    #: What the one document of --json holds beside an error that ends the command.
    beside_error: Mapping[str, Any] = field(default_factory=dict)


def current() -> Invocation:
    """The options of the command that this thread runs; none are in force where it runs no command.

    Typer keeps its contexts by thread, so what hands work to other threads reads this before (`cli.terminal` does).
    """
    context = get_current_context(silent=True)
    return (context.find_object(Invocation) if context is not None else None) or Invocation()
