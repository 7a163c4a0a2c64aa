"""`Run`: one run of the engine as a value (stack, operation, progress, result). `engine.runs` executes it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.api_calls import Calls, calls_of, total
from engine.events import Steps
from model.errors import EngineFailed
from plan.graph import Resource

Operation = Literal["preview", "up", "refresh", "preview_refresh", "destroy"]


@dataclass
class Run:
    """One engine run: what it does, how far it is, and its result."""

    stack: str
    operation: Operation
    steps: Steps = field(default_factory=Steps)
    state: Literal["waiting", "running", "done", "failed", "skipped"] = "waiting"
    error: str | None = None
    #: The backend knows no such stack.
    missing: bool = False
    offline: bool = False
    #: Every resource that an offline plan declares, of a server that is not deployed yet.
    planned: tuple[Resource, ...] = ()
    #: How many resources the run will come to, as its preview counted them; None where nobody knows.
    expected: int | None = None
    #: Calls of the providers' APIs that it is expected to make.
    calls: Calls = field(default_factory=Calls)
    #: When it began and ended, on the monotonic clock.
    began: float | None = None
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long it has been running, or ran."""
        if self.began is None:
            return 0.0
        return (time.monotonic() if self.ended is None else self.ended) - self.began

    #: A preview or an `up` that reads what is real first, and compares with that.
    refresh: bool = False

    @property
    def calls_to_apply(self) -> Calls:
        """The calls that make the changes of a preview; where the engine could not preview the stack, those that make it
        new."""
        calls = total("create", (resource.type for resource in self.planned)) if self.offline else Calls()
        return sum((calls_of(change.operation, change.type) for change in self.steps.changed), calls)

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


def fail_on_error(runs: Sequence[Run]) -> None:
    """Raise `EngineFailed` with one line per problem when a run failed."""
    lines = [f"{run.stack}: {text}" for run in runs if run.error for text in run.error.split("\n")]
    if lines:
        raise EngineFailed("\n".join(lines))
