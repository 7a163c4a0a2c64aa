"""The drift table: recorded, real and desired state side by side, and how their values are shown.

Recorded is what the engine noted at the last `up`; real is what a provider, Kong, a guard or a server answers now; desired
is what the files say. Nothing is read here: `operations.drift` reads the three and hands them in. A value that may be a
secret is never shown, also where it was written in clear by hand, past Ringwall.
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
from model.text import counted, visible

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
class DriftRow:
    """One difference, or one thing that could not be compared.

    `kind` is ``drift`` where the real state was changed away from the recorded one; ``missing`` where the object is gone or
    was never created; ``ahead`` where the files ask for what is not deployed yet; ``unreachable`` where it could not be
    read, and then `real` says why; ``note`` where it is worth knowing but no difference. `repair` is what puts it right.
    """

    source: str
    what: str
    recorded: str
    real: str
    desired: str
    kind: Kind
    repair: str = ""


@dataclass(frozen=True)
class DriftTable:
    """All differences of one stack, and the sources that were read to find them."""

    stack: str
    rows: tuple[DriftRow, ...]
    sources: tuple[str, ...] = ()
    #: The sources that there are none of here, so that nobody was asked.
    not_asked: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        return any(row.kind in ("drift", "missing", "ahead") for row in self.rows)

    def exit_code(self, *, allow_unreachable: bool) -> int:
        """3 when anything differs, else 6 when something could not be read, else 0."""
        if self.drifted:
            return DRIFTED
        unreachable = any(row.kind == "unreachable" for row in self.rows)
        return UNREACHABLE if unreachable and not allow_unreachable else 0

    def as_json(self) -> dict[str, Any]:
        kinds = [row.kind for row in self.rows]
        return {
            "version": 1,
            "stack": self.stack,
            "looked_at": list(self.sources),
            "not_asked": list(self.not_asked),
            "rows": [asdict(row) for row in self.rows],
            "counts": {kind: kinds.count(kind) for kind in KINDS},
        }


@dataclass(frozen=True)
class ResourceDifference:
    """One resource that an engine run would change: `paths` are (path, before, after), leaf by leaf."""

    urn: str
    name: str
    operation: Literal["create", "update", "delete"]
    paths: tuple[tuple[str, str, str], ...] = ()


def engine_rows(
    source: str, refreshed: Iterable[ResourceDifference], previewed: Iterable[ResourceDifference]
) -> list[DriftRow]:
    """The rows of an engine's refresh and preview: the first compares recorded with real state, the second recorded with
    desired state."""
    desired_steps = {step.urn: step for step in previewed}
    rows: list[DriftRow] = []
    covered: set[tuple[str, str]] = set()
    for step in refreshed:
        plan = desired_steps.get(step.urn)
        if step.operation == "delete":
            desired = ABSENT if plan is not None and plan.operation == "delete" else PRESENT
            rows.append(DriftRow(source, step.name, PRESENT, ABSENT, desired, "missing"))
            covered.add((step.urn, ""))
            continue
        planned = {path: after for path, _, after in plan.paths} if plan is not None else {}
        for path, recorded, real in step.paths:
            rows.append(DriftRow(source, f"{step.name} {path}", recorded, real, planned.get(path, recorded), "drift"))
            covered.add((step.urn, path))
    for step in desired_steps.values():
        if step.operation == "create":
            rows.append(DriftRow(source, step.name, ABSENT, "not known", PRESENT, "ahead"))
        elif step.operation == "delete":
            if (step.urn, "") not in covered:
                rows.append(DriftRow(source, step.name, PRESENT, PRESENT, ABSENT, "ahead"))
        else:
            rows += [
                DriftRow(source, f"{step.name} {path}", recorded, recorded, desired, "ahead")
                for path, recorded, desired in step.paths
                if (step.urn, path) not in covered
            ]
    return rows


def is_noise(path: str) -> bool:
    """Whether a property changes by itself and means nothing."""
    return bool(_NOISE.search(path))


def shown(value: Any, path: str = "") -> str:
    """A value for the table: bounded, on one line, secrets and what may be one masked."""
    return _cut(_text(value, path))


def shown_pair(before: Any, after: Any, path: str = "") -> tuple[str, str]:
    """Both values of a difference as `shown`; of values too long to show, the parts that differ."""
    texts = (_text(before, path), _text(after, path))
    if max(map(len, texts)) > _SHOWN and SECRET not in texts:
        if isinstance(before, list) and isinstance(after, list):
            return _shown_lists(before, after, path)
        common = next(
            (
                place
                for place, (before_char, after_char) in enumerate(zip(*texts, strict=False))
                if before_char != after_char
            ),
            0,
        )
        start = max(common - 20, 0)
        if start:
            texts = (f"…{texts[0][start:]}", f"…{texts[1][start:]}")
    return _cut(texts[0]), _cut(texts[1])


def _shown_lists(before: list[Any], after: list[Any], path: str) -> tuple[str, str]:
    removed, added = ([entry for _, entry in without(*sides)] for sides in ((before, after), (after, before)))
    if not removed and not added:
        return counted(len(before), "entry", "entries"), f"{counted(len(after), 'entry', 'entries')} in another order"
    if len(removed) == len(added) == 1:
        return shown_pair(removed[0], added[0], path)
    sides = []
    for entries, unmatched in ((before, removed), (after, added)):
        sides.append(
            counted(len(entries), "entry", "entries") + (f", among them {_text(unmatched, path)}" if unmatched else "")
        )
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
        output = known.get(match[1], {}).get(match[2])
        return output if isinstance(output, str) else match[0]

    return _SYMBOL.sub(replace, value)


def is_symbolic(value: Any) -> bool:
    """Whether a planned value holds a symbol, whose value only the engine knows."""
    return bool(_SYMBOL.search(value if isinstance(value, str) else json.dumps(value, default=str)))


def entity_rows(
    source: str,
    entity: str,
    recorded: Mapping[str, Any] | None,
    real: Mapping[str, Any] | None,
    desired: Mapping[str, Any],
) -> list[DriftRow]:
    """Rows of one entity of the gateway, with Kong's own names for its properties.

    `recorded` is None where the entity was never deployed, `real` where Kong does not have it.
    """
    if real is None:
        recorded_value = ABSENT if recorded is None else PRESENT
        return [DriftRow(source, entity, recorded_value, ABSENT, PRESENT, "ahead" if recorded is None else "missing")]
    if is_symbolic(dict(desired)):
        return [
            DriftRow(
                source,
                entity,
                PRESENT if recorded else ABSENT,
                "not compared: desired is known after up",
                "",
                "unreachable",
            )
        ]
    recorded_values = {path: recorded_value for path, recorded_value, _ in subset(recorded or {}, real)}
    rows = []
    for path, desired_value, real_value in subset(desired, real):
        # A value that is as recorded has not drifted: the file asks for another one since.
        kind: Kind = "drift" if recorded is None or path in recorded_values else "ahead"
        noted_value = recorded_values.get(path, real_value) if recorded is not None else None
        rows.append(
            DriftRow(
                source,
                f"{entity} {path}",
                shown(noted_value, path),
                shown(real_value, path),
                shown(desired_value, path),
                kind,
            )
        )
    covered = {path for path, _, _ in subset(desired, real)}
    return rows + [
        DriftRow(
            source,
            f"{entity} {path}",
            shown(recorded_value, path),
            shown(real_value, path),
            shown(real_value, path),
            "drift",
        )
        for path, recorded_value, real_value in subset(recorded or {}, real)
        if path not in covered
    ]


def unexpected(source: str, entity_kind: str, names: Sequence[str], repair: str) -> list[DriftRow]:
    """Rows for entities that exist and that no file declares."""
    return [
        DriftRow(source, f"{entity_kind} {visible(name)}", ABSENT, PRESENT, ABSENT, "drift", repair)
        for name in sorted(names)
    ]


def unreachable(source: str, problem: str) -> DriftRow:
    return DriftRow(source, source, "", visible(problem)[:300], "", "unreachable")
