"""What the arguments of a request's own tools are: a path, a command, a text, as the tools' definitions say.

The same as for the tools of an MCP server (`model.parameter_kinds`): it takes only those rules away that make no sense
for an argument. Whoever offers the tools runs them too, so nobody else could gain by a wrong definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.parameter_kinds import parameter_kinds
from model.tool_lock import ParameterKind

NO_KINDS: Mapping[str, ParameterKind] = {}


class ToolKinds:
    """The kinds of the tools that a request of any kind offers, read when a tool is called."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._body = body
        self._definitions: dict[str, Mapping[str, Any]] | None = None
        self._kinds: dict[str, Mapping[str, ParameterKind]] = {}

    def of(self, call: Any, place: str) -> Mapping[str, ParameterKind]:
        """The kinds of a call's arguments, which stand at `place`; none for a tool that the request does not offer."""
        name = call.get("name") if isinstance(call, dict) else None
        if not isinstance(name, str):
            return NO_KINDS
        if name not in self._kinds:
            self._kinds[name] = self._read(name)
        return {f"{place}{pointer}": kind for pointer, kind in self._kinds[name].items()}

    def _read(self, name: str) -> Mapping[str, ParameterKind]:
        if self._definitions is None:
            self._definitions = {tool["name"]: tool for tool in self._tools()}
        definition = self._definitions.get(name)
        if definition is None:
            return NO_KINDS
        shown = {
            "name": name,
            "description": definition.get("description"),
            "inputSchema": definition.get("parameters"),
        }
        return parameter_kinds(shown, "unknown")

    def _tools(self) -> list[Mapping[str, Any]]:
        definitions: list[Mapping[str, Any]] = []
        for member in ("tools", "functions"):
            tools = self._body.get(member)
            for tool in tools if isinstance(tools, list) else ():
                definition = tool.get("function", tool) if isinstance(tool, dict) else None
                if isinstance(definition, dict) and isinstance(definition.get("name"), str):
                    definitions.append(definition)
        return definitions
