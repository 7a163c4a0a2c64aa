"""Judges the steps of the engine's preview: no update, replacement or import may leave a public name unprotected.

`plan.exposure` proves creates and destroys on the plan. The steps of a preview say in which order a running
server is changed: they are played through, one after the other, on what the engine has recorded, and after each the model
of `plan.live_exposure` says what would be exposed if the engine stopped there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from model.sentinels import WIRE_SIGNATURE, WIRE_UNKNOWN
from plan.findings import Finding, Severity
from plan.graph import Resource, urn_name
from plan.live_exposure import HeldResource, exposures, resolving
from plan.protectors import DNS_RECORD, PROTECTORS, TUNNEL
from plan.values import Json, secret, unknown

_ADDS: Final = frozenset({"create", "create-replacement", "import", "import-replacement"})
_REMOVES: Final = frozenset({"delete", "delete-replaced"})
_DESTROY_FIRST: Final = "destroy the server first (`ringwall destroy`), then bring it up as it is now"


@dataclass(frozen=True)
class EngineStep:
    """One step in the engine's order: operation (``create``, ``update``, ``delete``, ``create-replacement``,
    ``delete-replaced``, ``same``), URN and type token.

    `old` and `new` are the resource's inputs before and after, as the engine reports them; None where there is no such
    side. `id` and `outputs` are the old one's.
    """

    operation: str
    urn: str
    type: str
    old: Mapping[str, Json] | None = None
    new: Mapping[str, Json] | None = None
    id: str | None = None
    outputs: Mapping[str, Json] = field(default_factory=dict)


def judge_steps(steps: Sequence[EngineStep]) -> tuple[Finding, ...]:
    """Findings for a step after which a public name would stand without its protection, for a step that the provider refuses
    halfway through the run, and for an import that would also change the imported object."""
    return (*_imports(steps), *_gaps(steps))


def _imports(steps: Sequence[EngineStep]) -> Iterator[Finding]:
    imported: set[str] = set()
    for step in steps:
        if step.operation == "import":
            imported.add(step.urn)
        elif step.urn in imported and step.operation != "same":
            # The engine (3.256, run) imports and then changes what differs, in one go.
            yield Finding(
                "import-changes",
                Severity.ERROR,
                step.urn,
                f"{urn_name(step.urn)} as it runs differs from the stack file, and the import would change it",
                "make the file say what is running (the preview shows what differs), import, then change the file",
            )


def _gaps(steps: Sequence[EngineStep]) -> Iterator[Finding]:
    state = {_key(step): _held(step, step.id, step.old) for step in steps if step.old is not None}
    # What is open before the first step was not opened by any step: `drift` and `verify` find it.
    known = set(exposures(state.values(), complete=False))
    for step in steps:
        yield from _refused_halfway(step, state)
        yield from _unclassified(step, state)
        if step.operation in _REMOVES:
            state.pop(_key(step), None)
        elif step.operation in _ADDS:
            state[(step.urn, None)] = _held(step, None, step.new)
        elif step.operation == "update":
            state[_key(step)] = _held(step, step.id, step.new)
        for line in exposures(state.values(), complete=False):
            if line not in known:
                known.add(line)
                verb = {"update": "changed"}.get(step.operation, "deleted" if step.operation in _REMOVES else "created")
                yield _finding(step, f"{urn_name(step.urn)} is {verb} too early: {line}", _DESTROY_FIRST)


def _refused_halfway(step: EngineStep, state: Mapping[tuple[str, str | None], HeldResource]) -> Iterator[Finding]:
    """Findings for a step that Cloudflare refuses, which would stop the run halfway."""
    name = (step.new or {}).get("name")
    same_name = [
        held.resource
        for key, held in state.items()
        if held.resource.type == step.type and held.resource.inputs.get("name") == name and key != _key(step)
    ]
    if step.type == TUNNEL and step.operation == "create-replacement" and (step.old or {}).get("name") == name:
        if (step.old or {}).get("accountId") == (step.new or {}).get("accountId"):
            yield _finding(
                step,
                f"{urn_name(step.urn)} is made anew beside the old one of the same name, which Cloudflare refuses (1013)",
                _DESTROY_FIRST,
            )
    elif step.type == DNS_RECORD and step.operation in {"update", *_ADDS} and same_name:
        yield _finding(
            step,
            f"{urn_name(step.urn)} takes {name} while {same_name[0].name} still has it, which Cloudflare refuses (81053)",
            "give one of the two a third name, bring that up, then swap",
        )


def _unclassified(step: EngineStep, state: Mapping[tuple[str, str | None], HeldResource]) -> Iterator[Finding]:
    """Findings for an update that, while a name resolves, changes a property missing from the table of `plan.protectors`."""
    properties = PROTECTORS.get(step.type)
    if step.operation != "update" or properties is None or step.old is None or step.new is None:
        return
    if not any(held.resource.type == DNS_RECORD and resolving(held.resource) for held in state.values()):
        return
    for key in sorted({*step.old, *step.new} - properties.keys()):
        if not key.startswith("__") and step.old.get(key) != step.new.get(key):
            yield _finding(
                step,
                f"{urn_name(step.urn)} changes {key}, and nothing says whether that protects the name",
                "leave the property as it was, or classify it in plan/protectors.py",
            )


def _key(step: EngineStep) -> tuple[str, str | None]:
    return step.urn, step.id


def _held(step: EngineStep, id_: str | None, properties: Mapping[str, Json] | None) -> HeldResource:
    """The resource before or after a step. Outputs such as an audience are those of the old one, as an update keeps them."""
    computed = {key: value for key, value in step.outputs.items() if key not in (step.old or {})} if id_ else {}
    inputs = {key: _plain(value) for key, value in {**computed, **(properties or {})}.items()}
    return HeldResource(id_, Resource(step.urn, step.type, urn_name(step.urn), custom=True, inputs=inputs))


def _plain(value: Json) -> Json:
    """A value of the engine's events as plan JSON."""
    if value == WIRE_UNKNOWN:
        return unknown()
    if isinstance(value, Mapping):
        return secret() if WIRE_SIGNATURE in value else {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _finding(step: EngineStep, message: str, remedy: str) -> Finding:
    return Finding("step-order", Severity.ERROR, step.urn, message, remedy)
