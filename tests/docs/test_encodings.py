"""The product reads and writes text as UTF-8 wherever it runs: no locale of a machine decides, and none stops a command."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.docs.test_words import product

FILES = frozenset({"read_text", "write_text"})
PROGRAMS = frozenset({"run", "Popen", "check_output"})


def calls_that_a_locale_decides(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method, names = node.func.attr, {keyword.arg for keyword in node.keywords}
        # The first argument of `read_text`, the second of `write_text`.
        is_given = "encoding" in names or len(node.args) > (method == "write_text")
        # What another program says may be in any encoding, and is read all the same.
        is_strict = "encoding" in names and "errors" not in names
        if (method in FILES and not is_given) or (method in PROGRAMS and ("text" in names or is_strict)):
            yield node.lineno


def test_text_is_utf_8_in_every_locale() -> None:
    assert [f"{file}:{line}" for file, tree in product() for line in calls_that_a_locale_decides(tree)] == []
