"""`ringwall model`: proposes and writes a model route's stack file, and lists the models of a project."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from cli import console
from cli.onboard_answers import ask_access, environment_and_server, host_of
from cli.project import current_project
from model.errors import InputError
from model.project import load_environment
from model.stacks import ModelStack
from operations.model_route.overview import overview
from operations.model_route.proposal import models_from, next_steps, propose_route
from operations.model_route.snippets import base_url
from operations.onboard.propose import access_value, default_hostname
from operations.project.new_project import refresh_schema
from operations.project.write import apply


def add(
    route: str,
    models: Sequence[str],
    *,
    credential: Sequence[str],
    url: Sequence[str],
    grant: Sequence[str],
    hostname: str | None,
    host: str | None,
    guard_port: int | None,
    people: Sequence[str],
    domain: Sequence[str],
    group: Sequence[str],
    agent: Sequence[str],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """What `ringwall model add` does; its flags and help are in `cli.flags.model`."""
    env, name = environment_and_server(route, None)
    project = current_project()
    file = project.stack_file(f"{env}.{name}")
    if file.is_file():
        raise InputError("is there already", file=file, remedy="edit it, or choose another name")
    chosen = models_from(models, credential, url)
    environment = load_environment(project, env)
    access = access_value(list(people), list(domain), list(group), list(agent)) or ask_access(yes)
    proposal = propose_route(
        project,
        environment,
        name,
        models=chosen,
        access=access,
        host=host or host_of(environment, yes),
        hostname=hostname or default_hostname(environment, name),
        guard_port=guard_port,
        grants=grant,
    )
    change = proposal.change
    if dry_run:
        console.say(f"--- {change.path} (not written)\n{(change.after or b'').decode()}")
    else:
        if not console.ask(f"Write {change.path.name}?", yes=yes):
            console.note("nothing was written")
            raise typer.Exit(1)
        apply([change])
        refresh_schema(project)
        console.say(f"wrote {change.path}")
    if as_json:
        console.print_json(
            {
                "version": 1,
                "stack": proposal.stack.stack,
                "written": not dry_run,
                "files": [str(change.path)],
                "base_url": base_url(proposal.stack),
                "models": sorted(proposal.stack.manifest.models),
            }
        )
    if not dry_run:
        for line in next_steps(proposal):
            console.say(line)


def list_routes(environment: str | None, *, as_json: bool) -> None:
    """What `ringwall model list` does; its flags and help are in `cli.flags.model`."""
    project = current_project()
    names = project.environments() if environment is None else [environment]
    routes: list[ModelStack] = [route for name in names for route in load_environment(project, name).models.values()]
    rows: list[dict[str, Any]] = [overview(route) for route in routes]
    if as_json:
        console.print_json({"version": 1, "routes": rows})
        return
    if not rows:
        console.say("no model routes yet; see `ringwall help model add`")
    for row in rows:
        state = "; closed by a lockdown" if row["closed"] else ""
        console.say(f"{row['stack']}: {row['base_url']}{state}")
        for label, text in row["limits"].items():
            console.say(f"  {label.replace('_', ' ')}: {text}")
        console.table(
            ["model", "provider", "prompts go to", "granted to"],
            [
                [model["name"], ", ".join(model["providers"]), ", ".join(model["addresses"]), _granted(model)]
                for model in row["models"]
            ],
        )


def _granted(model: dict[str, Any]) -> str:
    return (
        "; ".join(grant["to"] + (f" ({grant['budget']})" if grant["budget"] else "") for grant in model["grants"])
        or "nobody"
    )
