"""The directions of a change by one letter, and the stack files that the tests of `diff` change."""

from __future__ import annotations

from plan.diff.model import Direction

L, T, N = Direction.LOOSENS, Direction.TIGHTENS, Direction.NEUTRAL
DEV_FILE, ONE_FILE, HOSTED_FILE, EXTERNAL_FILE = (
    f"Pulumi.dev{name}.yaml" for name in ("", ".one", ".hosted", ".external")
)
