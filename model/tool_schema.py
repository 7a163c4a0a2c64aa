"""The check of a locked tool's arguments, compiled by one function for the guard, `ringwall check` and `guard bundle`.

What one of them cannot compile, none can, so that no tool fails first on the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from model.schemas import Checker, Unenforceable, compile_schema
from model.strict_arguments import compile_strict
from model.text import visible
from model.tool_lock import ToolLock

SCHEMA = "/inputSchema"


def check_of(
    definition: Mapping[str, Any], left_to_server: Iterable[str] = (), *, strict_arguments: bool = False
) -> Checker:
    """The function that judges the arguments of a call by the pinned input schema (`model.schemas.compile_schema`).

    Args:
        left_to_server: patterns in the definition that only the server enforces.
        strict_arguments: refuse what the schema does not name too (`model.strict_arguments`).

    Raises:
        Unenforceable: the schema cannot be enforced, or has patterns that cannot and that the lock does not leave to the
            server. The pointer is the place in the definition.
    """
    patterns = [place.removeprefix(SCHEMA) for place in left_to_server]
    schema = definition.get("inputSchema", {"type": "object"})
    try:
        fits = compile_schema(schema, left_to_server=patterns)
        if not strict_arguments:
            return fits
        named = compile_strict(schema)
    except Unenforceable as error:
        raise Unenforceable(error.problem, SCHEMA + error.pointer) from None
    return lambda arguments: fits(arguments) or named(arguments)


def unenforceable_lines(lock: ToolLock) -> Iterator[str]:
    """What the guard will say of every tool of the lock that it will refuse."""
    for tool in lock.tools:
        try:
            check_of(tool.definition, tool.left_to_server, strict_arguments=lock.is_strict(tool))
        except Unenforceable as error:
            yield f"the guard will refuse the tool {visible(tool.name)}: its input schema cannot be enforced: {error}"
