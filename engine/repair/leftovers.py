"""Whether a destroyed stack left anything at its providers: asked of their own lists, by name and tag, not of the record.

An object that an earlier run made and never recorded, or that somebody put there under the same name, is found so. Objects
of kinds that no list shows (a tunnel's ingress) go with the object they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.repair.kinds import SHAPES, Inputs, Kind, kind_of, named
from engine.repair.lookup import Lookup, find, stack_lookup
from engine.workspace import Target
from model.errors import InputError, RingwallError, Unreachable
from model.project import load
from plan.offline import plan_stack

Objects = Sequence[tuple[Kind, Inputs]]
#: Whatever depends on another goes first, as its service keeps what is in use; a name goes before all that protects it.
REMOVAL_ORDER = (
    Kind.record,
    Kind.portal,
    Kind.application,
    Kind.portal_server,
    Kind.policy,
    Kind.group,
    Kind.posture,
    Kind.authority,
    Kind.service_token,
    Kind.ingress,
    Kind.tunnel,
    Kind.ruleset,
    Kind.logpush_job,
    Kind.plugin,
    Kind.route,
    Kind.service,
    Kind.target,
    Kind.upstream,
    Kind.acl,
    Kind.key,
    Kind.consumer,
)


@dataclass(frozen=True)
class Leftover:
    """An object that is still at its provider. `removal` is the command that removes it; None in the sandbox."""

    stack: str
    kind: Kind
    name: str
    id: str
    removal: str | None

    @property
    def line(self) -> str:
        remedy = f"; remove it with `{self.removal}`" if self.removal else ""
        return f"{self.stack}: {self.name} ({self.id}) is still at {SHAPES[self.kind].service}{remedy}"

    def as_json(self) -> dict[str, Any]:
        return {
            "stack": self.stack,
            "kind": self.kind.value,
            "name": self.name,
            "id": self.id,
            "command": self.removal,
        }


def listed_objects(state: Mapping[str, Any]) -> Objects:
    """What a recorded state has at providers and their lists show: kinds and inputs, secrets encrypted."""
    return [(kind, inputs) for kind, inputs in _objects(state) if SHAPES[kind].path is not None]


def planned_objects(target: Target, stack: str) -> Objects:
    """What a stack's file makes at providers and their lists show, for one whose record is empty.

    Raises what loading and planning raise.
    """
    resources = plan_stack(target.project, load(target.project, stack)).resources
    kinds = [(kind_of(resource.type), resource.inputs) for resource in resources]
    return [(kind, inputs) for kind, inputs in kinds if kind is not None and SHAPES[kind].path is not None]


@dataclass
class Remainder:
    """What the providers' lists say about stacks that were destroyed.

    `leftovers` are what is left, `unproven` the stacks of which the providers could not be asked, with the reason.
    """

    leftovers: list[Leftover] = field(default_factory=list)
    unproven: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"leftovers": [leftover.as_json() for leftover in self.leftovers], "unproven": self.unproven}

    @property
    def exit_code(self) -> int:
        """3 where something is left, 6 where that could not be asked, 0 where nothing is left."""
        if self.leftovers:
            return 3
        return Unreachable.exit_code if self.unproven else 0


def prove(target: Target, stack: str, objects: Callable[[], Objects], proof: Remainder) -> None:
    """Ask whether anything of a destroyed stack is left, add the answer to `proof`, and note it in a line."""
    note = target.progress.note
    try:
        remainder = _leftovers(target, stack, objects())
    except RingwallError as error:
        proof.unproven[stack] = error.summary
        # Without its file nobody knows which account and gateway to ask.
        condition = "put its stack file back, then" if isinstance(error, InputError) else "when they can be,"
        note(
            f"{stack}: not known whether anything is left, as the providers were not asked: {error.summary}; {condition} "
            f"run `ringwall destroy {stack}` again, which asks"
        )
        return
    proof.leftovers += remainder
    for leftover in remainder:
        note(leftover.line)
    if not remainder:
        note(f"{stack}: nothing is left, by the providers' own lists")


def _leftovers(target: Target, stack: str, objects: Objects) -> list[Leftover]:
    """Those of the objects that are still there, after the stack was destroyed.

    Raises:
        Unreachable: a provider cannot be asked.
        InputError: the stack has no file any more, which says where its providers are.
    """
    with stack_lookup(target, stack) as lookup:
        return list(_still_there(lookup, stack, objects))


def _objects(state: Mapping[str, Any]) -> Iterator[tuple[Kind, Inputs]]:
    for resource in state.get("resources") or ():
        kind = kind_of(str(resource.get("type")))
        if kind is not None and resource.get("custom"):
            yield kind, resource.get("inputs") or {}


def _still_there(lookup: Lookup, stack: str, objects: Objects) -> Iterator[Leftover]:
    known = set()
    for kind, inputs in sorted(objects, key=lambda item: REMOVAL_ORDER.index(item[0])):
        for id in find(lookup, kind, inputs):
            if (kind, id) not in known:
                known.add((kind, id))
                yield Leftover(stack, kind, named(kind, inputs), id, lookup.removal(kind, inputs, id))
