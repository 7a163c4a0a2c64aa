"""`ringwall init`: makes an environment from flags and from the answers of a person."""

from __future__ import annotations

from pathlib import Path

from cli import console, invocation
from cli.options import LOCAL_ADMIN
from cli.prompt import read_answer
from model.errors import InputError, InputErrors
from model.private_folder import make_private
from operations.project import new_project as made
from operations.project.new_project import Question
from operations.project.templates import EnvironmentAnswers
from operations.project.write import apply


def init(
    environment: str,
    *,
    account_id: str | None,
    zone: str | None,
    zone_id: str | None,
    team: str | None,
    country: list[str] | None,
    host: list[str] | None,
    agent: list[str] | None,
    kong_admin: str | None,
    topology: str | None,
    production: bool,
    backend: str | None,
    secrets_provider: str | None,
    name: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """What `ringwall init` does; its flags and help are in `cli.flags.init`."""
    made.check_environment_name(environment)
    named = invocation.current().project
    root = named.absolute() if named else made.root_of(Path.cwd())
    chosen = topology or ("hybrid" if production else "colocated")
    if kong_admin is None and chosen == "colocated":
        kong_admin = LOCAL_ADMIN
    made.check_topology(chosen, production, kong_admin)
    interview = _Interview(may_ask=console.interactive() and not yes)
    answers = EnvironmentAnswers(
        name=environment,
        account_id=interview.text(made.ACCOUNT_ID, account_id),
        zone=interview.text(made.ZONE, zone),
        zone_id=interview.text(made.ZONE_ID, zone_id),
        team=interview.text(made.TEAM, team),
        countries=interview.texts(made.COUNTRY, country),
        hosts=interview.texts(made.HOST, host, default=f"{environment}-1"),
        admin_uri=interview.text(made.KONG_ADMIN, kong_admin),
        topology=chosen,
        production=production,
        agents=interview.texts(made.AGENT, agent) if agent else (),
        secrets_provider=made.check_secrets_provider(secrets_provider),
    )
    interview.refuse()
    made.check_topology(chosen, production, answers.admin_uri)
    plan = made.plan(root, answers, name=name, backend=backend)
    apply(plan.changes)
    if plan.state_folder is not None:
        make_private(plan.state_folder)
    written = [str(change.path) for change in plan.changes]
    for file in written:
        console.say(f"wrote {file}")
    if plan.state_folder is not None:
        console.say(
            f"State is kept in {plan.state_folder}, on this machine only and ignored by Git; a team gives --backend."
        )
    made.refresh_schema(plan.project)
    virtualenv = made.make_virtualenv(root)
    if as_json:
        state_folder = str(plan.state_folder) if plan.state_folder else None
        console.print_json({"version": 1, "environment": environment, "files": written, "state": state_folder})
    if virtualenv is not None:
        console.say(f"made {virtualenv} for the plain pulumi CLI, leading to this Ringwall (ignored by Git)")
    console.say(f"Next: ringwall onboard SERVER --env {environment} --url http://127.0.0.1:PORT/mcp")


class _Interview:
    """Answers from flags or, on a terminal, from a person; everything missing or wrong is reported together."""

    def __init__(self, *, may_ask: bool) -> None:
        self.may_ask = may_ask
        self.problems: list[InputError] = []

    def text(self, question: Question, value: str | None, default: str | None = None) -> str:
        if value is None and self.may_ask:
            return read_answer(question.text, default, question.advice)
        problem = "is missing" if value is None else question.wrong(value)
        if problem:
            self.problems.append(InputError(problem, key=question.flag, remedy=question.remedy_of(value)))
        return value or ""

    def texts(self, question: Question, values: list[str] | None, default: str | None = None) -> tuple[str, ...]:
        if not values:
            return (self.text(question, None, default),)
        return tuple(dict.fromkeys(self.text(question, value) for value in values))

    def refuse(self) -> None:
        if self.problems:
            raise InputErrors(self.problems)
