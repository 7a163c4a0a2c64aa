"""Runs of the real engine over one stack, or over an environment and its servers side by side."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.events import Steps
from engine.locked import with_lock
from engine.workspace import Target, backend_problem, workspace
from model.errors import EngineFailed, EngineMissing, NoSuchStack, RingwallError
from model.project import Project

Operation = Literal["preview", "up", "refresh", "preview_refresh", "destroy"]
#: Each engine process takes about 108 MB (Pulumi, run); two cores gain nothing from more.
PARALLEL = 4
#: Where the sandbox keeps its services and its own backend, below the project.
SANDBOX_HOME = Path(".ringwall") / "sandbox"


@dataclass
class Run:
    """One engine run and what came of it."""

    stack: str
    operation: Operation
    steps: Steps = field(default_factory=Steps)
    state: Literal["waiting", "running", "done", "failed", "skipped"] = "waiting"
    error: str | None = None
    #: The backend knows no such stack.
    missing: bool = False
    offline: bool = False
    #: A preview or an `up` that reads what is real first, and compares with that.
    refresh: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "stack": self.stack,
            "operation": self.operation,
            "by": "offline plan" if self.offline else "engine",
            "state": self.state,
            "counts": dict(sorted(self.steps.counts.items())),
            "changes": [change.as_json() for change in self.steps.changed],
            "drifted": [change.as_json() for change in self.steps.drifted.values()],
            "error": self.error,
        }


@contextmanager
def target_of(project: Project, *, sandbox: bool, plugins: bool = True) -> Iterator[Target]:
    """Where runs go. With `sandbox` the stand-in providers serve until the context ends, where a run needs any, or those of
    another process do (`python -m sandbox --state .ringwall/sandbox/providers`) where PULUMI_DEBUG_PROVIDERS names these
    very ones.

    Args:
        plugins: whether the run talks to providers, so that their plugins must be there beforehand.

    Raises:
        EngineMissing: a provider plugin is not installed (real providers only); nothing is fetched in mid-run.
    """
    if not sandbox:
        if plugins:
            _require_plugins()
        yield Target(project)
        return
    from sandbox import Sandbox
    from sandbox.server import served_by

    home = project.root / SANDBOX_HOME
    home.mkdir(parents=True, exist_ok=True)
    if not plugins or served_by(home / "providers") == os.environ.get("PULUMI_DEBUG_PROVIDERS", ""):
        yield Target(project, sandbox_folder=home)
        return
    with Sandbox(home / "providers") as stand_in:
        yield Target(project, stand_in.environment(), home)


def _require_plugins() -> None:
    from engine.locate import require
    from engine.plugins import plugins_missing

    if "PULUMI_DEBUG_PROVIDERS" in os.environ:  # the user attached providers of their own
        return
    missing = plugins_missing(require())
    if missing:
        names = ", ".join(str(plugin) for plugin in missing)
        raise EngineMissing(
            f"provider plugins are missing: {names}; run `ringwall engine install --plugins`, or rehearse with --sandbox"
        )


def program_for(project: Project, stack: str) -> Callable[[], None]:
    """The program the engine runs inline: the very one `stacks/__main__.py` runs."""

    def program() -> None:
        from components.program import run_or_refuse

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

    from engine.repair.conflicts import explained

    _quiet_sdk()
    run.state = "running"
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
                with_lock(stack, run.stack, lambda: getattr(stack, run.operation)(**arguments))
            except CommandError as error:
                for text, conflict in run.steps.conflicts.items():
                    line = explained(target, run.stack, conflict)
                    run.steps.errors = [line if one == text else one for one in run.steps.errors]
                raise EngineFailed(cause(run.steps, str(error))) from None
        run.state = "done"
    except RingwallError as error:
        run.state, run.error, run.missing = "failed", str(error), isinstance(error, NoSuchStack)
    return run


def execute_all(target: Target, runs: Sequence[Run], **options: Any) -> None:
    """Independent stacks side by side."""
    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        list(pool.map(lambda run: execute(target, run, **options), runs))


#: What the engine and its SDK add to an error that has been said already.
_ECHOES = ("preview failed", "update failed", "Exception calling application: Resource monitor has terminated")


def _quiet_sdk() -> None:
    """After a failed step the SDK's servers log the traces of everything they cut off; the cause is in the events."""
    from cli import state

    if not state.debug:
        for name in ("grpc", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        sys.unraisablehook = _without_cut_off_programs


def _without_cut_off_programs(unraisable: Any) -> None:
    """A program that a failed step cut off is closed by the interpreter at its end, which says so with a trace."""
    if getattr(unraisable.object, "__name__", "") != "run_pulumi_func":
        sys.__unraisablehook__(unraisable)


def cause(steps: Steps, output: str) -> str:
    """Why an engine run failed, each error once, a line each."""
    errors = [e for e in dict.fromkeys(steps.errors) if not e.startswith(_ECHOES)]
    if errors and all("canceled" in error for error in errors):
        return "interrupted; what was finished is recorded, so the same command goes on from there"
    if errors:
        return "\n".join(errors)
    return backend_problem(output)
