"""`ringwall agents`: who the agents are, and a new secret for one of them without an outage."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import console
from cli.options import AsJson, Debug, Environment, ProjectDir, Sandbox, Yes
from cli.project import current_project
from cli.target import target_of
from engine.state import outputs
from model.base import seconds
from model.composer import compose
from model.errors import InputError, NoSuchStack
from model.loader import MAX_DEPTH, KeyPath, parse
from model.project import load_environment
from model.stacks import EnvironmentStack
from operations.project.write import Change, apply, replace_scalar

app = typer.Typer(help="Show agents, and rotate their service tokens.", no_args_is_help=True)
AGENTS: KeyPath = ("config", "ringwall:environment", "agents")


@app.command("show")
def show(
    environment: Environment,
    agent: Annotated[str | None, typer.Argument(help="One agent; else all.", show_default=False)] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Print client secrets too; beyond a terminal only with --yes.")
    ] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show each agent's client id and expiry, where it may call from and which servers admit it."""
    if reveal and not yes and not sys.stdout.isatty():
        raise InputError(
            "client secrets would go to a file or a pipe", key="--reveal", remedy="run it on a terminal, or add --yes"
        )
    found = current_project()
    loaded = load_environment(found, environment)
    chosen = sorted(loaded.settings.agents) if agent is None else [_known(loaded, agent)]
    deployed: dict[str, Any] = {}
    try:
        with target_of(found, sandbox=sandbox, plugins=False) as target:
            deployed = outputs(found, environment, show_secrets=reveal, target=target)
    except NoSuchStack as error:
        if reveal:
            raise
        console.note(f"client ids and expiry are not shown: {error}")
    rows = [describe(loaded, name, deployed, reveal=reveal) for name in chosen]
    if as_json:
        console.print_json({"version": 1, "environment": environment, "agents": rows})
        return
    for row in rows:
        for line in lines(row):
            console.say(line)


def describe(environment: EnvironmentStack, agent: str, deployed: dict[str, Any], *, reveal: bool) -> dict[str, Any]:
    """One agent as the file and the environment's stack outputs tell; `client_secret` is there only with `reveal`.

    Raises:
        InputError: with `reveal`, the deployed environment has no credentials of this agent.
    """
    settings = environment.settings.agents[agent]
    row: dict[str, Any] = {
        "agent": agent,
        "client_id": _of(deployed, "contract", "agents", agent),
        "expires_at": _of(deployed, "agent_expires_at", agent),
        "token_duration": settings.token_duration,
        "secret_version": settings.secret_version,
        "previous_secret_expires_at": settings.previous_secret_expires_at,
        "countries": list(settings.countries),
        "addresses": list(settings.addresses),
        "posture": list(settings.posture),
        "servers": {
            name: manifest.hostname
            for name, manifest in environment.manifests.items()
            if agent in manifest.access.agents
        },
    }
    if reveal:
        row["client_secret"] = _of(deployed, "agent_credentials", agent, "client_secret")
        if row["client_secret"] is None:
            raise InputError(
                f"{environment.name} as deployed has no credentials of {agent}",
                remedy=f"run `ringwall up {environment.name}`",
            )
    return row


def lines(row: dict[str, Any]) -> list[str]:
    """The agent for people."""
    places = [*row["countries"], *row["addresses"]]
    servers = [f"{name} ({hostname})" for name, hostname in row["servers"].items()]
    result = [
        row["agent"],
        f"  client id      {row['client_id'] or 'not deployed'}",
        f"  expires        {row['expires_at'] or 'unknown'} (a token lives {row['token_duration']})",
        f"  calls from     {', '.join(places)}",
        f"  posture        {', '.join(row['posture']) or 'none'}",
        f"  admitted by    {', '.join(servers) or 'no server'}",
        f"  secret         version {row['secret_version']}",
    ]
    if row["previous_secret_expires_at"]:
        result[-1] += f", the one before stops working at {row['previous_secret_expires_at']}"
    if "client_secret" in row:
        result.append(f"  CF-Access-Client-Id: {row['client_id']}")
        result.append(f"  CF-Access-Client-Secret: {row['client_secret']}")
    return result


@app.command("rotate")
def rotate(
    environment: Environment,
    agent: Annotated[str, typer.Argument(help="The agent.", show_default=False)],
    grace: Annotated[str, typer.Option("--grace", help="How long the present secret still works.")] = "24h",
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the next secret version of an agent's service token into the stack file; `ringwall up` then makes it."""
    try:
        keep = timedelta(seconds=seconds(grace))
    except ValueError as error:
        raise InputError(str(error), key="--grace", remedy='write it such as "24h"') from None
    found = current_project()
    loaded = load_environment(found, environment)
    settings = loaded.settings.agents[_known(loaded, agent)]
    now = datetime.now(UTC)
    previous = settings.previous_secret_expires_at
    if previous and datetime.fromisoformat(previous) > now:
        question = f"The secret before the present one of {agent} works until {previous}; rotating now ends it. Rotate?"
        if not console.ask(question, yes=yes):
            console.note("nothing was written")
            raise typer.Exit(1)
    file = loaded.document.file
    before = file.read_bytes()
    version, expires = settings.secret_version + 1, _instant(now + keep)
    after = rotated(before.decode("utf-8"), agent, version, expires)
    parse(after, file)
    apply([Change(file, before, after.encode())])
    if as_json:
        console.print_json(
            {
                "version": 1,
                "environment": environment,
                "agent": agent,
                "secret_version": version,
                "previous_secret_expires_at": expires,
                "next": f"ringwall up {environment}",
            }
        )
    console.say(f"{file}: {agent} gets secret version {version}; the present one stops working at {expires}")
    console.say(
        f"Commit it and run `ringwall up {environment}`, then `ringwall agents show {environment} {agent} --reveal`."
    )


def rotated(text: str, agent: str, version: int, expires: str) -> str:
    """The stack file's text with both keys of the agent set; nothing else changes.

    Raises:
        InputError: the file has no such agent.
    """
    here = (*AGENTS, agent)
    missing: list[str] = []
    for key, scalar in (("secret_version", str(version)), ("previous_secret_expires_at", f'"{expires}"')):
        if _has(text, (*here, key)):
            text = replace_scalar(text, (*here, key), scalar)
        else:
            missing.append(f"{key}: {scalar}")
    if not missing:
        return text
    node = _mapping(text, here)
    if node is None:
        raise InputError(f"the file has no agent {agent}")
    start = node.start_mark
    if node.flow_style:
        # Right behind the brace.
        return f"{text[: start.index + 1]}{', '.join(missing)}, {text[start.index + 1 :]}"
    end = "\r\n" if "\r\n" in text else "\n"
    return text[: start.index] + "".join(f"{line}{end}{' ' * start.column}" for line in missing) + text[start.index :]


def _mapping(text: str, path: KeyPath) -> Any:
    node, _ = compose(text, MAX_DEPTH + 2)
    for part in path:
        node = next((value for key, value in node.value if key.value == part), None) if node is not None else None
    return node


def _has(text: str, path: KeyPath) -> bool:
    return path in parse(text, Path("text")).lines


def _known(environment: EnvironmentStack, agent: str) -> str:
    if agent not in environment.settings.agents:
        raise InputError(
            f"there is no agent {agent}",
            file=environment.document.file,
            key="agents",
            remedy=f"use one of {', '.join(sorted(environment.settings.agents)) or 'none'}",
        )
    return agent


def _of(outputs: dict[str, Any], *path: str) -> str | None:
    value: Any = outputs
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
