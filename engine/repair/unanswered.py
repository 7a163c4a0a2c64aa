"""Operations that failed without a refusal: the answer was a fault or was lost, and the provider may have done its work.

The engine takes such an operation for one that was not carried out: it records nothing of a create and keeps the record of
what it deleted. The next run would make a second object where the provider allows one, and stop at it where not. So the
provider is asked right after the run, and the recorded state is corrected as after a run that was killed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.events import FailedOperation
from engine.repair.kinds import SHAPES, kind_of, named
from engine.repair.pending import SETTLE, settled
from engine.repair.pending_state import Pending
from engine.run import Run
from engine.workspace import Target
from model.errors import RingwallError, Unreachable
from model.project import load
from model.sentinels import WIRE_SIGNATURE
from plan.graph import Graph
from plan.offline import plan_stack

#: A status by which a service says that it did not do it. 408 and 5xx leave that open.
_REFUSED = re.compile(r"\b4(?:0[0-79]|[1-9]\d)\b")
_WORDS = {
    "create": "create",
    "create-replacement": "create",
    "update": "update",
    "delete": "delete",
    "delete-replaced": "delete",
}


def reconcile(target: Target, runs: Sequence[Run], *, settle: float = SETTLE) -> None:
    """Ask the providers about every operation of failed runs that may have been carried out, correct the recorded state, and
    note a line for each. One that does not answer is not asked again for each of many runs.

    Args:
        settle: seconds after the end of a run for which an object that is not there yet may still appear.
    """
    note = target.progress.note
    silence: Unreachable | None = None
    for run in runs:
        failures = [failure for failure in run.steps.failures.values() if _is_open(failure)]
        if not failures:
            continue
        subjects = ", ".join(
            dict.fromkeys(f"{_WORDS[failure.operation]} of {_subject(failure)}" for failure in failures)
        )
        note(f"{run.stack}: {subjects} failed, and the service may have done it all the same: it is asked")
        try:
            if silence is not None:
                raise silence
            operations = list(_operations(failures, _graph(target, run)))
            waiting = max(0.0, settle - (time.monotonic() - (run.ended or 0.0)))
            for resolution in settled(target, run.stack, operations, settle=waiting):
                note(resolution.line)
        except RingwallError as error:
            silence = error if isinstance(error, Unreachable) else None
            outlook = "the same command asks before it makes anything"
            if silence is None:
                outlook = "the next `up` names what is there and not recorded"
            note(f"{run.stack}: it cannot be asked ({error.summary}); {outlook}")


def _is_open(failure: FailedOperation) -> bool:
    """Whether the provider may have carried out what it did not confirm."""
    kind = kind_of(failure.type)
    if kind is None or failure.operation not in _WORDS or failure.is_conflict or _REFUSED.search(failure.text):
        return False
    # A create that is a PUT is repeated without harm.
    return SHAPES[kind].path is not None or not failure.operation.startswith("create")


def _subject(failure: FailedOperation) -> str:
    kind = kind_of(failure.type)
    return failure.name if kind is None else named(kind, failure.inputs)


def _graph(target: Target, run: Run) -> Graph | None:
    """The plan of the run, which says what each object depends on; the engine's events do not."""
    return None if run.operation == "destroy" else plan_stack(target.project, load(target.project, run.stack))


def _operations(failures: list[FailedOperation], graph: Graph | None) -> Iterator[Pending]:
    for failure in {failure.urn: failure for failure in failures}.values():
        resource: dict[str, Any] = {
            "urn": failure.urn,
            "custom": True,
            "type": failure.type,
            "inputs": _without_secrets(failure.inputs),
        }
        resource |= {key: value for key in ("parent", "provider") if (value := getattr(failure, key))}
        yield Pending(_WORDS[failure.operation], failure.urn, failure.type, resource | _relations(graph, failure.urn))


def _without_secrets(value: Any) -> Any:
    """Inputs without what an event hides, which the state takes for a secret in its own form."""
    if isinstance(value, Mapping):
        return {key: _without_secrets(inner) for key, inner in value.items() if not _is_secret(inner)}
    return [_without_secrets(inner) for inner in value if not _is_secret(inner)] if isinstance(value, list) else value


def _is_secret(value: Any) -> bool:
    return isinstance(value, Mapping) and WIRE_SIGNATURE in value


def _relations(graph: Graph | None, urn: str) -> dict[str, Any]:
    """What the plan says about a resource in the keys of the recorded state, the order of deletion above all."""
    planned = next((resource for resource in graph.resources if resource.urn == urn), None) if graph else None
    if planned is None:
        return {}
    relations: dict[str, Any] = {
        "dependencies": list(planned.dependencies),
        "propertyDependencies": {key: list(urns) for key, urns in planned.property_dependencies.items()},
        "protect": planned.protect,
        "additionalSecretOutputs": planned.options.get("additional_secret_outputs"),
    }
    return {key: value for key, value in relations.items() if value}
