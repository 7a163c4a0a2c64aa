"""Progress of several engine runs: a live table on a terminal, a line per change of state elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli import console
from model.text import counted

if TYPE_CHECKING:
    from rich.table import Table

    from engine.run import Run

_TICK = 0.2
_LINE_EVERY = 10.0
_COUNTS = (("create", "+"), ("update", "~"), ("replace", "±"), ("delete", "-"), ("same", "="))


@contextmanager
def progress(runs: Sequence[Run]) -> Iterator[None]:
    """Show `runs` until the context ends."""
    screen = console.stderr()
    stop = threading.Event()
    if screen.is_terminal:
        from rich.live import Live  # noqa: PLC0415 - 0.02 s of the 0.07 that --help takes

        with Live(_table(runs), console=screen, refresh_per_second=5, transient=True) as live:
            watcher = threading.Thread(target=_redraw, args=(live.update, runs, stop), daemon=True)
            watcher.start()
            try:
                yield
            finally:
                stop.set()
                watcher.join()
        return
    watcher = threading.Thread(target=_print_lines, args=(runs, stop), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def counts(run: Run) -> str:
    """``+12 ~1 =30`` of one run; before its summary, how many steps are done."""
    parts = [f"{sign}{run.steps.counts[word]}" for word, sign in _COUNTS if run.steps.counts.get(word)]
    return " ".join(parts) or (f"{counted(len(run.steps.finished), 'step')}" if run.steps.finished else "")


def _table(runs: Sequence[Run]) -> Table:
    from rich.table import Table  # noqa: PLC0415 - 0.02 s of the 0.07 that --help takes
    from rich.text import Text  # noqa: PLC0415 - 0.02 s of the 0.07 that --help takes

    grid = Table("stack", "run", "state", "resources", "now", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for run in runs:
        activity = run.steps.current if run.state == "running" else (run.error or "").split("\n")[0]
        grid.add_row(*(Text(cell) for cell in (run.stack, run.operation, run.state, counts(run), activity)))
    return grid


def _redraw(update: object, runs: Sequence[Run], stop: threading.Event) -> None:
    if callable(update):
        while not stop.wait(_TICK):
            update(_table(runs))


def _print_lines(runs: Sequence[Run], stop: threading.Event) -> None:
    states: dict[str, str] = {}
    began = last = time.monotonic()
    while True:
        ended = stop.wait(_TICK)
        for run in runs:
            if states.get(run.stack) != run.state and run.state != "waiting":
                states[run.stack] = run.state
                console.note(f"{run.operation} {run.stack}: {run.state} {counts(run)}".rstrip())
        if time.monotonic() - last > _LINE_EVERY:
            last = time.monotonic()
            busy = ", ".join(f"{run.stack} ({run.steps.current})" for run in runs if run.state == "running")
            if busy:
                console.note(f"still running after {last - began:.0f} s: {busy}")
        if ended:
            return
