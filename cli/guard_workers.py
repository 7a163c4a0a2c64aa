"""`ringwall guard run --workers`: one server's guard in several processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from cli.guard_serving import require_free_ports, say_started, warn_of_demo
from guard.bundle.bundle import Opened, render
from guard.bundle.keys import load_public_keys
from guard.bundle.source import BundleSource
from guard.logs import to_stderr
from guard.workers.crew import Crew
from guard.workers.fitting import require_fitting
from guard.workers.hub import Hub
from guard.workers.preparation import compile_rules, make_keys
from guard.workers.supervisor import Supervisor
from guard.workers.worker import Worker

#: Runs a coroutine to its end in an event loop of its own.
UntilDone = Callable[[Coroutine[Any, Any, None]], None]


def serve_demo_by_workers(
    opened: Opened, state: Path, count: int, until_done: UntilDone, memory: int | None, *, debug: bool
) -> None:
    """Serve a configuration that verifies nobody by `count` workers, and say so; errors as `serve_signed_by_workers`."""
    _serve(opened, None, state, count, until_done, memory, source=None, keys=(), every=0.0, debug=debug)


def serve_signed_by_workers(
    source: BundleSource,
    keys: list[Path],
    state: Path,
    every: float,
    count: int,
    until_done: UntilDone,
    memory: int | None,
    *,
    debug: bool,
) -> None:
    """Serve the bundles of one source by `count` workers until SIGTERM; SIGHUP has the source looked at at once. `memory` is
    the MiB that the messages of all of them may take.

    Raises:
        RingwallError: the configuration does not fit, or the guard's processes ended.
    """
    # Not uvloop: the first fork comes after it, and what this loop did in threads is over with it.
    loaded = asyncio.run(source.load_first())
    _serve(
        loaded.opened,
        render(loaded.bundle),
        state,
        count,
        until_done,
        memory,
        source=source,
        keys=keys,
        every=every,
        debug=debug,
    )


def _serve(
    opened: Opened,
    text: str | None,
    state: Path,
    count: int,
    until_done: UntilDone,
    memory: int | None,
    *,
    source: BundleSource | None,
    keys: list[Path] | tuple[()],
    every: float,
    debug: bool,
) -> None:
    require_fitting(opened.config)
    require_free_ports(opened)
    if source is None:
        warn_of_demo(opened)
    config = opened.for_server
    make_keys(config, state)
    compile_rules(config)
    crew = Crew.gather(count, opened, state, load_public_keys(keys) if keys else {}, source, every)
    try:
        Supervisor(
            crew,
            hub=lambda started: until_done(_run_hub(Hub(crew, opened, text), started)),
            worker=lambda number: lambda started: _run_worker(crew, number, until_done, memory, started, debug=debug),
            started=lambda: say_started(opened.config, count),
        ).run()
    finally:
        crew.close()


async def _run_hub(hub: Hub, started: Callable[[], None]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hub.nudge.set)
    loop.add_reader(hub.crew.lifeline, stop.set)
    await hub.run(stop, started)


def _run_worker(
    crew: Crew, number: int, until_done: UntilDone, memory: int | None, started: Callable[[], None], *, debug: bool
) -> None:
    to_stderr(debug=debug, worker=number)
    until_done(Worker(crew, number, memory).run(started))
