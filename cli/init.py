from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli import console, state
from cli.options import AsJson, Debug, ProjectDir, Yes
from cli.prompt import read_answer
from model.errors import InputError, InputErrors
from operations.project import new_project as made
from operations.project.new_project import Question
from operations.project.templates import EnvironmentAnswers
from operations.project.write import apply

LOCAL_ADMIN = "http://127.0.0.1:8001"


class Topology(StrEnum):
    colocated = "colocated"
    hybrid = "hybrid"
    central = "central"


def init(
    environment: Annotated[
        str, typer.Argument(metavar="ENV", help="Name of the environment, such as dev.", show_default=False)
    ],
    account_id: Annotated[str | None, typer.Option(help="Cloudflare account id.", show_default=False)] = None,
    zone: Annotated[str | None, typer.Option(help="Zone that holds the host names.", show_default=False)] = None,
    zone_id: Annotated[str | None, typer.Option(help="Cloudflare zone id.", show_default=False)] = None,
    team: Annotated[
        str | None, typer.Option(help="Zero Trust team: <team>.cloudflareaccess.com.", show_default=False)
    ] = None,
    country: Annotated[
        list[str] | None, typer.Option(help="Where people may come from (ISO code); repeatable.", show_default=False)
    ] = None,
    host: Annotated[list[str] | None, typer.Option(help="Origin host; repeatable.", show_default=False)] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option(help="An agent that will get a service token; repeatable.", show_default=False),
    ] = None,
    kong_admin: Annotated[
        str | None,
        typer.Option(help=f"Kong Admin API (default when colocated: {LOCAL_ADMIN}).", show_default=False),
    ] = None,
    topology: Annotated[
        Topology | None,
        typer.Option(help="Where the gateway runs (default: colocated, with --production hybrid).", show_default=False),
    ] = None,
    production: Annotated[bool, typer.Option("--production", help="Protect it, and refuse colocated.")] = False,
    backend: Annotated[
        str | None,
        typer.Option(help="Where Pulumi keeps state (default: .ringwall/state of the project).", show_default=False),
    ] = None,
    secrets_provider: Annotated[
        str | None, typer.Option(help="A key service such as awskms://… (default: passphrase).", show_default=False)
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Pulumi project name (default: ringwall); must be unique on a shared backend.", show_default=False
        ),
    ] = None,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make an environment, and a project around it where there is none. Asks for what no option says."""
    made.check_environment_name(environment)
    root = state.project.absolute() if state.project else made.root_of(Path.cwd())
    chosen = topology.value if topology else "hybrid" if production else "colocated"
    if kong_admin is None and chosen == "colocated":
        kong_admin = LOCAL_ADMIN
    made.check_topology(chosen, production, kong_admin)
    asked = _Asked(may_ask=console.interactive() and not yes)
    answers = EnvironmentAnswers(
        name=environment,
        account_id=asked.one(made.ACCOUNT_ID, account_id),
        zone=asked.one(made.ZONE, zone),
        zone_id=asked.one(made.ZONE_ID, zone_id),
        team=asked.one(made.TEAM, team),
        countries=asked.many(made.COUNTRY, country),
        hosts=asked.many(made.HOST, host, default=f"{environment}-1"),
        admin_uri=asked.one(made.KONG_ADMIN, kong_admin),
        topology=chosen,
        production=production,
        agents=asked.many(made.AGENT, agent) if agent else (),
        secrets_provider=made.check_secrets_provider(secrets_provider),
    )
    asked.refuse()
    made.check_topology(chosen, production, answers.admin_uri)
    plan = made.plan(root, answers, name=name, backend=backend)
    apply(plan.changes)
    if plan.state_folder is not None:
        plan.state_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made.refresh_schema(plan.project)
    linked = made.link_virtualenv(root)
    written = [str(change.path) for change in plan.changes]
    if as_json:
        state_folder = str(plan.state_folder) if plan.state_folder else None
        console.print_json({"version": 1, "environment": environment, "files": written, "state": state_folder})
    for file in written:
        console.say(f"wrote {file}")
    if plan.state_folder is not None:
        console.say(
            f"State is kept in {plan.state_folder}, on this machine only and ignored by Git; a team gives --backend."
        )
    if linked is not None:
        console.say(f"linked {linked} to this environment, for the plain pulumi CLI (ignored by Git)")
    console.say(f"Next: ringwall onboard SERVER --env {environment} --url http://127.0.0.1:PORT/mcp")


class _Asked:
    """Answers from flags or, on a terminal, from a person; all that is missing or wrong is told at once."""

    def __init__(self, *, may_ask: bool) -> None:
        self.may_ask = may_ask
        self.problems: list[InputError] = []

    def one(self, question: Question, value: str | None, default: str | None = None) -> str:
        if value is None and self.may_ask:
            return read_answer(question.text, default, question.advice)
        problem = "is missing" if value is None else question.wrong(value)
        if problem:
            self.problems.append(InputError(problem, key=question.flag, remedy=question.remedy))
        return value or ""

    def many(self, question: Question, values: list[str] | None, default: str | None = None) -> tuple[str, ...]:
        if not values:
            return (self.one(question, None, default),)
        return tuple(dict.fromkeys(self.one(question, value) for value in values))

    def refuse(self) -> None:
        if self.problems:
            raise InputErrors(self.problems)
