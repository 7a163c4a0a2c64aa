"""`ringwall help`: shows the help of a command."""

from __future__ import annotations

from cli import main


def help_page(command: list[str]) -> None:
    """What `ringwall help` does; its flags and help are in `cli.flags.help_page`."""
    main.app([*command, "--help"], prog_name="ringwall", standalone_mode=False)
