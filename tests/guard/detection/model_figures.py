"""How much the engine `model` flags, beside what the embedded engine stops, and what it costs. Needs `ringwall[model]`.

`python tests/guard/detection/model_figures.py [FOLDER...]` prints both. Texts are those of the legs that it judges, attacks
those of injection and jailbreak. Of each folder, up to 1,000 texts of 2,000 characters are taken from its documents.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from guard.engines.embedded import EmbeddedVerdictEngine  # noqa: E402 - found only now
from guard.engines.local_model import FEW, LEGS, OnnxClassifier, Preset, windows  # noqa: E402
from guard.inspect.verdict import Leg, Outcome  # noqa: E402
from tests.guard.detection.figures import CORPORA, FORMS, TOOLS, item, load  # noqa: E402

ATTACKS = ("injection", "jailbreak")
NAMES: tuple[Literal["high", "medium", "low"], ...] = ("high", "medium", "low")
SUFFIXES = (".md", ".rst", ".txt", ".py", ".json", ".yaml", ".1", ".html")
PIECES, PIECE = 1000, 2000


def flags(classifier: OnnxClassifier, presets: Sequence[Preset], text: str) -> list[bool]:
    """Whether each preset flags the text."""
    scores = [classifier.scores(window) for window in windows(classifier.tokens(text)) if len(set(window)) > FEW]
    return [any(map(preset.matches, scores)) for preset in presets]


def corpora(classifier: OnnxClassifier, presets: Sequence[Preset]) -> Iterator[str]:
    """A line for each kind of text: those that a preset flags, and how many of them the embedded engine lets pass."""
    embedded = EmbeddedVerdictEngine(TOOLS)
    yield f"{'set':<16} {'texts':<8} {'count':>5} {'embedded':>8} " + " ".join(f"{name:>8}" for name in NAMES)
    for name in (*CORPORA, *FORMS):
        for label in ("attack", "benign"):
            rows = [row for row in load(name) if row["label"] == label and Leg(row["leg"]) in LEGS]
            if label == "attack" and name in CORPORA:
                rows = [row for row in rows if row["category"].startswith(ATTACKS)]
            if not rows:
                continue
            items = [item(row) for row in rows]
            passed = [embedded.judge(each).outcome is Outcome.ALLOW for each in items]
            marks = [flags(classifier, presets, "\n".join(text.value for text in each.texts)) for each in items]
            cells = []
            for column in zip(*marks, strict=True):
                more = sum(flag and free for flag, free in zip(column, passed, strict=True))
                cells.append(f"{sum(column)} ({more})")
            stopped = len(rows) - sum(passed)
            yield f"{name:<16} {label:<8} {len(rows):>5} {stopped:>8} " + " ".join(f"{cell:>8}" for cell in cells)


def pieces(folder: Path) -> list[str]:
    """Pieces of documents below a folder, in an order that is the same in every run."""
    chance = random.Random(1)  # noqa: S311 - a sample, no secret
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    chance.shuffle(files)
    texts: list[str] = []
    for file in files:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) > 300:
            start = chance.randrange(max(1, len(text) - PIECE))
            texts.append(text[start : start + PIECE])
        if len(texts) == PIECES:
            break
    return texts


def main(folders: Sequence[Path]) -> None:
    started = time.process_time()
    classifier = OnnxClassifier("medium")
    print(f"loaded in {time.process_time() - started:.2f} s of processor time")
    presets = [OnnxClassifier(name).preset for name in NAMES]
    for line in corpora(classifier, presets):
        print(line)
    for folder in folders:
        marks = [flags(classifier, presets, text) for text in pieces(folder)]
        shares = (f"{name} {sum(column)}" for name, column in zip(NAMES, zip(*marks, strict=True), strict=True))
        print(f"{folder}: of {len(marks)} pieces flagged: {', '.join(shares)}")
    text = "The meeting moved to Thursday, and Ada brings the figures for the third quarter with her. " * 223
    started = time.process_time()
    flags(classifier, presets, text[:20_000])
    print(f"20,000 characters of prose: {1000 * (time.process_time() - started):.0f} ms of processor time")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
