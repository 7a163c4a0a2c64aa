"""How much the embedded engine finds, and how often it is wrong, on the corpora beside this file.

`python tests/guard/detection/figures.py` prints the tables; `--write` puts them into docs/explain/detection.md;
`--wrong` prints the ids of the tuning texts that were judged wrongly. There is no such option for the texts held out, since
rules are changed for what tuning shows alone. A text that is a list is several strings of one message. A bar ``¦`` is taken
out before judging: it keeps other scanners from taking invented keys for real ones.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from guard.engines.embedded import EmbeddedVerdictEngine  # noqa: E402 - found only now
from guard.inspect.verdict import Leg, Outcome, ScanItem, Text  # noqa: E402

DOCUMENT = ROOT / "docs" / "explain" / "detection.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
CORPORA = ("held_out", "tuning")
FORMS = ("forms_held_out", "forms_tuning")
FORMS_HEAD = "Texts written for the forms, split in halves at random:"
THIRD = ("third_held_out", "third_tuning")
THIRD_HEAD = "Texts written last, after published kinds of attack, split in halves at random:"
FOURTH = ("fourth_held_out", "fourth_tuning")
FOURTH_HEAD = "Texts written next, after the families of the public sets, split in halves at random:"
FIFTH = ("fifth_held_out",)
FIFTH_HEAD = "Texts made last, by a generator whose words are not the rules':"
SIXTH = ("sixth_held_out",)
SIXTH_HEAD = "Texts in languages that were claimed last, written before their grammar:"
_KIND = {"category": "kind"}
#: Tools that the server of the corpora is said to have.
TOOLS = frozenset(("send_message", "list_issues", "send_email"))

Judged = tuple[dict[str, Any], bool]


def load(name: str) -> list[dict[str, Any]]:
    """The rows of one corpus."""
    return [json.loads(line) for line in (HERE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def item(row: dict[str, Any]) -> ScanItem:
    """A row as the guard would hand it to an engine."""
    values = [row["text"]] if isinstance(row["text"], str) else row["text"]
    texts = tuple(Text(f"/{at}", value.replace("¦", "")) for at, value in enumerate(values))
    return ScanItem(Leg(row["leg"]), "corpus", "", "", texts, "", "", row["id"])


def judged(engine: EmbeddedVerdictEngine, name: str) -> list[Judged]:
    """Each row and whether the engine would stop it; no verdict stops too."""
    return [(row, engine.judge(item(row)).outcome is not Outcome.ALLOW) for row in load(name)]


def counts(rows: Iterable[Judged], field: str | None) -> dict[str, tuple[int, int]]:
    """Stopped and all, for each value of `field`; under the one key "all" without a field."""
    found: dict[str, tuple[int, int]] = {}
    for row, stopped in rows:
        key = str(row[field]) if field else "all"
        stopped_before, total = found.get(key, (0, 0))
        found[key] = (stopped_before + stopped, total + 1)
    return found


def _share(pair: tuple[int, int] | None) -> str:
    return "-" if pair is None else f"{pair[0]} of {pair[1]} ({100 * pair[0] / pair[1]:.0f} %)"


def _table(title: str, sets: Sequence[list[Judged]], field: str) -> str:
    parts = [counts(rows, field) for rows in sets]
    totals = [counts(rows, None).get("all") for rows in sets]
    lines = ["| " + " | ".join((title, "held out", "tuning")[: len(sets) + 1]) + " |", "|---" * (len(sets) + 1) + "|"]
    for key in sorted(set().union(*parts)):
        lines.append(f"| {key.replace('_', ' ')} | " + " | ".join(_share(part.get(key)) for part in parts) + " |")
    lines.append("| **all** | " + " | ".join(f"**{_share(total)}**" for total in totals) + " |")
    return "\n".join(lines)


def report(engine: EmbeddedVerdictEngine) -> str:
    """The tables, in Markdown."""
    return "\n\n".join(
        (
            _tables(engine, CORPORA, ("category", "leg")),
            FORMS_HEAD,
            _tables(engine, FORMS, ("category",)),
            THIRD_HEAD,
            _tables(engine, THIRD, ("category",)),
            FOURTH_HEAD,
            _tables(engine, FOURTH, ("category",)),
            FIFTH_HEAD,
            _tables(engine, FIFTH, ("category",)),
            SIXTH_HEAD,
            _tables(engine, SIXTH, ("category",)),
        )
    )


def _tables(engine: EmbeddedVerdictEngine, corpora: Sequence[str], fields: Sequence[str]) -> str:
    sets = [judged(engine, name) for name in corpora]
    attacks = [[pair for pair in rows if pair[0]["label"] == "attack"] for rows in sets]
    benign = [[pair for pair in rows if pair[0]["label"] == "benign"] for rows in sets]
    tables = [_table(f"Attacks stopped, by {field}", attacks, field) for field in fields]
    return "\n\n".join(
        [*tables, *(_table(f"Harmless texts stopped, by {_KIND.get(field, field)}", benign, field) for field in fields)]
    )


def written(document: str, tables: str) -> str:
    """`document` with `tables` between its markers."""
    head, _, rest = document.partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise ValueError("docs/explain/detection.md has no markers for the figures")
    return f"{head}{BEGIN}\n\n{tables}\n\n{END}{tail}"


def main(arguments: list[str]) -> None:
    engine = EmbeddedVerdictEngine(TOOLS)
    if arguments == ["--wrong"]:
        for row, stopped in (
            pair
            for name in ("tuning", "forms_tuning", "third_tuning", "fourth_tuning")
            for pair in judged(engine, name)
        ):
            if stopped != (row["label"] == "attack"):
                print(row["id"], row["label"], row["leg"], row["category"])
    elif arguments == ["--write"]:
        DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8"), report(engine)), encoding="utf-8")
    else:
        print(report(engine))


if __name__ == "__main__":
    main(sys.argv[1:])
