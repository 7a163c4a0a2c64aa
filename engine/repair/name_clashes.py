"""Names that a run would take and that a provider has already: asked of the providers' own lists before anything is made.

A provider refuses a second object of most kinds, in the middle of the run. Of the others (applications, policies, groups,
service tokens, posture rules) it takes a second one, and then two objects of one name guard one server. Either way there is
one that no record knows: made by a run whose answer was lost, by another project, or by hand.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from engine.checkpoint import recorded
from engine.repair.kinds import SHAPES, Inputs, Item, Kind, kind_of, named, own_id
from engine.repair.lookup import Lookup, stack_lookup
from engine.repair.pending_state import recorded_ids
from engine.run import Run
from engine.workspace import Target
from model.errors import InputError, InputErrors, Unreachable
from model.sentinels import WIRE_UNKNOWN

#: Kind, the resource's name in the plan, and its inputs.
NewObject = tuple[Kind, str, Inputs]


def refuse_clashes(target: Target, previews: Sequence[Run]) -> None:
    """Refuse a run that would make what is there already and not recorded.

    A provider that cannot be asked is noted and refuses nothing: the run itself will meet it.

    Raises:
        InputErrors: one for each object, with the commands that help.
    """
    objects_by_stack = {run.stack: list(_new_objects(run)) for run in previews}
    if not any(objects_by_stack.values()):
        return
    problems: list[InputError] = []
    try:
        # A stack's servers share its account and gateway, so its tokens do for all of them.
        with stack_lookup(target, previews[0].stack) as lookup:
            lists = ListCache(lookup)
            for stack, objects in objects_by_stack.items():
                problems += _problems(target, stack, objects, lists) if objects else []
    except Unreachable as error:
        target.progress.note(f"not asked which names are taken already: {error.summary}")
    if problems:
        raise InputErrors(problems)


class ListCache:
    """Each list of a provider, fetched once: hundreds of servers share an account and a gateway."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._lists: dict[tuple[Kind, str], list[Item]] = {}

    def items(self, kind: Kind, inputs: Inputs) -> list[Item]:
        """All objects in the place of the one that `inputs` make; none where that place is not known yet."""
        place = SHAPES[kind].place(inputs)
        if not place or WIRE_UNKNOWN in place or "%24" in place:  # an id that only the engine will know
            return []
        key = kind, place
        if key not in self._lists:
            self._lists[key] = list(self._lookup.items(kind, inputs, full_list=True))
        return self._lists[key]


def _new_objects(run: Run) -> Iterator[NewObject]:
    """What a run would make: by the engine's preview, or by the offline plan of a stack that is not deployed yet."""
    if run.offline:
        new: Iterable[tuple[str, str, Inputs]] = (
            (planned.type, planned.name, planned.inputs) for planned in run.planned
        )
    else:
        new = (
            (change.type, change.name, change.step.new or {})
            for change in run.steps.changed
            if change.operation == "create" and change.step is not None
        )
    for token, name, inputs in new:
        kind = kind_of(token)
        if kind is not None:
            yield kind, name, inputs


def _problems(target: Target, stack: str, objects: Sequence[NewObject], lists: ListCache) -> Iterator[InputError]:
    state = recorded(target, stack)
    for kind, name, inputs in objects:
        known = recorded_ids(state, SHAPES[kind].token)
        ids = [str(item["id"]) for item in lists.items(kind, inputs) if SHAPES[kind].clashes(inputs, item)]
        for id in sorted(id for id in ids if own_id(id) not in known):
            # Kong's targets and credentials are imported with the id of what they belong to.
            import_id = SHAPES[kind].imported(inputs, id) if SHAPES[kind].provider == "kong" else id
            command = f"ringwall import {stack} {kind.value} {shlex.quote(import_id)} --name {name}"
            yield InputError(
                f"{stack}: {named(kind, inputs)}: {SHAPES[kind].service} has one already ({id}), which this stack does not "
                "record",
                file=target.project.stack_file(stack),
                remedy=f"run `{command}` to take it over, or rename or delete it there",
            )
