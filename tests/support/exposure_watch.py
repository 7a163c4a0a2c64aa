"""Watches the stand-in services while an engine runs: after every operation the model of exposure judges what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from plan.graph import Resource
from plan.live_exposure import HeldResource, exposures
from sandbox import Sandbox
from sandbox.state import Record


def held(records: Sequence[Record]) -> list[HeldResource]:
    """What the services hold, as the model reads it."""
    return [
        HeldResource(one.id, Resource(urn=one.id, type=one.type, name=one.name, custom=True, inputs=one.outputs))
        for one in records
    ]


@dataclass
class Watch:
    """`states` counts the states seen; `exposed` says of each exposed one, by its number, what is exposed."""

    states: int = 0
    exposed: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, records: Sequence[Record]) -> None:
        self.states += 1
        self.exposed += [(self.states, line) for line in exposures(held(records))]


@contextmanager
def watching(sandbox: Sandbox) -> Iterator[Watch]:
    """Judge every state from here to the end of the context, the first one among them."""
    watch = Watch()
    sandbox.store.watchers.append(watch)
    try:
        watch(sandbox.resources())
        yield watch
    finally:
        sandbox.store.watchers.remove(watch)
