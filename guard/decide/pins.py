"""Enforces the tool lock: compares the definitions that the server shows with the approved ones, for every list and call.

A definition that once differed from the lock stays refused until another lock is in force, over restarts and even if the
server shows the approved definition again: a definition that comes and goes is the rug pull itself. Which of the
admitted definitions a principal may use is decided in `guard.decide.grants`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guard.decide.reasons import Reason
from model.canonical import digest
from model.definitions import same_meaning
from model.difference import pointers
from model.errors import InputError
from model.files import read_bytes, write_atomically
from model.json import parse_json
from model.text import visible
from model.tool_lock import Entry, ToolLock

if TYPE_CHECKING:
    from wire.mcp import ServerOffer

#: The member that names a definition, for each kind of definition. The kinds are those of `ToolLock.entries`.
KEYS: Mapping[str, str] = {"tools": "name", "prompts": "name", "resources": "uri", "resource_templates": "uriTemplate"}

#: Members that a server leaves out when it answers an older protocol version. A definition without them says nothing new.
_OPTIONAL = frozenset(("title", "icons", "outputSchema", "annotations", "execution", "_meta", "size", "mimeType"))
#: The values of `execution` (2025-11-25 only) that are ignored: they concern tasks, which the guard does not carry.
_EXECUTION: tuple[dict[str, str], ...] = (
    {},
    {"taskSupport": "forbidden"},
    {"taskSupport": "optional"},
    {"taskSupport": "required"},
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A definition that was refused, as it is not the approved one or cannot be enforced. `difference` says how or why, in
    text without hidden characters."""

    kind: str
    key: str
    sha256: str
    difference: str
    reason: Reason = Reason.LOCK_MISMATCH


def same_definition(observed: Mapping[str, Any], locked: Mapping[str, Any]) -> bool:
    """True if `observed` is the approved definition, in the form of any protocol version and its sets in any order."""
    shown = dict(observed)
    if "execution" not in locked and shown.get("execution", {}) in _EXECUTION:
        shown.pop("execution", None)
    expected = {key: value for key, value in locked.items() if key in shown or key not in _OPTIONAL}
    return same_meaning(expected, shown)


class Pins:
    """One lock, and the definitions of it that the server has changed.

    `file` keeps the changed ones over restarts and is valid only for the lock it was written under. `previous`, the pins of
    the configuration before, has those that could not be written there. `report` is called once for every new refusal.
    `unenforceable` has the locked definitions that this guard cannot enforce, as ``tools/name``, each with the reason.

    Raises:
        InputError: `file` exists and is not what this class writes, so that nobody knows what was refused.
    """

    def __init__(
        self,
        lock: ToolLock,
        file: Path | None,
        report: Callable[[Refusal], None],
        previous: Pins | None = None,
        unenforceable: Mapping[str, str] | None = None,
    ) -> None:
        self.lock = lock
        self.unenforceable = unenforceable or {}
        self._left_out = {(left_out.kind, left_out.key): left_out.reason for left_out in lock.left_out}
        self.digest = digest(lock.dump())
        self._entries: dict[str, dict[str, Entry]] = {
            kind: {entry.key: entry for entry in entries} for kind, entries in lock.entries().items()
        }
        #: The approved text of each definition, so that the usual case is one comparison of strings.
        self._exact = {
            (kind, key): _text(entry.definition)
            for kind, entries in self._entries.items()
            for key, entry in entries.items()
        }
        self._file = file
        self._report = report
        self._changed: dict[str, str] = _read(file, self.digest) if file else {}
        self._reported: set[tuple[str, str, str]] = set()
        self.problem: str | None = None
        if previous is not None and previous.digest == self.digest:
            self._changed = {**previous._changed, **self._changed}
            self.problem = previous.problem

    def report_to(self, report: Callable[[Refusal], None]) -> None:
        """Report further refusals to `report`."""
        self._report = report

    @property
    def refused(self) -> tuple[str, ...]:
        """The locked definitions that are refused, as the server changed them or they cannot be enforced: ``tools/name``."""
        return tuple(sorted({*self._changed, *self.unenforceable}))

    def entry(self, kind: str, key: str) -> Entry | None:
        """The pinned entry, unless the server changed it or it cannot be enforced."""
        return None if self._is_refused(f"{kind}/{key}") else self._entries[kind].get(key)

    def holds(self, kind: str, key: str) -> bool:
        """Whether the lock has the definition, whatever the server made of it."""
        return key in self._entries[kind]

    def _is_refused(self, name: str) -> bool:
        return name in self._changed or name in self.unenforceable

    def admits(self, kind: str, definition: Any) -> bool:
        """Whether a definition may be shown to clients: it is pinned, unchanged, and was never refused."""
        if not isinstance(definition, dict) or not isinstance(key := definition.get(KEYS[kind]), str):
            self._announce(Refusal(kind, "", _digest(definition), f"an entry without a {KEYS[kind]}"))
            return False
        locked = self._entries[kind].get(key)
        if locked is None:
            self._announce(Refusal(kind, key, _digest(definition), self._absence(kind, key)))
            return False
        if _text(definition) != self._exact[kind, key] and not same_definition(definition, locked.definition):
            self._refuse(kind, key, definition, locked)
            return False
        return not self._is_refused(f"{kind}/{key}")

    def _absence(self, kind: str, key: str) -> str:
        for place, absence in (
            ((kind, key), "left out of the tool lock"),
            ((kind, ""), "its list is left out of the lock"),
        ):
            if place in self._left_out:
                return f"{absence}: {visible(self._left_out[place])}"
        return "not in the tool lock"

    def admits_instructions(self, text: Any) -> bool:
        """Whether the server's instructions are the approved ones, or absent."""
        if text == self.lock.server.instructions and "instructions/" not in self._changed:
            return True
        if text is None:
            return True
        if text != self.lock.server.instructions:
            change = "changed" if self.lock.server.instructions else "new, and none were approved"
            self._remember("instructions/", _digest(text))
            self._announce(Refusal("instructions", "", _digest(text), change))
        return False

    def compare(self, offer: ServerOffer) -> None:
        """Compare everything that the server offers with the lock, and report what of the lock cannot be enforced."""
        for name, problem in self.unenforceable.items():
            kind, _, key = name.partition("/")
            self._announce(Refusal(kind, key, self._entries[kind][key].sha256, problem, Reason.UNENFORCEABLE))
        for kind, definitions in offer.lists.items():
            for definition in definitions:
                self.admits(kind, definition)
        self.admits_instructions(offer.instructions)
        if self.problem is not None:
            self._write()

    def _refuse(self, kind: str, key: str, definition: Mapping[str, Any], locked: Entry) -> None:
        sha256 = _digest(definition)
        self._remember(f"{kind}/{key}", sha256)
        if (kind, key, sha256) not in self._reported:
            self._announce(Refusal(kind, key, sha256, difference(locked.definition, definition)))

    def _announce(self, refusal: Refusal) -> None:
        refusal_key = (refusal.kind, refusal.key, refusal.sha256)
        if refusal_key not in self._reported and len(self._reported) < 10_000:
            self._reported.add(refusal_key)
            self._report(refusal)

    def _remember(self, name: str, sha256: str) -> None:
        if name not in self._changed:
            self._changed[name] = sha256
            self._write()

    def _write(self) -> None:
        if self._file is None:
            return
        refused = dict(sorted(self._changed.items()))
        text = json.dumps({"version": 1, "tool_lock_sha256": self.digest, "refused": refused}, indent=2)
        try:
            write_atomically(self._file, text.encode() + b"\n", 0o600)
        except OSError as error:
            self.problem = f"the list of refused definitions cannot be written to {self._file}: {error.strerror}"
        else:
            self.problem = None


def difference(locked: Mapping[str, Any], observed: Mapping[str, Any]) -> str:
    """The places where two definitions differ, one a line, at most 20, with hidden characters made visible."""
    try:
        changes = list(pointers(dict(locked), dict(observed)))
    except ValueError as error:
        return f"what the server shows {error}"
    lines = [
        f"{visible(change.pointer)}: {'only the order, ' if change.order_only else ''}"
        f"{change.before or 'absent'} -> {change.after or 'absent'}"
        for change in changes
    ]
    overflow = [f"and {len(lines) - 20} more"] if len(lines) > 20 else []
    return "\n".join(lines[:20] + overflow)


def _text(definition: Any) -> str:
    return json.dumps(definition, sort_keys=True, ensure_ascii=False)


def _digest(value: Any) -> str:
    try:
        return digest(value)
    except ValueError:
        return "sha256:unknown"


def _read(file: Path, lock_digest: str) -> dict[str, str]:
    try:
        text = read_bytes(file).decode("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot be read", file=file, remedy="correct its permissions") from error
    try:
        value = parse_json(text)
        refused = value["refused"] if value["tool_lock_sha256"] == lock_digest else {}
        return {str(name): str(sha256) for name, sha256 in refused.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "is not the guard's list of refused definitions",
            file=file,
            remedy="restore it, or remove it after making sure that the server offers what the lock says",
        ) from error
