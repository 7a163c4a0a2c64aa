"""Asks a server twice what it offers, and names what is not the same: a lock of it would hold until the next start only.

The second time a client announces every capability, so that what depends on them is known without a further start.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from guard.decide.pins import KEYS, same_definition
from guard.probe.probe import probe
from model.difference import by_pointer
from model.errors import Unreachable
from model.server import Origin
from model.text import visible
from model.tool_lock import ClientCapability
from wire.mcp import ServerOffer

CAPABILITIES: tuple[ClientCapability, ...] = get_args(ClientCapability)
_POINTERS_SHOWN = 5
_PARTS = {
    "tools": "tool",
    "prompts": "prompt",
    "resources": "resource",
    "resource_templates": "resource template",
    "instructions": "instructions",
}


@dataclass(frozen=True)
class Instability:
    """A definition that differs between two starts. `pointers` are the places; none where it is there at one start only."""

    kind: str
    key: str
    pointers: tuple[str, ...]
    is_order: bool = False

    def __str__(self) -> str:
        name = f"{_PARTS[self.kind]} {visible(self.key)}".strip()
        if not self.pointers:
            return f"{name} is offered at one start and not at the next, so a lock holds for a while only"
        shown = ", ".join(visible(pointer) or "the text" for pointer in self.pointers[:_POINTERS_SHOWN])
        overflow = f" and {len(self.pointers) - _POINTERS_SHOWN} more" if len(self.pointers) > _POINTERS_SHOWN else ""
        if self.is_order:
            return (
                f"{name} puts {shown}{overflow} in another order at each start, so no lock holds; of a Python server: "
                "`export PYTHONHASHSEED=0`, and onboard it with --pass-env PYTHONHASHSEED"
            )
        return (
            f"{name} is not the same at each start, at {shown}{overflow}, so no lock holds; have the server say it "
            "without a time, a number of its own or anything random"
        )


@dataclass(frozen=True)
class Acquaintance:
    """What a server offers, what of it does not hold, and what it offers beyond that to a client that can do everything."""

    offer: ServerOffer
    unstable: tuple[Instability, ...] = ()
    hidden: tuple[str, ...] = ()
    #: Why the server could not be asked twice.
    problem: str | None = None

    @property
    def unstable_tools(self) -> frozenset[str]:
        return frozenset(entry.key for entry in self.unstable if entry.kind == "tools")

    def lines(self) -> list[str]:
        """What a reviewer should know before approving it."""
        lines = [visible(note) for note in self.offer.notes]
        if self.problem is not None:
            lines.append(
                f"it answered once and no second time, so nobody knows whether its lock will hold: {self.problem}"
            )
        lines += [str(entry) for entry in self.unstable]
        lines += list(_host_facts(self.offer))
        if self.hidden:
            names = ", ".join(visible(name) for name in self.hidden[:10])
            lines.append(
                f"a client that has {', '.join(CAPABILITIES)} is offered {len(self.hidden)} more ({names}); to pin these "
                f"too: --client-capabilities {','.join(CAPABILITIES)}"
            )
        return lines


def acquaint(origin: Origin, timeout: float, capabilities: tuple[ClientCapability, ...] = ()) -> Acquaintance:
    """Ask twice; raises as `probe` where the first time fails."""
    return compared_again(
        probe(origin, timeout=timeout, client_capabilities=capabilities), origin, timeout, capabilities
    )


def compared_again(
    first: ServerOffer, origin: Origin, timeout: float, capabilities: tuple[ClientCapability, ...]
) -> Acquaintance:
    """Ask once more, and say what of the first offer does not hold."""
    try:
        return _compared_with(first, origin, timeout, capabilities)
    except Unreachable as error:
        return Acquaintance(first, problem=error.summary)


def _compared_with(
    first: ServerOffer, origin: Origin, timeout: float, capabilities: tuple[ClientCapability, ...]
) -> Acquaintance:
    try:
        second = probe(origin, timeout=timeout, client_capabilities=CAPABILITIES)
    except Unreachable:
        second = probe(origin, timeout=timeout, client_capabilities=capabilities)
    hidden = tuple(name for kind, name in _keys(second) if (kind, name) not in set(_keys(first)))
    unstable = instabilities(first, second)
    if unstable or hidden:
        # Once more with the first time's own capabilities: what differed may depend on them, and not on the start.
        third = probe(origin, timeout=timeout, client_capabilities=capabilities)
        unstable = instabilities(first, third)
        names = {entry.key for entry in unstable}
        hidden = tuple(name for name in hidden if name not in names)
    return Acquaintance(first, unstable, hidden)


def instabilities(first: ServerOffer, second: ServerOffer) -> tuple[Instability, ...]:
    """Every definition that is not the same in both; lists that failed in either are not compared."""
    return tuple(_instabilities(first, second))


def _instabilities(first: ServerOffer, second: ServerOffer) -> Iterator[Instability]:
    for kind in first.lists:
        if kind in first.failed or kind in second.failed:
            continue
        befores, afters = (_by_key(kind, offer) for offer in (first, second))
        for key in sorted(befores.keys() | afters.keys()):
            before, after = befores.get(key), afters.get(key)
            if before is None or after is None:
                yield Instability(kind, key, ())
            elif not same_definition(before, after) and not same_definition(after, before):
                yield _instability(kind, key, before, after)
    if first.instructions != second.instructions:
        yield _instability("instructions", "", first.instructions, second.instructions)


def _instability(kind: str, key: str, before: Any, after: Any) -> Instability:
    try:
        places = tuple(pointer for pointer, _, _ in by_pointer(before, after))
    except ValueError:
        places = ("",)  # without a digest: too deep
    return Instability(kind, key, places or ("",), is_order=_words(before) == _words(after))


def _words(value: Any) -> list[str]:
    return sorted(re.findall(r"\w+", json.dumps(value, ensure_ascii=False)))


def _by_key(kind: str, offer: ServerOffer) -> dict[str, dict[str, Any]]:
    """The list's definitions by their keys; what has no key of its own is pinned by nobody."""
    definitions = (entry for entry in offer.lists[kind] if isinstance(entry, dict))  # type: ignore[index]
    return {key: entry for entry in definitions if isinstance(key := entry.get(KEYS[kind]), str)}


def _keys(offer: ServerOffer) -> list[tuple[str, str]]:
    return [(kind, key) for kind in offer.lists for key in _by_key(kind, offer)]


def _host_facts(offer: ServerOffer) -> Iterator[str]:
    """Lines on definitions that hold a fact of this host, which another host would say otherwise."""
    zone, home, host = _time_zone(), os.path.expanduser("~"), socket.gethostname()
    facts = {
        zone: "this host's time zone; set TZ here and on the guard's host, and give --pass-env TZ",
        home if len(home) > 5 else "": "this user's home directory; onboard it on the guard's host, as its user",
        host if len(host) > 5 else "": "this host's name; onboard it on the guard's host",
    }
    for kind in offer.lists:
        for key, definition in sorted(_by_key(kind, offer).items()):
            text = "\n".join(_texts(definition))
            for fact, remedy in facts.items():
                if fact and re.search(rf"(?<![\w/.-]){re.escape(fact)}(?![\w-])", text):
                    yield f"{_PARTS[kind]} {visible(key)} holds {visible(fact)}, {remedy}"


def _texts(value: Any) -> Iterator[str]:
    """The texts of a definition but for an enum's, which lists what may be said and not what is."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key != "enum":
                yield from _texts(item)


def _time_zone() -> str:
    """The name of the local time zone as servers say it; empty where it has none that stands out in a text."""
    named = os.environ.get("TZ", "").removeprefix(":")  # tzset(3): the colon may stand before a name or a file
    if not named or named.startswith("/"):
        named = "/".join(Path(named or "/etc/localtime").resolve().parts).partition("zoneinfo/")[2]
    return named if "/" in named else ""
