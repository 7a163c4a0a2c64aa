"""The data of a difference: changes sorted by risk, resources key by key, and who may call which tool.

Pure data, with its JSON form. It is made by `compare` and shown by `markdown`, `html` and `mermaid`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from model.stacks import environment_of
from model.text import visible
from plan.findings import Finding
from plan.rings import RINGS

VERSION: Final = 1


class Direction(StrEnum):
    """What a change does to the perimeter. A change is `neutral` only where that is proven."""

    LOOSENS = "loosens"
    TIGHTENS = "tightens"
    NEUTRAL = "neutral"


_RANK = {Direction.LOOSENS: 0, Direction.TIGHTENS: 1, Direction.NEUTRAL: 2}


@dataclass(frozen=True)
class Change:
    """One semantic difference of one stack.

    `id` is stable and names the rule (``server.limits.concurrency``, ``grant-gained``); `risk` weighs from 0 to 100 how
    much a reviewer must look; `ring` is one of `plan.rings.RINGS` or empty. Texts are plain, on one line, with hidden
    characters shown.
    """

    id: str
    direction: Direction
    risk: int
    stack: str
    ring: str
    title: str
    details: tuple[str, ...] = ()
    before: str | None = None
    after: str | None = None

    @property
    def order(self) -> tuple[object, ...]:
        """Loosening first, then by risk."""
        return (_RANK[self.direction], -self.risk, self.stack, self.title, self.details)

    @property
    def same_elsewhere(self) -> tuple[object, ...]:
        """What is equal for the same change of another stack, so that a change of 200 servers takes one line."""
        return (self.id, self.direction, self.risk, self.ring, self.title, self.details, self.before, self.after)


def change(
    id: str,
    direction: Direction,
    risk: int,
    stack: str,
    ring: str,
    title: str,
    details: Iterable[str] = (),
    before: str | None = None,
    after: str | None = None,
) -> Change:
    """A `Change` whose texts are made visible."""
    if ring and ring not in RINGS:
        raise ValueError(f"{ring} is no ring")
    return Change(
        id,
        direction,
        risk,
        stack,
        ring,
        visible(title),
        tuple(visible(line) for line in details),
        None if before is None else visible(before),
        None if after is None else visible(after),
    )


@dataclass(frozen=True)
class KeyChange:
    """One key of a resource; None where it is absent. Secrets are masked already."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ResourceChange:
    """One resource that is created, updated, replaced or deleted, as far as files tell."""

    urn: str
    type: str
    name: str
    action: str
    keys: tuple[KeyChange, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """Who may call which tool of one server.

    `tools` are (name, risk); `cells` has one state for each principal and tool: ``yes``, ``no``, ``gained``, ``lost`` or
    ``changed``.
    """

    principals: tuple[str, ...] = ()
    tools: tuple[tuple[str, str], ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class StackDiff:
    """Everything that differs in one stack. `status`: ``changed``, ``new``, ``removed`` or ``unreadable``."""

    stack: str
    kind: str
    status: str
    changes: tuple[Change, ...] = ()
    resources: tuple[ResourceChange, ...] = ()
    #: The stack whose resources are shown for this one too: they differ in the same keys, with values of their own.
    resources_like: str | None = None
    matrix: Matrix | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def environment(self) -> str:
        """The environment, or the zone stack's own name."""
        return environment_of(self.stack)


@dataclass(frozen=True)
class LoadError:
    """Why one side of one stack could not be read; `side` is ``base`` or ``head``."""

    side: str
    stack: str
    message: str


@dataclass(frozen=True)
class DiffReport:
    """The whole difference. Stacks are sorted by name; `unplanned` are changed files that are no stack files."""

    project: str
    base: str
    head: str
    stacks: tuple[StackDiff, ...] = ()
    errors: tuple[LoadError, ...] = ()
    unplanned: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of all stacks, loosening and heaviest first."""
        return tuple(sorted((c for stack in self.stacks for c in stack.changes), key=lambda c: c.order))

    @property
    def loosens(self) -> bool:
        return any(c.direction is Direction.LOOSENS for c in self.changes)

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """Broken rules of the head's plans, with their stacks."""
        return tuple((stack.stack, finding) for stack in self.stacks for finding in stack.findings)

    def counts(self) -> dict[Direction, int]:
        """Number of changes in each direction."""
        counts = dict.fromkeys(Direction, 0)
        for change in self.changes:
            counts[change.direction] += 1
        return counts

    def only(self, environment: str) -> DiffReport:
        """The part of one environment (or zone stack)."""
        return DiffReport(
            self.project,
            self.base,
            self.head,
            tuple(stack for stack in self.stacks if stack.environment == environment or stack.kind == "project"),
            tuple(e for e in self.errors if e.stack in (environment, "") or environment_of(e.stack) == environment),
            self.unplanned,
            self.notes,
        )


@dataclass(frozen=True)
class Grouped:
    """One change, and every stack that has it in the same words."""

    change: Change
    stacks: tuple[str, ...]


def grouped(changes: Iterable[Change]) -> list[Grouped]:
    """The changes, equal ones of several stacks as one, heaviest first."""
    groups: dict[tuple[object, ...], list[Change]] = {}
    for change in sorted(changes, key=lambda c: c.order):
        groups.setdefault(change.same_elsewhere, []).append(change)
    return [Grouped(group[0], tuple(sorted({c.stack for c in group}))) for group in groups.values()]


def stand_ins(stacks: Iterable[StackDiff]) -> dict[str, list[str]]:
    """Each stack whose resources are shown for other stacks too, with those stacks."""
    groups: dict[str, list[str]] = {}
    for stack in stacks:
        if stack.resources_like is not None:
            groups.setdefault(stack.resources_like, []).append(stack.stack)
    return groups


def document(report: DiffReport) -> dict[str, Any]:
    """The report as one JSON document, versioned."""
    return {
        "version": VERSION,
        "project": report.project,
        "base": report.base,
        "head": report.head,
        "summary": {str(direction): count for direction, count in report.counts().items()},
        "changes": [_change(c) for c in report.changes],
        "stacks": [_stack(stack) for stack in report.stacks],
        "errors": [asdict(error) for error in report.errors],
        "unplanned": list(report.unplanned),
        "notes": list(report.notes),
    }


def _change(change: Change) -> dict[str, Any]:
    return {**asdict(change), "direction": str(change.direction), "details": list(change.details)}


def _stack(stack: StackDiff) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "stack": stack.stack,
        "kind": stack.kind,
        "status": stack.status,
        "resources": [{**asdict(r), "keys": [asdict(k) for k in r.keys]} for r in stack.resources],
        "resources_like": stack.resources_like,
        "findings": [_finding(finding) for finding in stack.findings],
    }
    if stack.matrix is not None:
        entry["matrix"] = {
            "principals": list(stack.matrix.principals),
            "tools": [{"name": name, "risk": risk} for name, risk in stack.matrix.tools],
            "cells": [list(row) for row in stack.matrix.cells],
        }
    return entry


def _finding(finding: Finding) -> Mapping[str, Any]:
    return {
        "rule_id": finding.rule_id,
        "severity": str(finding.severity),
        "urn": finding.urn,
        "message": visible(finding.message),
        "remedy": visible(finding.remedy),
        "waived": None
        if finding.waived is None
        else {"reason": visible(finding.waived), "until": finding.waived_until},
    }


def finding_line(stack: str, finding: Finding) -> str:
    """One finding as a line of text; a waived one says so."""
    if finding.waived is None:
        return f"{stack}: {finding}"
    return f"{stack}: waived until {finding.waived_until} ({visible(finding.waived)}): {finding}"
