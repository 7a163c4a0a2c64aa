"""The types that describe how the stand-in of one resource type behaves, and helpers for its checks.

The behaviours themselves are in `sandbox.cloudflare` and `sandbox.kong`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.schema import Problem
from sandbox.state import World
from sandbox.wire import Props, Unknown, known


class Refused(Exception):
    """The service refuses a call. The text is what the engine shows, in the words of the real provider."""


@dataclass(frozen=True)
class Reference:
    """Properties that name another resource.

    `extract` gives the ids they name. Creating or updating is refused while one does not exist, unless it may
    well have been made elsewhere (`must_exist` false). `on_delete` says what happens to the
    holder when the other is deleted: the deletion is refused, the holder goes with it, or nothing.
    """

    target: str
    extract: Callable[[Props], Iterable[str]]
    on_delete: Literal["refuse", "cascade", "ignore"] = "ignore"
    problem: str = "{target} {id} does not exist"
    must_exist: bool = True


def by_name(name: str, target: str, on_delete: Literal["refuse", "cascade", "ignore"]) -> Reference:
    """A reference held in one plain string property."""
    return Reference(target, lambda props: [props[name]] if isinstance(props.get(name), str) else [], on_delete)


def _no_problems(_: Props) -> Iterator[Problem]:
    return iter(())


@dataclass(frozen=True)
class Behaviour:
    """How one resource type behaves.

    `identity`: (world, inputs) → id. `computed`: (world, id, inputs, old outputs) → outputs beyond the inputs; called
    on create with empty old outputs and on every update. `replaces`: inputs that cannot change in place. `defaults`:
    what the service fills in. `unique`: groups of properties that no two records may share. `excludes`: whether one record
    cannot stand beside another. `busy`: why a record cannot be deleted now. `sets`: lists without order. `json_text`:
    strings compared as JSON. `sensitive`: stored as hashes whether or not the program marked them. `secret_outputs`: marked
    secret towards the engine. `unrefreshed`: the service does not tell, so a refresh keeps the engine's copy. `refreshed`:
    outputs that a read derives from the others. `keeps_removed`: an update that leaves a property out leaves it as it was.
    `import_scope`: what stands before the id in the one form that an import takes, over the outputs.
    """

    identity: Callable[[World, Props], str] = lambda world, _: world.mint_uuid()
    computed: Callable[[World, str, Props, Props], Props] = lambda *_: {}
    check: Callable[[Props], Iterator[Problem]] = _no_problems
    defaults: Mapping[str, Any] = field(default_factory=dict)
    replaces: frozenset[str] = frozenset()
    unique: tuple[tuple[str, ...], ...] = ()
    references: tuple[Reference, ...] = ()
    sets: frozenset[str] = frozenset()
    json_text: frozenset[str] = frozenset()
    sensitive: frozenset[str] = frozenset()
    secret_outputs: frozenset[str] = frozenset()
    unrefreshed: frozenset[str] = frozenset()
    refreshed: Callable[[Props], Props] = lambda _: {}
    autonamed: bool = False
    keeps_removed: bool = False
    missing_on_delete: Literal["gone", "error"] = "gone"
    excludes: Callable[[Props, Props], bool] = lambda *_: False
    busy: Callable[[Props], str | None] = lambda _: None
    quota: tuple[int, str] | None = None
    import_scope: str = ""
    create_refusal: Callable[[Props, str], str] = lambda _, reason: reason


Conflict = Callable[[str, str, tuple[str, ...], Props], str]


@dataclass(frozen=True)
class Package:
    """One provider: its resource types, its functions, and how it words a conflict."""

    name: str
    behaviours: Mapping[str, Behaviour]
    conflict: Conflict
    check_config: Callable[[Props], Iterator[Problem]] = _no_problems
    functions: Mapping[str, Callable[[World, Props], Props]] = field(default_factory=dict)
    fallback: Behaviour = field(default_factory=Behaviour)

    def behaviour_of(self, type_: str) -> Behaviour:
        """The behaviour of a type; types without any of their own only store and echo."""
        return self.behaviours.get(type_, self.fallback)


def text(props: Mapping[str, Any], name: str) -> str | None:
    """A string property; None if it is absent, unknown or of another type."""
    value = props.get(name)
    return value if isinstance(value, str) else None


def allowed_values(props: Props, name: str, allowed: Iterable[str]) -> Iterator[Problem]:
    """Refuse a string outside `allowed`."""
    value, choices = text(props, name), sorted(allowed)
    if value is not None and value not in choices:
        yield Problem(name, f"must be one of {', '.join(choices)}, got {value!r}")


def exactly_one(props: Props, *names: str) -> Iterator[Problem]:
    """Refuse unless exactly one of the properties is given. Unknown counts as given."""
    present = [name for name in names if props.get(name) is not None]
    if len(present) != 1:
        yield Problem(names[0], f"exactly one of {', '.join(names)} must be given, got {len(present)}")


def objects(props: Mapping[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list property with their paths; unknown parts are passed over."""
    value = props.get(name)
    for index, item in enumerate(value if isinstance(value, list) else []):
        if isinstance(item, dict):
            yield f"{name}[{index}]", item


def is_unknown(value: Any) -> bool:
    """Whether the value, or a part of it, is not known yet."""
    return isinstance(value, Unknown) or not known(value)
