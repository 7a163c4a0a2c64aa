"""The check of a locked tool's arguments, compiled by one function for the guard, `ringwall check` and `guard bundle`.

What one of them cannot compile, none can, so that no tool fails first on the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.schemas import Checker, Unenforceable, compile_schema
from model.text import visible
from model.tool_lock import ToolLock

SCHEMA = "/inputSchema"


def check_of(definition: Mapping[str, Any], left_to_server: Iterable[str] = ()) -> Checker:
    """The function that judges the arguments of a call by the pinned input schema (`model.schemas.compile_schema`).

    Raises:
        Unenforceable: the schema cannot be enforced, or has patterns that cannot and that the lock does not leave to the
            server. The pointer is the place in the definition.
    """
    patterns = [place.removeprefix(SCHEMA) for place in left_to_server]
    try:
        return compile_schema(definition.get("inputSchema", {"type": "object"}), left_to_server=patterns)
    except Unenforceable as error:
        raise Unenforceable(error.problem, SCHEMA + error.pointer) from None


def unenforceable_lines(lock: ToolLock) -> Iterator[str]:
    """What the guard will say of every tool of the lock that it will refuse."""
    for tool in lock.tools:
        try:
            check_of(tool.definition, tool.left_to_server)
        except Unenforceable as error:
            yield f"the guard will refuse the tool {visible(tool.name)}: its input schema cannot be enforced: {error}"
