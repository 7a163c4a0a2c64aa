"""`ringwall outputs`: shows what a deployed stack exports."""

from __future__ import annotations

import json

from cli import console
from cli.project import current_project
from cli.target import target_of
from engine.state import live_resources
from engine.state import outputs as read_outputs
from model.errors import InputError, NoSuchStack
from model.suggestions import did_you_mean


def outputs(
    stack: str,
    *,
    name: str | None,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall outputs` does; its flags and help are in `cli.flags.outputs`."""
    project = current_project()
    with target_of(project, sandbox=sandbox, plugins=False) as target:
        try:
            values = read_outputs(project, stack, target=target)
        except NoSuchStack:
            values = {}
        deployed = bool(values) or live_resources(project, stack, target)
    if not deployed:
        raise InputError(f"{stack} is not deployed", remedy=f"run `ringwall up {stack}`")
    if name is not None:
        if name not in values:
            raise InputError(f"{stack} exports no {name}", remedy=did_you_mean(name, values))
        value = values[name]
        print(value.rstrip("\n") if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True))
    elif as_json:
        console.print_json({"version": 1, "stack": stack, "outputs": values})
    else:
        for key, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            first, _, continuation = text.rstrip("\n").partition("\n")
            console.say(f"{key}: {first}{f' … (ringwall outputs {stack} {key} prints all)' if continuation else ''}")
