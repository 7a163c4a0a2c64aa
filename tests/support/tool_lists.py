"""Reads the labelled table of real servers' tools (`tests/operations/onboard/tool_lists.tsv`) into definitions.

The table holds names, parameters and hints as the servers offered them, and what a person judged each tool to do. It was
written down before the judgement was tuned; no description is in it, so the text of a tool helps nobody here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

TABLE = Path(__file__).parents[1] / "operations" / "onboard" / "tool_lists.tsv"
Label = Literal["read", "write", "execute", "secret"]
_TYPES = {"b": "boolean", "i": "integer", "n": "number", "a": "array", "o": "object"}
_HINTS = {"R": "readOnlyHint", "D": "destructiveHint", "O": "openWorldHint"}


@dataclass(frozen=True)
class LabelledTool:
    """A tool as offered, and what it does: its class (`secret` reads what nobody should be handed) and whether it sends."""

    server: str
    label: Label
    sends: bool
    definition: dict[str, Any]


def labelled_tools() -> list[LabelledTool]:
    """Every tool of the table, in its order."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [_tool(line.split("\t")) for line in lines[1:]]


def _tool(cells: list[str]) -> LabelledTool:
    server, name, label, sends, hints, parameters = cells
    definition: dict[str, Any] = {
        "name": name,
        "inputSchema": {"type": "object", "properties": dict(map(_parameter, filter(None, parameters.split(","))))},
    }
    annotations = {_HINTS[letter.upper()]: letter.isupper() for letter in hints if letter != "-"}
    if annotations:
        definition["annotations"] = annotations
    return LabelledTool(server, label, sends == "sends", definition)  # type: ignore[arg-type]


def _parameter(text: str) -> tuple[str, dict[str, Any]]:
    declared, _, values = text.partition("=")
    name, _, kind = declared.partition(":")
    schema: dict[str, Any] = {"type": _TYPES.get(kind, "string")}
    if values.startswith("{"):
        schema["properties"] = {inner: {"type": "string"} for inner in values.strip("{}").split(";") if inner}
    elif values:
        schema["enum"] = values.split("|")
    return name, schema
