"""`ringwall editions`: shows who enforces which protection."""

from __future__ import annotations

from cli import console
from cli.project import current_project
from components.editions import TABLE, Protection
from model.errors import InputError
from model.project import load
from model.stacks import EnvironmentStack, PerimeterStack, ZoneStack
from operations.editions import EDITIONS, enforced, enforcer_words, table_document


def editions(stack: str | None, *, as_json: bool) -> None:
    """What `ringwall editions` does; its flags and help are in `cli.flags.editions`."""
    if stack is not None:
        _show_stack(stack, as_json=as_json)
    elif as_json:
        console.print_json({"version": 1, "editions": list(EDITIONS), "protections": table_document()})
    else:
        console.table(
            ["protection", *EDITIONS],
            [
                [protection.value, *(enforcer_words(TABLE[edition][protection]) for edition in EDITIONS)]
                for protection in Protection
            ],
        )


def _show_stack(name: str, *, as_json: bool) -> None:
    stack = load(current_project(), name)
    if isinstance(stack, ZoneStack):
        raise InputError(f"{name} is a zone, which uses nothing of Kong", remedy="name an environment or a server")
    gateway = stack.environment.settings.gateway
    parts: list[EnvironmentStack | PerimeterStack] = [stack]
    if isinstance(stack, EnvironmentStack):
        parts += stack.perimeters
    uses = {part.stack: enforced(part) for part in parts}
    if as_json:
        console.print_json(
            {
                "version": 1,
                "edition": gateway.edition,
                "gateway_version": gateway.version,
                "stacks": {name: [row.as_json() for row in rows] for name, rows in uses.items()},
            }
        )
        return
    for index, (part, rows) in enumerate(uses.items()):
        console.table(
            ["protection", "by", "why"],
            [[row.protection.value, row.by, row.reason] for row in rows],
            title=f"{'' if index == 0 else chr(10)}{part}: Kong {gateway.edition} {gateway.version}",
        )
