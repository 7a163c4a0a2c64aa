"""What the engine reports while it runs, as plain data: changes, counts and errors, never secret values."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.provider_errors import is_conflict, plain

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent

#: The engine's operations that change nothing.
QUIET = {"same", "read", "read-discard", "discard", "refresh"}
_SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # noqa: S105 - the SDK's marker, not a secret
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_MARKUP = re.compile(r"<\{%[^%]*%\}>")


@dataclass(frozen=True)
class Change:
    """One step of the engine. `details` are lines such as ``config.minute: 60 → 30``; secret leaves are masked."""

    operation: str
    urn: str
    type: str
    name: str
    details: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "urn": self.urn,
            "type": self.type,
            "name": self.name,
            "details": list(self.details),
        }


@dataclass(frozen=True)
class Conflict:
    """A step that its provider refused because of an object that is there. `id` is known of what was recorded before."""

    operation: str
    type: str
    name: str
    id: str
    inputs: Mapping[str, Any]
    text: str


@dataclass
class Steps:
    """Collects the events of one run; `on_event` may be called from another thread.

    `refreshes_first`: the run begins with a refresh. What that finds is no step of the run and goes to `drifted`.
    """

    refreshes_first: bool = False
    drifted: dict[str, Change] = field(default_factory=dict)
    #: Whether the stack's own outputs would be others; a grant or a lock changes them and no resource.
    outputs_differ: bool = False
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    #: By the error's text, as `errors` holds it.
    conflicts: dict[str, Conflict] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    current: str = ""
    total: int = 0
    _refreshing: set[str] = field(default_factory=set, repr=False)
    _begun: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def on_event(self, event: EngineEvent) -> None:
        with self._lock:
            if event.resource_pre_event:
                self._step(event.resource_pre_event.metadata)
            elif event.res_outputs_event:
                self._done(event.res_outputs_event.metadata)
            elif event.diagnostic_event:
                self._diagnostic(event.diagnostic_event)
            elif event.summary_event:
                changes = event.summary_event.resource_changes or {}
                self.counts = {_word(operation): count for operation, count in changes.items()}

    @property
    def changed(self) -> list[Change]:
        """Steps that change something, in the engine's order."""
        return [change for change in self.changes.values() if change.operation not in QUIET]

    @property
    def differs(self) -> bool:
        """Whether the run would change a resource or an output."""
        return bool(self.changed) or self.outputs_differ

    def _done(self, metadata: Any) -> None:
        self.finished.add(metadata.urn)
        if metadata.urn in self._refreshing:
            self._refreshing.remove(metadata.urn)
            # Outputs alone move by themselves (a tunnel's connections); nothing a program says could move them back.
            if metadata.new is None or _inputs(metadata.old) != _inputs(metadata.new):
                self.drifted[metadata.urn] = _change(metadata, "delete" if metadata.new is None else "update")
            return
        if metadata.type == "pulumi:pulumi:Stack":
            old, new = ((state.outputs if state else None) or {} for state in (metadata.old, metadata.new))
            self.outputs_differ = old != new
        # A refresh begins every step alike and says only at its end what it found.
        if (metadata.urn, "refresh") in self.changes and _word(metadata.op) not in QUIET:
            self._step(metadata)

    def _step(self, metadata: Any) -> None:
        operation = _word(metadata.op)
        self.current = metadata.urn.rsplit("::", 1)[-1]
        if operation == "refresh" and self.refreshes_first:
            self._refreshing.add(metadata.urn)
            return
        self._begun[metadata.urn] = metadata
        if metadata.type.startswith("pulumi:providers:") and operation == "same":
            return
        self.changes[(metadata.urn, operation)] = _change(metadata, operation)

    def _diagnostic(self, diagnostic: Any) -> None:
        text = _MARKUP.sub("", diagnostic.message).strip()
        if not text:
            return
        if diagnostic.severity == "error":
            error = plain_error(text)
            self.errors.append(error)
            begun = self._begun.get(diagnostic.urn)
            if begun is not None and is_conflict(error):
                self.conflicts[error] = _conflict(begun, error)
        elif diagnostic.severity == "warning":
            self.warnings.append(" ".join(text.split()))


def _inputs(state: Any) -> dict[str, Any]:
    return (state.inputs if state else None) or {}


def _change(metadata: Any, operation: str) -> Change:
    name = metadata.urn.rsplit("::", 1)[-1]
    return Change(operation, metadata.urn, metadata.type, name, tuple(_details(metadata)))


def _conflict(begun: Any, text: str) -> Conflict:
    state = begun.new or begun.old
    name = begun.urn.rsplit("::", 1)[-1]
    id = begun.old.id if begun.old else ""
    return Conflict(_word(begun.op), begun.type, name, id or "", _inputs(state), text)


def _word(operation: Any) -> str:
    return str(getattr(operation, "value", operation))


def plain_error(text: str) -> str:
    """The cause out of an engine diagnostic: a Python trace is cut to its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        match = re.match(
            r"(?:[\w.]+\.)?(?:\w*(?:Error|Exception|Warning)|PlanRefused|Unreachable|EngineMissing): (.*)", line
        )
        if match:
            return plain(match[1])
    return plain(text)


def _details(metadata: Any) -> list[str]:
    old, new = _inputs(metadata.old), _inputs(metadata.new)
    if not metadata.detailed_diff:
        # Components have no provider to say what differs.
        keys = sorted({*old, *new}) if _word(metadata.op) == "update" else []
        return [line for key in keys for line in _inside(key, old.get(key), new.get(key))]
    lines: list[str] = []
    for path in sorted(metadata.detailed_diff):
        lines += _difference(path, _at(old, path), _at(new, path))
    return lines


def _difference(path: str, old: Any, new: Any) -> list[str]:
    """One line; inside JSON text, such as a plugin's configuration, one line for each key that differs."""
    before, after = _json_object(old), _json_object(new)
    if before is None or after is None:
        return [f"{path}: {_show(old)} → {_show(new)}"]
    return [
        line for key in sorted({*before, *after}) for line in _inside(f"{path}.{key}", before.get(key), after.get(key))
    ]


def _inside(path: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        return [line for key in sorted({*old, *new}) for line in _inside(f"{path}.{key}", old.get(key), new.get(key))]
    return [f"{path}: {_show(old)} → {_show(new)}"]


def _json_object(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, str) or not value.startswith("{"):
        return None
    try:
        found = json.loads(value)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


_PART = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)')


def _at(value: Any, path: str) -> Any:
    for match in _PART.finditer(path):
        key, index, plain = match.groups()
        try:
            value = value[int(index)] if index is not None else value[key or plain]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _show(value: Any) -> str:
    if isinstance(value, dict) and _SECRET_SIGNATURE in value:
        return "[secret]"
    if value is None:
        return "absent"
    text = value if isinstance(value, str) else str(value)
    if _SECRET_SIGNATURE in text:
        return "[secret]"
    if _UNKNOWN in text:
        return "known after up"
    return text if len(text) <= 120 else text[:117] + "…"
