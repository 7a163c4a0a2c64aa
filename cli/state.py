"""What the options of this one invocation said."""

from __future__ import annotations

from pathlib import Path

project: Path | None = None
debug = False
json = False
