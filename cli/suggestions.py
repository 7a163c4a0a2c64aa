"""Suggested commands as they are shown: with the options in force, so that whoever pastes one stays where they were.

Errors, remedies and next steps come from every floor, and only this one knows `--sandbox` and `--project`. So a suggested
command is completed here, when it is printed, and nowhere else: what a line names in backticks, or as the whole of itself.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from cli.commands import COMMANDS
from cli.invocation import Invocation
from cli.root_commands import load
from model.stack_names import ZONE_PREFIX, environment_of, server_of

_QUOTED = re.compile(r"(?<=`)ringwall [^`\n]+(?=`)")
_WHOLE_LINE = re.compile(r"(?m)^(?P<before> *(?:Next: )?)(?P<command>ringwall [^`#\n]*[^`#\n ])(?P<after> *(?:#.*)?)$")
#: Keys of a JSON document that hold a suggestion; what servers and clients said is never changed.
_JSON_KEYS = frozenset({"error", "line", "message", "next", "note", "remedies", "remedy", "repair"})


def complete(text: str, options: Invocation) -> str:
    """The text, its suggested commands completed with those of the options in force that they take."""
    if "ringwall " not in text or not (_in_force(options) or options.stack):
        return text
    text = _QUOTED.sub(lambda match: command_line(match[0], options), text)
    return _WHOLE_LINE.sub(
        lambda match: f"{match['before']}{command_line(match['command'], options)}{match['after']}", text
    )


def complete_document(value: Any, options: Invocation, *, suggestion: bool = False) -> Any:
    """A JSON document, the suggested commands in it completed."""
    if not (_in_force(options) or options.stack):
        return value
    if isinstance(value, dict):
        return {key: complete_document(item, options, suggestion=key in _JSON_KEYS) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [complete_document(item, options, suggestion=suggestion) for item in value]
    return complete(value, options) if suggestion and isinstance(value, str) else value


def command_line(command: str, options: Invocation) -> str:
    """One command, its words as they are and the options in force behind them."""
    try:
        words = shlex.split(command)
    except ValueError:  # an apostrophe of prose: this is no command
        return command
    front, dashes, program = command.partition(" -- ")
    named = _with_stack(front, words, options.stack)
    if named == front and _is_bare(words) and any(parameter.required for parameter in _parameters(words)):
        return command  # prose that names a command, such as “the closing of `ringwall lockdown`”
    known = {option for parameter in _parameters(words) for option in parameter.opts} - set(words)
    missing = [part for option, parts in _in_force(options).items() if option in known for part in parts]
    return f"{named}{f' {shlex.join(missing)}' if missing else ''}{dashes}{program}"


def _in_force(options: Invocation) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    if options.sandbox:
        words["--sandbox"] = ["--sandbox"]
    if options.project is not None:
        words["--project"] = ["--project", str(options.project)]
    return words


def _with_stack(command: str, words: list[str], stack: str | None) -> str:
    """The command with the call's own stack where it says ENV.SERVER, or names none although it needs one."""
    if stack is None:
        return command
    names = {"STACK": stack}
    if not stack.startswith(ZONE_PREFIX):
        names["ENV"] = environment_of(stack)
    if server_of(stack):
        names |= {"ENV.SERVER": stack, "SERVER|PATH": stack}
    if "ENV.SERVER" in words:
        return command.replace("ENV.SERVER", names.get("ENV.SERVER", "ENV.SERVER"))
    needed = [parameter for parameter in _parameters(words) if _is_argument(parameter) and parameter.required]
    if len(needed) == 1 and _is_bare(words) and (name := names.get(needed[0].metavar)):
        return f"{command} {name}"
    return command


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _is_bare(words: list[str]) -> bool:
    """Whether a command stands there without any argument or option."""
    return len(words) > 1 and words[1] in COMMANDS and len(words) == (3 if hasattr(load(words[1]), "commands") else 2)


def _parameters(words: list[str]) -> list[Any]:
    """The arguments and options that a command takes; none of a command that there is not."""
    if len(words) < 2 or words[1] not in COMMANDS:
        return []
    command = load(words[1])
    if hasattr(command, "commands"):
        command = command.commands.get(words[2]) if len(words) > 2 else None
    return list(getattr(command, "params", ()))
