"""The pinned definitions in the form in which engines judge them, and what the embedded engine finds in those of a lock.

A guard at work (`guard.decide.definitions`) and the commands that prepare a lock both take the form from here, so that a
command shows just what the guard will withhold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from guard.inspect.content import content_of, document_of
from guard.inspect.verdict import Leg, Outcome, ScanItem
from model.definition_findings import DefinitionFinding, DefinitionKind
from model.tool_lock import ToolLock

#: The method whose answer shows definitions of a kind.
METHODS: dict[DefinitionKind, str] = {
    "tools": "tools/list",
    "prompts": "prompts/list",
    "resources": "resources/list",
    "resource_templates": "resources/templates/list",
    "instructions": "initialize",
}


@dataclass(frozen=True, slots=True)
class PinnedDefinition:
    """One definition of a lock as clients see it. `accepted` are the rules that a reviewer accepted for it, `noted` those
    that the reviewer was shown and that stop nothing."""

    kind: DefinitionKind
    key: str
    value: dict[str, Any]
    accepted: frozenset[str]
    noted: frozenset[str]


def shown_form(definition: dict[str, Any]) -> dict[str, Any]:
    """A definition as the guard shows it: it carries no tasks, so it does not offer them (`execution.taskSupport`)."""
    return {key: value for key, value in definition.items() if key != "execution"}


def pinned_definitions(lock: ToolLock) -> Iterator[PinnedDefinition]:
    """Every definition of a lock, and the server's instructions if it has any."""
    for kind, entries in lock.entries().items():
        for entry in entries:
            value = shown_form(entry.definition)
            accepted, noted = frozenset(entry.accepted), frozenset(entry.noted)
            yield PinnedDefinition(kind, entry.key, value, accepted, noted)  # type: ignore[arg-type]
    if lock.server.instructions is not None:
        value = {"instructions": lock.server.instructions}
        accepted, noted = frozenset(lock.server.accepted), frozenset(lock.server.noted)
        yield PinnedDefinition("instructions", "", value, accepted, noted)


def findings_of(loaded: object) -> tuple[DefinitionFinding, ...] | None:
    """What the guard of a loaded stack finds in its lock; None where the stack has no guard, or one without the embedded
    engine, as only a guard at work asks a vendor."""
    from model.stacks import ServerStack  # 0.03 s that a guard does without

    if not isinstance(loaded, ServerStack) or loaded.manifest.guard.engines.embedded is None:
        return None
    return definition_findings(loaded.lock)


def definition_findings(lock: ToolLock) -> tuple[DefinitionFinding, ...]:
    """What the embedded engine finds in the definitions of a lock, in the lock's order, accepted or not, notes included."""
    from guard.engines.embedded import EmbeddedVerdictEngine

    engine = EmbeddedVerdictEngine(frozenset(tool.name for tool in lock.tools), thorough=frozenset((Leg.DEFINITIONS,)))
    findings: list[DefinitionFinding] = []
    for pinned in pinned_definitions(lock):
        method = METHODS[pinned.kind]
        content = content_of(pinned.value, method)
        if content.unreadable is not None:
            findings.append(_unread(pinned, content.unreadable, "no engine can look into it"))
            continue
        if content.inert:
            continue
        item = ScanItem(Leg.DEFINITIONS, "", method, pinned.key, content.texts, document_of(pinned.value), "", "")
        verdict, quotes = engine.explain(item)
        if verdict.outcome is Outcome.NO_VERDICT:
            findings.append(_unread(pinned, "", f"no verdict: {verdict.error}"))
        findings += [
            _finding(pinned, rule, pointer, quote, advisory)
            for (rule, pointer, advisory), quote in quotes.items()
            if not advisory or (rule, pointer, False) not in quotes
        ]
    return tuple(findings)


def _finding(pinned: PinnedDefinition, rule: str, pointer: str, quote: str, advisory: bool) -> DefinitionFinding:
    known = pinned.noted if advisory else pinned.accepted
    return DefinitionFinding(pinned.kind, pinned.key, rule, pointer, quote, rule in known, advisory=advisory)


def _unread(pinned: PinnedDefinition, pointer: str, reason: str) -> DefinitionFinding:
    return DefinitionFinding(pinned.kind, pinned.key, "unreadable", pointer, reason, accepted=False, acceptable=False)
