"""How previews and results of engine runs are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli import console, invocation, live
from engine.events import EngineChange
from engine.run import Run
from model.resource_types import is_resource
from model.text import counted
from plan.summary import by_ring

_SIGN = {"create": "+", "update": "~", "delete": "-", "replace": "±", "create-replacement": "±", "delete-replaced": "∓"}


def show_preview(runs: Sequence[Run]) -> None:
    """Each run's changes, risky ones first, and by whom they were computed."""
    for run in runs:
        if run.state == "waiting":
            console.say(f"{run.stack}: not previewed, as {runs[0].stack} failed")
            continue
        source = "offline plan: not compared with what is deployed" if run.offline else "engine preview"
        console.say(f"{run.stack} ({source}): {_scale(run)}")
        for line in by_ring((resource.type, resource.name) for resource in run.planned):
            console.say_coloured(line)
        changed = {change.urn for change in run.steps.changed}
        for drifted in run.steps.drifted.values():
            event = "is gone" if drifted.operation == "delete" else "was changed"
            advice = "" if drifted.urn in changed else f"; this does not put it back: see `ringwall drift {run.stack}`"
            console.say_coloured(
                f"  ! {drifted.name}  {drifted.type.rsplit(':', 1)[-1]} {event} outside Ringwall{advice}"
            )
        order = {"delete": 0, "replace": 1, "create-replacement": 1, "delete-replaced": 1, "update": 2}
        for change in sorted(filter(_is_shown, run.steps.changed), key=lambda c: (order.get(c.operation, 3), c.urn)):
            console.say_coloured(
                f"  {_SIGN.get(change.operation, '?')} {change.name}  {change.type.rsplit(':', 1)[-1]}"
            )
            for detail in change.details:
                console.say(f"      {detail}")
        if run.steps.outputs_differ and not run.steps.changed:
            console.say_coloured("  ~ the stack's outputs, and no resource")


def _scale(run: Run) -> str:
    if not run.offline:
        return live.counts(run) or "nothing"
    number = counted(sum(run.steps.counts.values()), "resource")
    return f"a new server of {number}" if run.planned else f"{number} declared"


def _is_shown(change: EngineChange) -> bool:
    """What Pulumi itself is made of comes and goes with a stack; only a change of its settings tells a reader something."""
    return is_resource(change.type) or change.operation not in ("create", "delete")


def print_runs(runs: Sequence[Run], **members: Any) -> None:
    """With --json the one document of the runs. Where one failed, the error that follows prints it with its own."""
    if not invocation.current().json:
        return
    document = {"version": 1, "runs": [run.as_json() for run in runs], **members}
    if any(run.error for run in runs):
        invocation.current().beside_error = document
    else:
        console.print_json(document)


def show_results(runs: Sequence[Run]) -> None:
    """One row a run."""
    if runs:
        rows = [[run.stack, run.operation, run.state, live.counts(run)] for run in runs]
        if not invocation.current().json:
            console.table(["stack", "run", "state", "resources"], rows)


def next_steps(
    servers: Sequence[str], runs: Sequence[Run], routes: Sequence[str] = (), guardless: Sequence[str] = ()
) -> list[str]:
    """What remains to be done for the servers and model routes that an `up` changed: their guards still run what was there
    before. A route of `guardless` has none."""
    changed = [run.stack for run in runs if run.state == "done" and run.steps.differs]
    guarded = [stack for stack in changed if stack in (*servers, *routes)]
    bare = [stack for stack in changed if stack in guardless]
    lines: list[str] = []
    if guarded:
        server = guarded[0]
        lines += [
            f"Next, as the guard of {server} runs its old configuration until it has a new bundle{_further(guarded)}:",
            f"  `ringwall guard bundle {server} --key FILE`",
            f"  `ringwall outputs {server} host_bundle`   # what its host runs",
        ]
        lines += [f"  `ringwall verify {server}`   # attacks it, and says what holds"] if server in servers else []
    if bare:
        lines += [
            f"Next, as {bare[0]} has no guard{_further(bare)}:",
            f"  `ringwall outputs {bare[0]} host_bundle`   # what its host runs",
        ]
    return ["", *lines] if lines else []


def _further(stacks: Sequence[str]) -> str:
    return f" (the same for {', '.join(stacks[1:])})" if stacks[1:] else ""
