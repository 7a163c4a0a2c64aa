"""Progress of several engine runs: a live table on a terminal, a line per start and end elsewhere.

What has ended stays on the screen, as a line of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli import colours, console

if TYPE_CHECKING:
    from rich.text import Text

    from engine.run import Run

_TICK = 0.2
_LINE_EVERY = 5.0
_COUNTS = (("create", "+"), ("update", "~"), ("replace", "±"), ("delete", "-"), ("same", "="))
_COLUMNS = ("stack", "run", "state", "resources", "time", "at work on")


@contextmanager
def progress(runs: Sequence[Run], note: Callable[[str], None]) -> Iterator[None]:
    """Show `runs` until the context ends: on a terminal as a table, elsewhere by `note`, from a thread of its own."""
    screen = console.stderr()
    stop = threading.Event()
    if screen.is_terminal and not screen.is_dumb_terminal:
        from rich.live import Live  # noqa: PLC0415 - 0.02 s of the 0.07 that --help takes

        with Live(table(runs), console=screen, refresh_per_second=5, transient=True) as live:
            watcher = threading.Thread(target=_redraw, args=(live.update, runs, stop), daemon=True)
            watcher.start()
            try:
                yield
            finally:
                stop.set()
                watcher.join()
        for run in runs:
            if run.state != "waiting":
                note(line(run))
        return
    watcher = threading.Thread(target=_print_lines, args=(runs, stop, note), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def counts(run: Run) -> str:
    """``+12 ~1 =30`` of one run; before its end, how many of its resources are done."""
    parts = [f"{sign}{run.steps.counts[word]}" for word, sign in _COUNTS if run.steps.counts.get(word)]
    if parts or run.state not in ("waiting", "running"):
        return " ".join(parts)
    return _of([run])


def _of(runs: Sequence[Run]) -> str:
    """How many resources of `runs` are done; of how many, where that is known of each."""
    finished = [run.steps.resources_done for run in runs]
    if any(run.expected is None for run in runs):
        return str(sum(finished) or "")
    return (
        f"{sum(finished)} of {sum(max(number, run.expected or 0) for number, run in zip(finished, runs, strict=True))}"
    )


def line(run: Run) -> str:
    """One run on a line: what, how far, and how long it took."""
    ending = f" in {run.seconds:.0f} s" if run.ended is not None else ""
    return f"{run.operation} {run.stack}: {run.state} {counts(run)}".rstrip() + ending


def table(runs: Sequence[Run]) -> Text:
    """A row for each run, and one for all where they are several."""
    from rich.text import Text  # noqa: PLC0415 - 0.02 s of the 0.07 that --help takes

    from cli.tables import laid_out  # noqa: PLC0415 - as above

    rows: list[tuple[str, ...]] = [
        (run.stack, run.operation, run.state, counts(run), f"{run.seconds:.0f} s", _activity(run)) for run in runs
    ]
    if len(runs) > 1:
        rows.append(("together", "", "", _of(runs), f"{max(run.seconds for run in runs):.0f} s", ""))
    # A column less than the terminal has: a line that fills it wraps on some.
    return Text.from_ansi("\n".join(laid_out(_COLUMNS, rows, console.width() - 1, colours.word, colours.heading)))


def _activity(run: Run) -> str:
    if run.state == "running":
        return run.steps.current or "starting the engine"
    return (run.error or "").split("\n")[0]


def _redraw(update: Callable[[Text], None], runs: Sequence[Run], stop: threading.Event) -> None:
    while not stop.wait(_TICK):
        update(table(runs))


def _print_lines(runs: Sequence[Run], stop: threading.Event, note: Callable[[str], None]) -> None:
    states: dict[str, str] = {}
    last = time.monotonic()
    while True:
        ended = stop.wait(_TICK)
        for run in runs:
            if states.get(run.stack) != run.state and run.state != "waiting":
                states[run.stack], last = run.state, time.monotonic()
                note(line(run))
        if time.monotonic() - last > _LINE_EVERY:
            last = time.monotonic()
            busy = (
                f"{run.stack} {counts(run)} after {run.seconds:.0f} s ({_activity(run)})"
                for run in runs
                if run.state == "running"
            )
            if text := ", ".join(busy):
                note(f"still running: {text}")
        if ended:
            return
