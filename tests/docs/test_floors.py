"""No two modules of the product depend on one another, neither by a late import nor by one that is there for types."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[2]
#: What `make lint` judges by the contracts of floors.
ROOMS: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["root_packages"]


@cache
def graph() -> grimp.ImportGraph:
    """Who imports whom; imports inside of functions and under TYPE_CHECKING count."""
    return grimp.build_graph(*ROOMS, cache_dir=None)


def circles() -> list[set[str]]:
    """Strongly connected modules (Tarjan), two or more of them."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in sorted(graph().find_modules_directly_imported_by(module)):
            if imported not in index:
                visit(imported)
                low[module] = min(low[module], low[imported])
            elif imported in stack:
                low[module] = min(low[module], index[imported])
        if low[module] == index[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(set(stack[at:]))
            del stack[at:]

    for module in sorted(graph().modules):
        if module not in index:
            visit(module)
    return found


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert circles() == []


def test_every_folder_of_the_product_is_judged() -> None:
    folders = {file.parent.name for file in ROOT.glob("[a-z]*/*.py")}
    assert folders - {"docs", "examples", "tests"} == set(ROOMS)


def test_command_line_alone_knows_the_terminal() -> None:
    own = {"cli", *graph().find_descendants("cli")}
    assert {(by, of) for of in own for by in graph().find_modules_that_directly_import(of) if by not in own} == set()
