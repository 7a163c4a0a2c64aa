"""Reports about real MCP servers and clients: what happens now with each, and the tests that hold it.

The reports come from public trackers and from trials with real servers and clients; an id is a report's number there.
`python -m tests.cases.table` writes README.md beside this file; a test holds both together, and that every test exists.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tests.cases.tracker_reports import FROM_TRACKERS
from tests.cases.trial_reports import FROM_TRIALS

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("README.md")

HEAD = """\
# Reports about real servers and clients

Made by `python -m tests.cases.table`. What a server, client or user does, what happens now, and the tests that hold it.

| Report | What is done | What happens | Held by |
|---|---|---|---|
"""

CASES = (*FROM_TRACKERS, *FROM_TRIALS)


def unknown_tests() -> list[str]:
    """The tests of the table that are nowhere."""
    functions: dict[str, set[str]] = {}
    missing = []
    for test in (test for case in CASES for test in case.tests):
        file, _, name = test.partition("::")
        if file not in functions:
            path = ROOT / "tests" / file
            tree = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
            functions[file] = {
                node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        if name not in functions[file]:
            missing.append(test)
    return missing


def page() -> str:
    """README.md."""
    rows = [
        f"| {case.id} | {case.title} | {case.outcome} | {'<br>'.join(f'`{test}`' for test in case.tests)} |"
        for case in CASES
    ]
    return HEAD + "\n".join(rows) + "\n"


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
