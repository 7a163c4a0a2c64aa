"""The check of a locked tool's arguments, compiled by one function for the guard, `ringwall check` and `guard bundle`.

What one of them cannot compile, none can, so that no tool fails first on the host.
"""

from __future__ import annotations

from collections.abc import Iterator

from model.schemas import Checker, Unenforceable, compile_schema
from model.tool_lock import ToolEntry, ToolLock

SCHEMA = "/inputSchema"


def check_of(tool: ToolEntry) -> Checker:
    """The function that judges the arguments of a call by the pinned input schema (`model.schemas.compile_schema`).

    Raises:
        Unenforceable: the schema cannot be enforced, or has patterns that cannot and that the lock does not leave to the
            server. The pointer is the place in the definition.
    """
    left = [place.removeprefix(SCHEMA) for place in tool.left_to_server]
    try:
        return compile_schema(tool.definition.get("inputSchema", {"type": "object"}), left_to_server=left)
    except Unenforceable as error:
        raise Unenforceable(error.problem, SCHEMA + error.pointer) from None


def unenforceable(lock: ToolLock) -> Iterator[tuple[ToolEntry, Unenforceable]]:
    """Every tool of the lock that the guard would refuse, with the place and the reason."""
    for tool in lock.tools:
        try:
            check_of(tool)
        except Unenforceable as error:
            yield tool, error
