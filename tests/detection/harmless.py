"""Harmless texts of packages, in pieces as long as what a tool returns. Whatever is stopped in them is wrong."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from heapq import nsmallest
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from typing import Any, Final

from guard.inspect.verdict import Leg
from tests.detection.attacks import environment, rows, strings

#: Characters of a piece at most; longer documents are cut between paragraphs.
PIECE: Final = 2000
#: Shorter strings are names and numbers.
SHORTEST: Final = 20
#: Pieces of a set at most; of more, those with the smallest hashes.
MOST: Final = 1500


@dataclass(frozen=True)
class HarmlessSet:
    """Texts of one kind on the leg where they would stand. `package` is empty for what is installed beside Ringwall."""

    name: str
    package: str
    leg: Leg
    read: Callable[[Path], Iterable[str]]
    seen: bool = True
    #: Whether the texts hold prompts for models themselves, or are such: counted, and left out of the sum.
    prompts: bool = False

    def texts(self, root: Path) -> list[str]:
        """The pieces that are judged, each once."""
        return nsmallest(
            MOST, dict.fromkeys(self.read(root)), key=lambda text: sha256(text.encode("utf-8", "replace")).digest()
        )


def pieces(text: str) -> Iterator[str]:
    """A document in pieces of at most `PIECE` characters, cut between paragraphs where it can be."""
    piece = ""
    for paragraph in re.split(r"(?<=\n)\n+", text):
        if piece and len(piece) + len(paragraph) > PIECE:
            yield piece
            piece = ""
        piece = f"{piece}\n{paragraph}" if piece else paragraph
        while len(piece) > PIECE:
            yield piece[:PIECE]
            piece = piece[PIECE:]
    if len(piece.strip()) >= SHORTEST:
        yield piece


def _files(folder: str, *patterns: str) -> Callable[[Path], Iterator[str]]:
    def read(root: Path) -> Iterator[str]:
        for pattern in patterns:
            for path in sorted((root / folder).rglob(pattern)):
                yield from pieces(path.read_text(encoding="utf-8", errors="replace"))

    return read


def _environments(root: Path) -> Iterator[str]:
    """Mails, events, files, reviews and chats of AgentDojo's environments, without injections."""
    for suite in ("banking", "slack", "travel", "workspace"):
        for text in environment(root, suite):
            plain = re.sub(r"\{\w+\}", "", text)
            if len(plain) >= SHORTEST:
                yield plain


def _readmes(_: Path) -> Iterator[str]:
    """The READMEs of all packages that `requirements-dev.lock` names, as their metadata carry them."""
    for distribution in sorted(distributions(), key=lambda each: each.name or ""):
        yield from pieces((distribution.read_text("METADATA") or "").partition("\n\n")[2])


def _descriptions(root: Path) -> Iterator[str]:
    """What AWS says of each twentieth operation and member, as a tool's description would say it."""

    def every(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            described = value.get("documentation")
            if isinstance(described, str):
                yield re.sub(r"<[^>]{1,200}>", "", described)
            for item in value.values():
                yield from every(item)

    for path in sorted(root.rglob("service-2.json.gz")):
        texts = every(json.loads(gzip.decompress(path.read_bytes())))
        yield from (text[:PIECE] for text in islice(texts, 0, None, 20) if len(text) >= SHORTEST)


def _conversations(root: Path) -> Iterator[str]:
    """What callers of help desks want, in the words of the tasks of tau2."""
    for path in sorted((root / "inspect_evals/tau2/data").rglob("tasks*.json")):
        yield from (text for text in strings(json.loads(path.read_text("utf-8"))) if len(text) >= 4 * SHORTEST)


_TRANSLATED = re.compile(r'^msgstr(?:\[\d\])? ((?:"(?:[^"\\\n]|\\.)*"\n?)+)', re.MULTILINE)


def translated(catalogue: str) -> str:
    """The translations of a gettext catalogue, each a paragraph."""
    strings = ("".join(map(json.loads, found[1].splitlines())) for found in _TRANSLATED.finditer(catalogue))
    return "\n\n".join(string for string in strings if string and not string.startswith("Project-Id-Version"))


def _catalogues(root: Path) -> Iterator[str]:
    """What a program says to its users, in every language that it is translated to."""
    for path in sorted(root.rglob("*.po")):
        yield from pieces(translated(path.read_text(encoding="utf-8")))


def _bastion(root: Path) -> Iterator[str]:
    return (row["text"] for row in rows(root / "bastioncorpus/corpus/injections.jsonl") if row["label"] == "benign")


def _spikee(root: Path) -> Iterator[str]:
    folder = root / "spikee/data/workspace/datasets/seeds-investment-advice-fp"
    return (row["text"] for row in rows(folder / "standalone_user_inputs.jsonl"))


HARMLESS: Final = (
    HarmlessSet("AgentDojo's environments", "agentdojo", Leg.RESULTS, _environments),
    HarmlessSet("AWS: examples of commands", "awscli", Leg.RESULTS, _files("awscli/examples", "*.rst")),
    HarmlessSet("AWS: descriptions, as of tools", "botocore", Leg.DEFINITIONS, _descriptions),
    HarmlessSet("npm's documentation", "npm", Leg.RESULTS, _files("package", "*.md")),
    HarmlessSet("Fastify's documentation", "fastify", Leg.RESULTS, _files("package", "*.md")),
    HarmlessSet("Pino's documentation", "pino", Leg.RESULTS, _files("package", "*.md")),
    HarmlessSet("READMEs of installed packages", "", Leg.RESULTS, _readmes),
    HarmlessSet("Ansible's code with its documentation", "ansible-core", Leg.RESULTS, _files("ansible", "*.py")),
    HarmlessSet("Sphinx's code", "sphinx", Leg.RESULTS, _files("sphinx", "*.py")),
    HarmlessSet("Django in its languages", "django", Leg.RESULTS, _catalogues),
    HarmlessSet("Wagtail in its languages", "wagtail", Leg.RESULTS, _catalogues),
    HarmlessSet(
        "Inspect's evaluations, with their prompts",
        "inspect-evals",
        Leg.RESULTS,
        _files("inspect_evals", "*.md"),
        prompts=True,
    ),
    HarmlessSet("tau2: roles for a model", "inspect-evals", Leg.PROMPTS, _conversations, prompts=True),
    HarmlessSet("Bastion corpus, harmless", "bastioncorpus", Leg.RESULTS, _bastion, seen=False),
    HarmlessSet("spikee: harmless questions", "spikee", Leg.PROMPTS, _spikee, seen=False),
)
