"""Executing runs of the real engine: one stack, or several side by side.

The order of an environment and its servers is in `engine.deploy`.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from engine.causes import cause
from engine.locked import with_lock
from engine.repair.conflicts import explained
from engine.run import Run
from engine.workspace import Target, workspace
from model.errors import EngineFailed, NoSuchStack, RingwallError
from model.project import Project

#: Each engine process takes about 108 MB (Pulumi, run); two cores gain nothing from more.
PARALLEL = 4


def program_for(project: Project, stack: str) -> Callable[[], None]:
    """The program the engine runs inline: the very one `stacks/__main__.py` runs."""

    def program() -> None:
        from plan.program import run_or_refuse

        run_or_refuse(project, stack)

    return program


def execute(
    target: Target,
    run: Run,
    *,
    exclude: Sequence[str] = (),
    only: Sequence[str] = (),
    program: Callable[[], None] | None = None,
    **options: Any,
) -> Run:
    """Run one operation on one stack and record what the engine reports; a failure is in `run.error`, never raised."""
    from pulumi.automation.errors import CommandError

    if not target.debug:
        _quiet_sdk()
    run.state, run.began = "running", time.monotonic()
    create = run.operation in ("preview", "up")
    run.steps.refreshes_first = run.refresh
    try:
        with workspace(target, run.stack, program or program_for(target.project, run.stack), create=create) as stack:
            arguments: dict[str, Any] = {"on_event": run.steps.on_event, "color": "never", **options}
            if run.refresh:
                arguments["refresh"] = True
            if only:
                arguments["target"] = list(only)
            if exclude:
                arguments["exclude"] = list(exclude)
            if run.operation in ("up", "destroy", "refresh"):
                arguments["show_secrets"] = False
            try:
                with_lock(stack, run.stack, lambda: getattr(stack, run.operation)(**arguments), target.progress.note)
            except CommandError as error:
                for text, conflict in run.steps.conflicts.items():
                    line = explained(target, run.stack, conflict)
                    run.steps.errors = [line if message == text else message for message in run.steps.errors]
                raise EngineFailed(cause(run.steps, str(error))) from None
        run.ended, run.state = time.monotonic(), "done"
    except RingwallError as error:
        run.ended = time.monotonic()
        run.state, run.error, run.missing = "failed", str(error), isinstance(error, NoSuchStack)
    return run


def execute_all(target: Target, runs: Sequence[Run], **options: Any) -> None:
    """Independent stacks side by side."""
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        list(pool.map(lambda run: execute(target, run, **options), runs))


def _quiet_sdk() -> None:
    """Silence the traces that the SDK's servers log after a failed step; the cause is in the engine's events."""
    for name in ("grpc", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    sys.unraisablehook = _without_cut_off_programs


def _without_cut_off_programs(unraisable: Any) -> None:
    """Drop the interpreter's trace about a program that a failed step cut off; report any other as usual."""
    if getattr(unraisable.object, "__name__", "") != "run_pulumi_func":
        sys.__unraisablehook__(unraisable)
