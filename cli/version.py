"""`ringwall version`: prints the version."""

from __future__ import annotations

from importlib import metadata

from cli import console


def version(*, as_json: bool) -> None:
    """What `ringwall version` does; its flags and help are in `cli.flags.version`."""
    number = metadata.version("ringwall")
    if as_json:
        console.print_json({"version": 1, "ringwall": number})
    console.say(f"ringwall {number}")
