"""One report about a real MCP server or client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One report. A test is `file::function`, seen from tests/; a case without one says in `outcome` where it is left."""

    id: str
    title: str
    outcome: str
    tests: tuple[str, ...] = ()
