"""Resolving the operations that an interrupted run began and did not finish.

Each is looked up at its provider and then recorded, removed or cleared, so that the next run neither makes a second object
nor leaves one behind. How the recorded state is edited for that is in `engine.repair.pending_state`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from engine.causes import cause
from engine.checkpoint import mend_attributes, recorded
from engine.events import Steps
from engine.locked import refuse_running, with_lock
from engine.progress import Note
from engine.repair.kinds import SHAPES, Kind, named, own_id
from engine.repair.lookup import Lookup, find, opened_lookup
from engine.repair.pending_state import Pending, adopted, import_id, pending, provider_of, recorded_ids, with_strays
from engine.workspace import Target, backend_problem, workspace
from model import effects
from model.errors import EngineFailed, RingwallError, SecretsLocked, StateMissing

if TYPE_CHECKING:
    from pulumi.automation import Deployment, Stack

#: Seconds after the last write of the interrupted run during which a provider may still carry out what it was asked: until
#: then an object that does not exist may yet appear.
SETTLE = 10.0
_LOOK_EVERY = 0.5
Outcome = Literal["adopt", "remove", "clear", "refresh"]


@dataclass(frozen=True)
class Resolution:
    """A pending operation and what is done about it."""

    stack: str
    operation: Pending
    outcome: Outcome
    text: str
    id: str | None = None
    #: As it was recorded; a run that follows may take it down.
    provider: Mapping[str, Any] | None = None

    @property
    def line(self) -> str:
        return f"{self.stack}: {self.text}"

    def as_json(self) -> dict[str, Any]:
        return {
            "stack": self.stack,
            "operation": self.operation.operation,
            "urn": self.operation.urn,
            "kind": self.operation.kind.value if self.operation.kind else None,
            "outcome": self.outcome,
            "id": self.id,
            "text": self.text,
        }


def recorded_states(target: Target, stacks: Sequence[str]) -> dict[str, dict[str, Any] | EngineFailed]:
    """What the backend records of each stack, or why that cannot be read.

    Half-written attribute files of a killed engine are removed first, as the engine reads no state next to one.

    Raises:
        SecretsLocked, StateMissing: no stack can be read.
    """

    def read(stack: str) -> dict[str, Any] | EngineFailed:
        try:
            return recorded(target, stack)
        except (SecretsLocked, StateMissing):
            raise
        except EngineFailed as error:
            return error

    for stack in stacks:
        mend_attributes(target, stack)
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(stacks, pool.map(read, stacks), strict=True))


def interrupted(target: Target, stacks: Sequence[str]) -> dict[str, list[Pending]]:
    """The pending operations of each stack that has any; asks the backend alone."""
    operations_by_stack: dict[str, list[Pending]] = {}
    for stack, state in recorded_states(target, stacks).items():
        if isinstance(state, EngineFailed):
            raise state
        if operations := pending(state):
            operations_by_stack[stack] = operations
    return operations_by_stack


def pending_summary(stack: str, operations: Sequence[Pending]) -> str:
    """The pending operations in one line, with the command that resolves them."""
    subjects = ", ".join(f"{operation.operation} of {_object(operation)}" for operation in operations)
    return (
        f"{subjects} was begun and its end is not recorded: a run is still going on, or one was interrupted; if none is "
        f"going on, run `ringwall repair {stack}`"
    )


def tell(target: Target, stacks: Sequence[str]) -> None:
    """Note a line for each stack with pending operations, for commands that change nothing."""
    for stack, operations in interrupted(target, stacks).items():
        target.progress.note(f"{stack}: {pending_summary(stack, operations)}")


def resolve(target: Target, stack: str, *, dry_run: bool = False, settle: float = SETTLE) -> list[Resolution]:
    """Look up every pending operation of a stack and, unless `dry_run`, mend the recorded state.

    Raises:
        EngineFailed: another update runs, or the engine refuses.
        Unreachable: a provider cannot be asked; nothing was changed.
        RingwallError: several objects may be the one in flight.
    """
    mend_attributes(target, stack)
    with workspace(target, stack) as selected:
        state = dict(selected.export_stack().deployment or {})
        operations = pending(state)
        if not operations:
            return []
        with opened_lookup(target, stack, selected) as lookup:
            findings = _judged(stack, operations, state, lookup, 0.0 if dry_run else _still_to_wait(state, settle))
        if not dry_run:
            _mend(selected, stack, findings, state, target.progress.note)
    return findings


def settled(target: Target, stack: str, operations: Sequence[Pending], *, settle: float = SETTLE) -> list[Resolution]:
    """Look up operations whose answers were lost, which the recorded state does not list, and mend it.

    Nothing is waited for but an object that is not there yet: the run that began them has ended.

    Raises what `resolve` raises.
    """
    creates = [operation for operation in operations if operation.operation == "create"]
    changes = [operation for operation in operations if operation.operation != "create"]
    with workspace(target, stack, file_needed=bool(creates)) as selected:
        state = dict(selected.export_stack().deployment or {})
        with opened_lookup(target, stack, selected) as lookup:
            findings = [*_judged(stack, creates, state, lookup, settle), *_judged(stack, changes, state, lookup, 0.0)]
        _mend(selected, stack, findings, state, target.progress.note)
    return findings


def resolve_before(target: Target, stacks: Sequence[str], *, yes: bool, settle: float = SETTLE) -> list[Resolution]:
    """Resolve the pending operations before `up` and `destroy`, with consent, and note a line for each.

    Raises what `resolve` raises, and what ends the command when consent is refused.
    """
    note = target.progress.note
    refuse_running(target, stacks)
    for stack in stacks:
        for file in mend_attributes(target, stack):
            note(f"{stack}: removed {file.name}, which a killed run left half written; the recorded state is whole")
    interrupted_stacks = interrupted(target, stacks)
    if not interrupted_stacks:
        return []
    for stack, operations in interrupted_stacks.items():
        note(f"{stack}: {pending_summary(stack, operations)}")
    question = f"Look these up at their providers and correct the recorded state of {', '.join(interrupted_stacks)}?"
    target.progress.consent(question, yes=yes)
    findings = []
    for stack in interrupted_stacks:
        for finding in resolve(target, stack, settle=settle):
            note(finding.line)
            findings.append(finding)
    return findings


def delete_late_objects(target: Target, findings: Sequence[Resolution]) -> list[str]:
    """Delete objects that an interrupted create made after it had been cleared; called after the run that followed.

    Returns a line for each object.
    """
    lines: list[str] = []
    cleared = [
        finding for finding in findings if finding.outcome == "clear" and finding.operation.operation == "create"
    ]
    for stack in dict.fromkeys(finding.stack for finding in cleared):
        with workspace(target, stack) as selected:
            exported = selected.export_stack()
            state = dict(exported.deployment or {})
            with opened_lookup(target, stack, selected) as lookup:
                late = [
                    (finding.operation, import_id(finding.operation, id))
                    for finding in cleared
                    if finding.stack == stack and finding.operation.kind is not None
                    for id in _unrecorded(lookup, finding.operation, finding.operation.kind, state)
                ]
            if late:
                providers = [finding.provider for finding in cleared if finding.provider is not None]
                _remove(selected, stack, exported, late, providers, target.progress.note)
                lines += [
                    f"{stack}: {_object(operation)} ({own_id(id)}) appeared late: deleted" for operation, id in late
                ]
    return lines


def _still_to_wait(state: Mapping[str, Any], settle: float) -> float:
    written = str((state.get("manifest") or {}).get("time", ""))
    try:
        began = datetime.fromisoformat(written[:19]).replace(tzinfo=UTC)
    except ValueError:
        return settle
    if written.endswith("Z"):
        return min(settle, max(0.0, settle - (datetime.now(UTC) - began).total_seconds()))
    return settle


def _judged(
    stack: str, operations: Sequence[Pending], state: Mapping[str, Any], lookup: Lookup, wait: float
) -> list[Resolution]:
    until = time.monotonic() + wait
    ids: dict[str, list[str]] = {}
    while True:
        for operation in operations:
            if operation.operation == "create" and operation.kind is not None and not ids.get(operation.urn):
                ids[operation.urn] = _unrecorded(lookup, operation, operation.kind, state)
        # Nothing shows that an update or delete has ended, so it is given the whole time.
        open_still = any(
            operation.kind is not None and (operation.operation in ("update", "delete") or ids.get(operation.urn) == [])
            for operation in operations
        )
        if not open_still or time.monotonic() >= until:
            break
        time.sleep(_LOOK_EVERY)
    return [_finding(stack, operation, ids.get(operation.urn, []), state) for operation in operations]


def _unrecorded(lookup: Lookup, operation: Pending, kind: Kind, state: Mapping[str, Any]) -> list[str]:
    known = recorded_ids(state, operation.type)
    return [id for id in find(lookup, kind, operation.inputs) if id not in known]


def _finding(stack: str, operation: Pending, ids: list[str], state: Mapping[str, Any]) -> Resolution:
    subject = _object(operation)
    if operation.operation == "adopt":
        return Resolution(
            stack,
            operation,
            "refresh",
            f"{subject}: was being recorded; read again",
            own_id(str(operation.resource["id"])),
        )
    if operation.kind is None or operation.operation in ("read", "import"):
        return Resolution(
            stack,
            operation,
            "clear",
            f"{subject}: its {operation.operation} was interrupted; the next run repeats it where it is needed",
        )
    if operation.operation in ("update", "delete"):
        hint = _lost_secret(operation, state) if operation.operation == "update" else ""
        return Resolution(
            stack,
            operation,
            "refresh",
            f"{subject}: its {operation.operation} was interrupted; read back as it is now{hint}",
        )
    if SHAPES[operation.kind].path is None:
        return Resolution(
            stack,
            operation,
            "clear",
            f"{subject}: its create was interrupted; it is a PUT, so the next run repeats it without harm",
        )
    service = SHAPES[operation.kind].service
    if len(ids) > 1:
        raise RingwallError(
            f"{stack}: {service} has {len(ids)} objects that may be {subject} ({', '.join(ids)}) and none is recorded",
            remedy=f"delete all but one there, then run `ringwall repair {stack}`",
        )
    if not ids:
        text = f"{subject}: its create was interrupted; {service} does not have it"
        return Resolution(stack, operation, "clear", text, provider=provider_of(state, operation))
    if SHAPES[operation.kind].answered_once:
        return Resolution(
            stack,
            operation,
            "remove",
            f"{subject}: {service} has made it ({ids[0]}), but its secret was in the lost answer; deleted, "
            "`up` makes another",
            ids[0],
        )
    return Resolution(stack, operation, "adopt", f"{subject}: {service} has made it ({ids[0]}); recorded", ids[0])


def _lost_secret(operation: Pending, state: Mapping[str, Any]) -> str:
    if operation.kind is not Kind.service_token:
        return ""
    before = next((r.get("inputs") or {} for r in state.get("resources") or () if r["urn"] == operation.urn), {})
    if before.get("clientSecretVersion") == operation.inputs.get("clientSecretVersion"):
        return ""
    return "; a new secret, if it was made, was in the lost answer: raise this agent's secret_version once more"


def _object(operation: Pending) -> str:
    return operation.name if operation.kind is None else named(operation.kind, operation.inputs)


def _mend(selected: Stack, stack: str, findings: Sequence[Resolution], before: Mapping[str, Any], note: Note) -> None:
    """Mend the recorded state. `before` is the state that was judged; what is replaced is read again, as somebody may have
    deployed since."""
    changed = [f.operation.urn for f in findings if f.outcome == "refresh" and not f.operation.recorded]
    known = {resource["urn"] for resource in before.get("resources") or ()}
    recorded_changes = [urn for urn in changed if urn in known]
    _refresh(selected, stack, recorded_changes, note)
    adopt = [(f.operation, import_id(f.operation, f.id or "")) for f in findings if f.outcome == "adopt"]
    remove = [(f.operation, import_id(f.operation, f.id or "")) for f in findings if f.outcome == "remove"]
    if not (recorded_changes or adopt or remove or pending(before)):
        return
    exported = selected.export_stack()
    state = dict(exported.deployment or {})
    if not (adopt or remove or pending(state)):
        return
    edited = with_strays(adopted(state, adopt), remove)
    edited.state.pop("pending_operations", None)
    _record(selected, stack, exported.version, edited.state, note)
    half = [f.operation.urn for f in findings if f.operation.recorded]
    _refresh(selected, stack, [*(operation.urn for operation, _ in adopt), *half, *edited.urns], note)
    _destroy(selected, stack, edited.urns, note)


def _remove(
    selected: Stack,
    stack: str,
    exported: Deployment,
    late: Sequence[tuple[Pending, str]],
    providers: Sequence[Mapping[str, Any]],
    note: Note,
) -> None:
    edited = with_strays(exported.deployment or {}, late, providers)
    _record(selected, stack, exported.version, edited.state, note)
    _refresh(selected, stack, edited.urns, note)
    _destroy(selected, stack, [*edited.urns, *edited.providers], note)


def _record(selected: Stack, stack: str, version: int | None, state: Mapping[str, Any], note: Note) -> None:
    from pulumi.automation import Deployment
    from pulumi.automation.errors import CommandError

    effects.record(lambda: f"the recorded state of {stack} was corrected")
    try:
        with_lock(selected, stack, lambda: selected.import_stack(Deployment(version, dict(state))), note)
    except CommandError as error:
        raise EngineFailed(f"{stack}: the repaired state was not taken: {backend_problem(str(error))}") from None


def _refresh(selected: Stack, stack: str, urns: Sequence[str], note: Note) -> None:
    if urns:
        _engine(selected, stack, "refresh", note, target=list(urns))


def _destroy(selected: Stack, stack: str, urns: Sequence[str], note: Note) -> None:
    if urns:
        _engine(selected, stack, "destroy", note, target=list(urns))


def _engine(selected: Stack, stack: str, operation: str, note: Note, **options: Any) -> None:
    from pulumi.automation.errors import CommandError

    steps = Steps()
    call = getattr(selected, operation)
    try:
        with_lock(
            selected, stack, lambda: call(on_event=steps.on_event, color="never", show_secrets=False, **options), note
        )
    except CommandError as error:
        raise EngineFailed(f"{stack}: {cause(steps, str(error), stack)}") from None
