"""How help is shown: commands in groups, each with its first sentence whole, and values in capitals (`--port PORT`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperGroup

from cli.parameters import spare_unset

#: The commands of `ringwall --help` by what somebody is about to do; whatever stands in no group comes last.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Start": ("demo", "scan", "init", "onboard", "model", "clients", "local"),
    "Look and review, offline": (
        "list",
        "plan",
        "check",
        "explain",
        "who",
        "test",
        "diff",
        "comment",
        "lock",
        "editions",
    ),
    "Deploy": (
        "doctor",
        "preview",
        "up",
        "status",
        "outputs",
        "refresh",
        "cancel",
        "repair",
        "import",
        "adopt",
        "destroy",
        "offboard",
    ),
    "Run the guard": ("host", "guard", "audit", "gateway", "keys", "agents", "hosted"),
    "Prove and react": ("verify", "drift", "lockdown", "revoke"),
    "Tooling": ("engine", "schema", "migrate", "help", "version"),
}


class Commands(TyperGroup):
    """Shows the first sentence of each command whole, on two lines where it must be."""

    groups: Mapping[str, tuple[str, ...]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        spare_unset(self)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        commands: dict[str, Any] = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = {
            name: command.get_short_help_str(limit=1000) for name, command in commands.items() if not command.hidden
        }
        width = max(map(len, rows), default=0)
        for title, names in self.sections(list(rows)).items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), rows[name]) for name in names])

    def sections(self, names: list[str]) -> dict[str, list[str]]:
        """The titles of the groups, each with its commands."""
        if not self.groups:
            return {"Commands": names}
        grouped = {title: [name for name in members if name in names] for title, members in self.groups.items()}
        last = list(grouped)[-1]
        grouped[last] += [name for name in names if not any(name in members for members in grouped.values())]
        return grouped


def in_one_style(command: Any) -> Any:
    """The command, its arguments and options with words in capitals for values, and no type of Python's."""
    for child in getattr(command, "commands", {}).values():
        in_one_style(child)
    if not isinstance(command, Commands):
        spare_unset(command)
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            parameter.metavar = parameter.metavar or parameter.name.upper()
            name = parameter.metavar.removesuffix("...") + ("..." if parameter.nargs != 1 else "")
            parameter._usage_display_name = lambda name=name, needed=parameter.required: name if needed else f"[{name}]"
            parameter._rich_display_name = lambda name=name: name
            parameter.display_type_rich = lambda ctx: None
        elif parameter.metavar is None and not parameter.is_flag and not parameter.count:
            choices = parameter.type_descriptor.choices
            words = [str(getattr(choice, "value", choice)) for choice in choices or ()]
            parameter.metavar = "|".join(words) or parameter.name.upper().rpartition("_")[2]
    return command
