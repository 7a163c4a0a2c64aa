"""What a reviewer says of arguments: each one's kind, where the inferred one is not what the tool is for."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import get_args

from model.errors import InputError
from model.parameter_kinds import kinds_in_force, page_parameters
from model.text import visible
from model.tool_lock import ParameterKind, ToolEntry, ToolLock

FLAG = "--parameter"
KINDS: tuple[ParameterKind, ...] = get_args(ParameterKind)

#: What is left where the schema does not name the argument.
_UNNAMED = "what no schema names can be let pass by `guard.exceptions` in the stack file alone"

#: Kinds by place, by tool.
Choices = Mapping[str, Mapping[str, ParameterKind]]


def read_choices(lock: ToolLock, values: Iterable[str]) -> Choices:
    """What `--parameter TOOL:PLACE=KIND` says.

    Raises:
        InputError: there is no such tool, text argument or kind.
    """
    choices: dict[str, dict[str, ParameterKind]] = {}
    for value in values:
        subject, _, word = value.rpartition("=")
        kind = next((known for known in KINDS if known == word), None)
        if kind is None:
            raise InputError(f"{visible(word)} is no kind", key=FLAG, remedy=f"give one of {', '.join(KINDS)}")
        tool = _tool(lock, subject)
        place = subject[len(tool.name) + 1 :]
        places = kinds_in_force(tool)
        if place not in places:
            shown = ", ".join(f"{visible(at)} ({known})" for at, known in sorted(places.items()))
            raise InputError(
                f"{visible(tool.name)} has no text argument {visible(place) or 'without a place'}",
                key=FLAG,
                remedy=f"name one of {shown}" if shown else f"leave it out: its schema names none, and {_UNNAMED}",
            )
        choices.setdefault(tool.name, {})[place] = kind
    return choices


def _tool(lock: ToolLock, subject: str) -> ToolEntry:
    named = [tool for tool in lock.tools if subject.startswith(f"{tool.name}:")]
    if not named:
        raise InputError(
            f"{visible(subject)} names no tool of the server",
            key=FLAG,
            remedy="write TOOL:/ARGUMENT=KIND, such as browser_navigate:/url=local_url",
        )
    return max(named, key=lambda tool: len(tool.name))


def with_choices(lock: ToolLock, choices: Choices) -> ToolLock:
    """The lock with these kinds beside those that it has."""
    tools = tuple(
        tool.model_copy(update={"parameters": {**tool.parameters, **choices[tool.name]}})
        if tool.name in choices
        else tool
        for tool in lock.tools
    )
    return lock.model_copy(update={"tools": tools})


def page_command(lock: ToolLock, stack: str) -> str | None:
    """The command by which a browser's tools may open pages of the guard's own machine; None where none opens any."""
    options = [
        f"{FLAG} {shlex.quote(f'{tool.name}:{place}=local_url')}"
        for tool in lock.tools
        for place in page_parameters(tool.definition, kinds_in_force(tool))
        if visible(f"{tool.name}{place}") == f"{tool.name}{place}"
    ]
    return " ".join([f"ringwall lock approve {stack}", *options]) if options else None
