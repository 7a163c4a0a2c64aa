"""What the options of this one invocation said."""

from __future__ import annotations

from pathlib import Path

project: Path | None = None
debug = False
#: Stand-in providers and their own backend: `--sandbox`, or RINGWALL_SANDBOX in a shell for rehearsals.
sandbox = False
#: The stack that this call names: an environment, a server or a zone; None for several or none.
stack: str | None = None
json = False
