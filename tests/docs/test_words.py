"""Names in the product are nouns of the field, and a class name has one meaning."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.docs.test_floors import ROOMS, ROOT

#: Words that say how something is spoken of and not what it is.
GRAMMAR = frozenset(
    {
        "one",
        "other",
        "others",
        "another",
        "found",
        "told",
        "beside",
        "aside",
        "whole",
        "looking",
        "looked",
        "look",
        "mine",
        "theirs",
        "ours",
        "was",
        "now",
        "said",
        "says",
        "saying",
        "met",
        "either",
        "both",
        "rest",
        "this",
        "that",
        "these",
        "those",
        "here",
        "there",
        "it",
        "them",
        "again",
        "more",
        "less",
        "done",
        "gone",
        "given",
        "taken",
        "made",
        "seen",
        "wanted",
        "asked",
        "kept",
        "left",
        "what",
        "which",
        "who",
        "where",
        "why",
        "how",
        "when",
        "thing",
        "things",
        "way",
        "come",
        "came",
        "go",
        "goes",
        "went",
        "so",
        "too",
        "just",
        "own",
        "same",
        "such",
        "some",
    }
)
#: Members of documents that users, CI or the schema read, and of the engine's protocol.
KEYS = {("plan/drift.py", "what")}
#: The names that the package's schema gives (docs/howto/package.md), which are those of the stack files they hold.
SCHEMA = {"Environment"}


def product() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text("utf-8"))


def given_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a module gives: to variables, parameters, functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


def test_no_name_is_a_grammar_word() -> None:
    words = [
        f"{file}:{line}: {name}"
        for file, tree in product()
        for line, name in given_names(tree)
        if name.strip("_").lower() in GRAMMAR and (file, name) not in KEYS
    ]
    assert words == []


def test_a_class_name_has_one_meaning() -> None:
    files: dict[str, list[str]] = defaultdict(list)
    for file, tree in product():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                files[node.name].append(file)
    assert {name for name, places in files.items() if len(places) > 1} == SCHEMA


def test_every_module_says_what_is_in_it() -> None:
    silent = [file for file, tree in product() if tree.body and ast.get_docstring(tree) is None]
    assert silent == []
