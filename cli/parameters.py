"""How Typer reads the parameters of a command: one that is not given is not sent through pydantic.

Typer makes a pydantic adapter for every parameter that it reads, given or not, and importing pydantic takes 0.1 s: more than
all the rest of `ringwall up --help`, or of completing a stack's name.
"""

from __future__ import annotations

from typing import Any


def spare_unset(command: Any) -> None:
    """Read the parameters of `command` that are not given as Typer does, without an adapter."""
    parameters_of = command.get_params

    def get_params(context: Any) -> Any:
        # Typer adds `--help` here, and the options of completion after the command was made.
        parameters = parameters_of(context)
        for parameter in parameters:
            if "process_value" not in vars(parameter):
                parameter.process_value = _reader(parameter)
        return parameters

    command.get_params = get_params


def _reader(parameter: Any) -> Any:
    read = parameter.process_value

    def process_value(context: Any, value: Any) -> Any:
        # While a shell completes, what would be an error counts as not given, and so do empty lists.
        unset = (
            not value and value is not False if context.resilient_parsing else value is None and not parameter.required
        )
        if not unset:
            return read(context, value)
        value = () if parameter.multiple or parameter.nargs == -1 else None
        return value if parameter.callback is None else parameter.callback(context, parameter, value)

    return process_value
