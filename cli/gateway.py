"""`ringwall gateway`: writes what Kong holds for an environment as a declarative file."""

from __future__ import annotations

from pathlib import Path

from cli import console
from cli.declared_gateway import declared_gateway
from cli.project import current_project
from model.errors import InputError
from model.project import load
from model.stacks import EnvironmentStack, Stack
from model.text import counted
from operations.gateway_file import GatewayFile
from operations.output_file import write_output


def export(
    stack: str, out: Path | None, *, db_less: bool, offline: bool, without_keys: bool, sandbox: bool, as_json: bool
) -> None:
    """What `ringwall gateway export` does; its flags and help are in `cli.flags.gateway`."""
    project = current_project()
    loaded = load(project, stack)
    environment = loaded.environment
    if environment is None:
        raise InputError(
            f"{stack} is a zone, which has no gateway", remedy="name an environment, a server or a model route"
        )
    members: list[Stack] = [loaded] if loaded is not environment else [environment, *environment.perimeters]
    file, keys = declared_gateway(
        project,
        members,
        offline=offline,
        sandbox=sandbox,
        db_less=db_less,
        remark=_remark(stack, environment),
        without_keys=without_keys,
    )
    if out is None:
        if not as_json:
            print(file.text, end="")
    else:
        write_output(out, file.text)
        console.say(f"wrote {counted(file.entities, 'object')} to {out}")
    _notes(file, loaded, db_less=db_less, without_keys=not keys and (offline or sandbox or without_keys))
    if as_json:
        console.print_json(
            {
                "version": 1,
                "stack": stack,
                "file": None if out is None else str(out),
                "text": file.text,
                "entities": file.entities,
                "variables": dict(file.variables),
                "unknown": list(file.unknown),
            }
        )


def _remark(stack: str, environment: EnvironmentStack) -> str:
    gateway = environment.settings.gateway
    return f"Kong {gateway.version} ({gateway.edition}): {stack}, by `ringwall gateway export`. No secret is in it."


def _notes(file: GatewayFile, loaded: Stack, *, db_less: bool, without_keys: bool) -> None:
    """What the file does not hold, and who puts it in."""
    for name, purpose in sorted(file.variables.items()):
        console.note(f"note: decK puts in {purpose} from its variable {name}")
    if file.variables and db_less:
        console.note(
            "warning: Kong itself puts in no variable; render the file for it: "
            "`deck file render --populate-env-vars FILE -o kong.yml`"
        )
    for symbol in file.unknown:
        console.note(f"warning: {symbol} is known once the stack is deployed; no gateway takes the file till then")
    if loaded is not loaded.environment:
        console.note("note: the environment's consumers and their keys are in the file of the environment")
    elif without_keys:
        console.note(
            "warning: the issuers' signing keys are not in it, so a gateway with this file alone lets nobody in"
        )
