"""`ringwall demo`: runs the demo and prints its report."""

from __future__ import annotations

from pathlib import Path

from cli import console
from cli.demo_run import run_demo


def demo(*, keep_folder: bool, everything: bool, out: Path | None, as_json: bool) -> None:
    """What `ringwall demo` does; its flags and help are in `cli.flags.demo`."""
    report = run_demo(keep_folder=keep_folder, everything=everything, out=out)
    if as_json:
        console.print_json(report)
