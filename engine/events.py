"""The engine's events as plain data: changes, counts, errors and failed operations, never secret values."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.provider_errors import is_conflict, plain
from model.resource_types import is_resource
from plan.engine_steps import step_differences

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent

    from plan.step_order import EngineStep

#: The engine's operations that change nothing.
QUIET = {"same", "read", "read-discard", "discard", "refresh"}
#: The operations that make or remove a whole resource.
_LIFECYCLE = {"create", "delete", "delete-replaced", "import", "import-replacement"}
_COUNTED = {"same", "create", "update", "replace", "delete", "import", "refresh"}
_MARKUP = re.compile(r"<\{%[^%]*%\}>")


@dataclass(frozen=True)
class EngineChange:
    """One step of the engine. `details` are lines such as ``config.minute: 60 → 30``; secret leaves are masked."""

    operation: str
    urn: str
    type: str
    name: str
    details: tuple[str, ...] = ()
    #: The step as `plan.step_order` judges it: secrets are tagged and without their text.
    step: EngineStep | None = field(default=None, repr=False, compare=False)

    def as_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "urn": self.urn,
            "type": self.type,
            "name": self.name,
            "details": list(self.details),
        }


@dataclass(frozen=True)
class FailedOperation:
    """A step that its provider did not confirm: refused, failed or without an answer. `id` is empty unless it was recorded.

    `inputs` have no secret: each is a tag without its text. `parent` and `provider` are what the engine records of them.
    """

    operation: str
    type: str
    name: str
    id: str
    inputs: Mapping[str, Any]
    text: str
    urn: str = ""
    parent: str = ""
    provider: str = ""

    @property
    def is_conflict(self) -> bool:
        """Whether it was refused because an object with that name exists."""
        return is_conflict(self.text)


@dataclass
class Steps:
    """Collects the events of one run; `on_event` may be called from another thread.

    `refreshes_first`: the run begins with a refresh; the differences that the refresh reports go to `drifted` and not to
    `changes`.
    """

    refreshes_first: bool = False
    drifted: dict[str, EngineChange] = field(default_factory=dict)
    #: Whether the stack's own outputs would change; an edited grant or tool lock changes them and no resource.
    outputs_differ: bool = False
    changes: dict[tuple[str, str], EngineChange] = field(default_factory=dict)
    #: How many resources by operation, once the run has ended; the engine's own summary counts providers and the stack, too.
    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    #: By URN and the error's text, as `errors` holds it.
    failures: dict[tuple[str, str], FailedOperation] = field(default_factory=dict)
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
                self._finish(event.res_outputs_event.metadata)
            elif event.diagnostic_event:
                self._diagnostic(event.diagnostic_event)
            elif event.summary_event:
                self.counts = self._counted()

    @property
    def changed(self) -> list[EngineChange]:
        """Steps that change something, in the engine's order."""
        return [change for change in self.changes.values() if change.operation not in QUIET]

    @property
    def differs(self) -> bool:
        """Whether the run would change a resource or an output."""
        return bool(self.changed) or self.outputs_differ

    def _counted(self) -> dict[str, int]:
        """Resources by what was done to them; a replacement's two halves are one `replace`."""
        return dict(
            Counter(
                change.operation
                for change in self.changes.values()
                if change.urn in self.finished and change.operation in _COUNTED and is_resource(change.type)
            )
        )

    @property
    def resources_done(self) -> int:
        """How many resources the run has come past so far."""
        with self._lock:
            return len({urn for urn, _ in self.changes if urn in self.finished and is_resource(_type_of(urn))})

    def _finish(self, metadata: Any) -> None:
        if metadata.urn not in self._refreshing:
            self.finished.add(metadata.urn)
        else:
            self._refreshing.remove(metadata.urn)
            # Outputs alone move by themselves (a tunnel's connections); nothing a program says could move them back.
            if metadata.new is None or _inputs(metadata.old) != _inputs(metadata.new):
                self.drifted[metadata.urn] = _change(
                    metadata, "delete" if metadata.new is None else "update", refreshed=True
                )
            return
        if metadata.type == "pulumi:pulumi:Stack":
            old, new = ((state.outputs if state else None) or {} for state in (metadata.old, metadata.new))
            self.outputs_differ = old != new
        # A refresh begins every step alike and says only at its end what it found.
        if (metadata.urn, "refresh") in self.changes and _word(metadata.op) not in QUIET:
            self._step(metadata, refreshed=True)

    def _step(self, metadata: Any, *, refreshed: bool = False) -> None:
        operation = _word(metadata.op)
        self.current = metadata.urn.rsplit("::", 1)[-1]
        if operation == "refresh" and self.refreshes_first:
            self._refreshing.add(metadata.urn)
            return
        self._begun[metadata.urn] = metadata
        if metadata.type.startswith("pulumi:providers:") and operation == "same":
            return
        change = _change(metadata, operation, refreshed=refreshed)
        if metadata.type.startswith("pulumi:providers:") and operation == "update" and not change.details:
            return  # another version of the plugin
        self.changes[(metadata.urn, operation)] = change

    def _diagnostic(self, diagnostic: Any) -> None:
        text = _MARKUP.sub("", diagnostic.message).strip()
        if not text:
            return
        if diagnostic.severity == "error":
            error = plain_error(text)
            self.errors.append(error)
            begun = self._begun.get(diagnostic.urn)
            if begun is not None:
                self.failures[begun.urn, error] = _failure(begun, error)
        elif diagnostic.severity == "warning":
            self.warnings.append(" ".join(text.split()))


def _type_of(urn: str) -> str:
    """The type token in a URN, the last of the types that it is below."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _inputs(state: Any) -> dict[str, Any]:
    return (state.inputs if state else None) or {}


def _change(metadata: Any, operation: str, *, refreshed: bool) -> EngineChange:
    name = metadata.urn.rsplit("::", 1)[-1]
    changed = step_differences(metadata, refreshed=refreshed) if operation not in QUIET | _LIFECYCLE else ()
    details = tuple(f"{path}: {before} → {after}" for path, before, after in changed)
    return EngineChange(operation, metadata.urn, metadata.type, name, details, _judged(operation, metadata))


def _failure(begun: Any, text: str) -> FailedOperation:
    state = begun.new or begun.old
    name = begun.urn.rsplit("::", 1)[-1]
    id = begun.old.id if begun.old else ""
    return FailedOperation(
        _word(begun.op),
        begun.type,
        name,
        id or "",
        _inputs(state),
        text,
        begun.urn,
        state.parent if state else "",
        state.provider if state else "",
    )


def _judged(operation: str, metadata: Any) -> EngineStep:
    from plan.step_order import EngineStep

    old, new = metadata.old, metadata.new
    return EngineStep(
        operation,
        metadata.urn,
        metadata.type,
        (old.inputs or {}) if old else None,
        (new.inputs or {}) if new else None,
        (old.id or None) if old else None,
        (old.outputs or {}) if old else {},
    )


def _word(operation: Any) -> str:
    return str(getattr(operation, "value", operation))


_PROTECTED = re.compile(
    r'unable to replace resource "(urn:pulumi:([^:]+)::[^"]+::([^":]+))"\s+as it is currently marked'
)


def plain_error(text: str) -> str:
    """The cause out of an engine diagnostic: a Python trace is cut to its last line."""
    if protected := _PROTECTED.search(text):
        urn, stack, name = protected.groups()
        # The engine advises to change the program, which protects whatever is in production.
        return (
            f"{name} is protected, as it is in production, and this change replaces it (a changed host name makes another "
            f"application); if you mean it, run `pulumi state unprotect --stack {stack} --yes '{urn}'`, then this again"
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in reversed(lines):
        match = re.match(
            r"(?:[\w.]+\.)?(?:\w*(?:Error|Exception|Warning)|PlanRefused|Unreachable|EngineMissing): (.*)", line
        )
        if match:
            return plain(match[1])
    return plain(text)
