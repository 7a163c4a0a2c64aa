"""Recorded, real and desired state side by side, in one table. Pure: what was read is handed in.

Recorded is what the engine noted at the last `up`, real what a provider, Kong, a guard or a server says now, desired what
the files say. A value that may be a secret is never shown, also where somebody wrote it in clear behind our back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from model.difference import path_elements, subset, without
from model.masking import SECRET, masked
from model.sentinels import WIRE_SIGNATURE, WIRE_UNKNOWN
from model.text import visible

Kind = Literal["drift", "missing", "ahead", "unreachable", "note"]
KINDS: tuple[Kind, ...] = ("drift", "missing", "ahead", "unreachable", "note")
DRIFTED = 3
UNREACHABLE = 6
ABSENT = "absent"
PRESENT = "there"
_SHOWN = 120
#: Outputs that change by themselves and mean nothing.
_NOISE = re.compile(r"(^|\.)(modifiedOn|createdOn|updatedAt|createdAt|lastSeenAt|connections|connsActiveAt|status)\b")
_SYMBOL = re.compile(r"\$\{([A-Za-z0-9_.-]+?)\.([A-Za-z0-9_]+)\}")


@dataclass(frozen=True)
class Row:
    """One difference. `drift`: reality moved away; `missing`: it is gone, or was never made; `ahead`: the files ask for
    what is not deployed yet; `unreachable`: it could not be looked at, `real` says why; `note`: worth knowing and no
    difference. `repair` says what puts it right."""

    source: str
    what: str
    recorded: str
    real: str
    desired: str
    kind: Kind
    repair: str = ""


@dataclass(frozen=True)
class Table:
    """All differences of one stack and everything that was looked at."""

    stack: str
    rows: tuple[Row, ...]
    looked: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        return any(row.kind in ("drift", "missing", "ahead") for row in self.rows)

    def exit_code(self, *, allow_unreachable: bool) -> int:
        """3 when anything differs, else 6 when something could not be looked at, else 0."""
        if self.drifted:
            return DRIFTED
        unreachable = any(row.kind == "unreachable" for row in self.rows)
        return UNREACHABLE if unreachable and not allow_unreachable else 0

    def as_json(self) -> dict[str, Any]:
        kinds = [row.kind for row in self.rows]
        return {
            "version": 1,
            "stack": self.stack,
            "looked_at": list(self.looked),
            "rows": [asdict(row) for row in self.rows],
            "counts": {kind: kinds.count(kind) for kind in KINDS},
        }


@dataclass(frozen=True)
class Step:
    """One resource that an engine run would change: `paths` are (path, before, after), leaf by leaf."""

    urn: str
    name: str
    operation: Literal["create", "update", "delete"]
    paths: tuple[tuple[str, str, str], ...] = ()


def engine_rows(source: str, refreshed: Iterable[Step], previewed: Iterable[Step]) -> list[Row]:
    """The engine's two answers in one: a refresh says recorded and real, a preview recorded and desired."""
    wanted = {step.urn: step for step in previewed}
    rows: list[Row] = []
    told: set[tuple[str, str]] = set()
    for step in refreshed:
        plan = wanted.get(step.urn)
        if step.operation == "delete":
            desired = ABSENT if plan is not None and plan.operation == "delete" else PRESENT
            rows.append(Row(source, step.name, PRESENT, ABSENT, desired, "missing"))
            told.add((step.urn, ""))
            continue
        later = {path: after for path, _, after in plan.paths} if plan is not None else {}
        for path, recorded, real in step.paths:
            rows.append(Row(source, f"{step.name} {path}", recorded, real, later.get(path, recorded), "drift"))
            told.add((step.urn, path))
    for step in wanted.values():
        if step.operation == "create":
            rows.append(Row(source, step.name, ABSENT, "not known", PRESENT, "ahead"))
        elif step.operation == "delete":
            if (step.urn, "") not in told:
                rows.append(Row(source, step.name, PRESENT, PRESENT, ABSENT, "ahead"))
        else:
            rows += [
                Row(source, f"{step.name} {path}", recorded, recorded, desired, "ahead")
                for path, recorded, desired in step.paths
                if (step.urn, path) not in told
            ]
    return rows


def is_noise(path: str) -> bool:
    """Whether a property changes by itself and means nothing."""
    return bool(_NOISE.search(path))


def shown(value: Any, path: str = "") -> str:
    """A value for the table: bounded, on one line, secrets and what may be one masked."""
    return _cut(_text(value, path))


def shown_pair(before: Any, after: Any, path: str = "") -> tuple[str, str]:
    """Both sides of a difference as `shown`; where they are too long to show, the parts that differ."""
    texts = (_text(before, path), _text(after, path))
    if max(map(len, texts)) > _SHOWN and SECRET not in texts:
        if isinstance(before, list) and isinstance(after, list):
            return _shown_lists(before, after, path)
        alike = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), 0)
        start = max(alike - 20, 0)
        if start:
            texts = (f"…{texts[0][start:]}", f"…{texts[1][start:]}")
    return _cut(texts[0]), _cut(texts[1])


def _shown_lists(before: list[Any], after: list[Any], path: str) -> tuple[str, str]:
    gone, new = ([entry for _, entry in without(*sides)] for sides in ((before, after), (after, before)))
    if not gone and not new:
        return f"{len(before)} entries", f"{len(after)} entries in another order"
    if len(gone) == len(new) == 1:
        return shown_pair(gone[0], new[0], path)
    sides = []
    for whole, part in ((before, gone), (after, new)):
        sides.append(f"{len(whole)} entries" + (f", among them {_text(part, path)}" if part else ""))
    return _cut(sides[0]), _cut(sides[1])


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _text(value: Any, path: str) -> str:
    if value is None:
        return ABSENT
    if value in (ABSENT, PRESENT):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    if WIRE_SIGNATURE in text:
        return SECRET
    if WIRE_UNKNOWN in text or "$unknown" in text:
        return "known after up"
    value = masked(value, *(str(element) for element in path_elements(path)))
    return visible(
        value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    )


def resolved(value: Any, known: Mapping[str, Mapping[str, Any]]) -> Any:
    """A planned value with its symbols (``${name.property}``) replaced by what was recorded, where that is known."""
    if isinstance(value, dict):
        return {key: resolved(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, known) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        found = known.get(match[1], {}).get(match[2])
        return found if isinstance(found, str) else match[0]

    return _SYMBOL.sub(replace, value)


def is_symbolic(value: Any) -> bool:
    """Whether something of a planned value is known to the engine only."""
    return bool(_SYMBOL.search(value if isinstance(value, str) else json.dumps(value, default=str)))


def entity_rows(
    source: str,
    what: str,
    recorded: Mapping[str, Any] | None,
    real: Mapping[str, Any] | None,
    desired: Mapping[str, Any],
) -> list[Row]:
    """Rows of one entity at the gateway, in its own names. `recorded` None: never deployed; `real` None: not there."""
    if real is None:
        was = ABSENT if recorded is None else PRESENT
        return [Row(source, what, was, ABSENT, PRESENT, "ahead" if recorded is None else "missing")]
    if is_symbolic(dict(desired)):
        return [
            Row(
                source,
                what,
                PRESENT if recorded else ABSENT,
                "not compared: desired is known after up",
                "",
                "unreachable",
            )
        ]
    before = {path: was for path, was, _ in subset(recorded or {}, real)}
    rows = []
    for path, wanted, found in subset(desired, real):
        # What is as recorded has not drifted: the file moved on.
        kind: Kind = "drift" if recorded is None or path in before else "ahead"
        noted = before.get(path, found) if recorded is not None else None
        rows.append(Row(source, f"{what} {path}", shown(noted, path), shown(found, path), shown(wanted, path), kind))
    told = {path for path, _, _ in subset(desired, real)}
    return rows + [
        Row(source, f"{what} {path}", shown(was, path), shown(found, path), shown(found, path), "drift")
        for path, was, found in subset(recorded or {}, real)
        if path not in told
    ]


def unexpected(source: str, what: str, names: Sequence[str], repair: str) -> list[Row]:
    """Entities that nothing declares."""
    return [Row(source, f"{what} {visible(name)}", ABSENT, PRESENT, ABSENT, "drift", repair) for name in sorted(names)]


def unreachable(source: str, problem: str) -> Row:
    return Row(source, source, "", visible(problem)[:300], "", "unreachable")
