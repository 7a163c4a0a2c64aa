"""`ringwall agents`: who the agents are, and a new secret for one of them without an outage."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from cli import console
from cli.project import current_project
from cli.target import target_of
from engine.state import outputs
from model.base import seconds
from model.errors import InputError, NoSuchStack
from model.loader import parse
from model.project import load_environment
from model.stacks import EnvironmentStack
from model.suggestions import did_you_mean
from operations.agents import describe, rotated
from operations.project.write import FileChange, apply


def show(
    environment: str,
    *,
    agent: str | None,
    reveal: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall agents show` does; its flags and help are in `cli.flags.agents`."""
    if reveal and not yes and not sys.stdout.isatty():
        raise InputError(
            "client secrets would go to a file or a pipe", key="--reveal", remedy="run it on a terminal, or add --yes"
        )
    project = current_project()
    loaded = load_environment(project, environment)
    chosen = sorted(loaded.settings.agents) if agent is None else [_known(loaded, agent)]
    deployed: dict[str, Any] = {}
    try:
        with target_of(project, sandbox=sandbox, plugins=False) as target:
            deployed = outputs(project, environment, show_secrets=reveal, target=target)
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
        *([f"  certificate    {row['common_name']}"] if row["common_name"] else []),
        f"  admitted by    {', '.join(servers) or 'no server'}",
        f"  secret         version {row['secret_version']}",
    ]
    if row["previous_secret_expires_at"]:
        result[-1] += f", the one before stops working at {row['previous_secret_expires_at']}"
    if "client_secret" in row:
        result.append(f"  CF-Access-Client-Id: {row['client_id']}")
        result.append(f"  CF-Access-Client-Secret: {row['client_secret']}")
    return result


def rotate(
    environment: str,
    agent: str,
    *,
    grace: str,
    yes: bool,
    as_json: bool,
) -> None:
    """What `ringwall agents rotate` does; its flags and help are in `cli.flags.agents`."""
    try:
        grace_period = timedelta(seconds=seconds(grace))
    except ValueError as error:
        raise InputError(str(error), key="--grace", remedy='write it such as "24h"') from None
    project = current_project()
    loaded = load_environment(project, environment)
    settings = loaded.settings.agents[_known(loaded, agent)]
    clock = datetime.now(UTC)
    previous = settings.previous_secret_expires_at
    if previous and datetime.fromisoformat(previous) > clock:
        question = f"The secret before the present one of {agent} works until {previous}; rotating now ends it. Rotate?"
        if not console.ask(question, yes=yes):
            console.note("nothing was written")
            raise typer.Exit(1)
    file = loaded.document.file
    version, expires = settings.secret_version + 1, _instant(clock + grace_period)
    after = rotated(loaded.document.text, agent, version, expires)
    parse(after, file)
    apply([FileChange(file, loaded.document.text.encode(), after.encode())])
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


def _known(environment: EnvironmentStack, agent: str) -> str:
    if agent not in environment.settings.agents:
        raise InputError(
            f"there is no agent {agent}",
            file=environment.document.file,
            key="agents",
            remedy=did_you_mean(
                agent,
                environment.settings.agents,
                none=f"{environment.name} has no agents: add one under agents: of {environment.document.file.name}",
            ),
        )
    return agent


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
