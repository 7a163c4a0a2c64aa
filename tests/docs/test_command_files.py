"""Each command is one short file of flags and one of work, and the flags are read without importing the work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "cli").rglob("*.py"))
LENGTH = 150
#: A measured time, such as `0.4 s` or `0.02 s`, or the line above one.
FIGURE = re.compile(r"\d(\.\d+)? s\b")
#: What a file of flags imports: it names options and types of the standard library, and nothing that takes long.
LIGHT = {"__future__", "cli", "collections", "enum", "pathlib", "typer", "typing"}


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)))


def late_imports(tree: ast.Module) -> list[ast.Import | ast.ImportFrom]:
    """The imports inside functions."""
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return [node for function in functions for node in imports(function)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_of_the_command_line_is_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LENGTH


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_late_import_carries_the_time_it_saves(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    unmeasured = [
        node.lineno
        for node in late_imports(ast.parse("\n".join(lines)))
        # The figure stands on the import's own line, or in a comment shortly above a block of them.
        if not FIGURE.search("\n".join(lines[max(0, node.lineno - 4) : node.lineno]))
    ]
    assert unmeasured == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_file_of_the_command_line_says_what_is_in_it(file: Path) -> None:
    assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_of_a_command_import_nothing_that_takes_long(name: str) -> None:
    file = ROOT / f"{COMMANDS[name].module.replace('.', '/')}.py"
    assert file.parent.name == "flags"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    named = {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
    # The kinds of object that `ringwall import` takes are an enumeration of the engine's, which imports nothing.
    named -= {"engine.repair.kinds"}
    assert {module.partition(".")[0] for module in named} <= LIGHT
    ours = {module for module in named if module.startswith("cli.")}
    assert all(module == "cli.options" or module.startswith("cli.flags.") for module in ours)
