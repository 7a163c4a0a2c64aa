"""The stack file and tool lock that `ringwall adopt` writes for a server that has none yet."""

from __future__ import annotations

from dataclasses import dataclass

from cli.acceptance import review
from cli.onboard_answers import host_of
from cli.onboard_existing import meet
from cli.project import current_project
from model.errors import InputError
from model.stacks import EnvironmentStack
from operations.adopt.existing import Existing
from operations.onboard import origins
from operations.onboard.propose import Proposal, access_value, propose, refuse_existing, with_clients


@dataclass(frozen=True)
class Answers:
    """What the command line says about a server that has no files yet."""

    url: str | None
    host: str | None
    guard_port: int | None
    timeout: float
    allow_exposed: bool
    accept: list[str]
    yes: bool


def proposal_of(environment: EnvironmentStack, existing: Existing, server: str, answers: Answers) -> Proposal:
    """The files of the server, by what exists and what it offers."""
    project, stack, name = current_project(), f"{environment.name}.{server}", existing.hostname
    refuse_existing(project, stack)
    place = answers.url or existing.origin
    if place is None:
        raise InputError("is missing", key="--url", remedy="say where the server is")
    emails, domains = existing.people
    access = access_value(emails, domains, [], [])
    if not access:
        raise InputError(
            f"no application says who may reach {name}",
            remedy=f"write the files with `ringwall onboard {stack} --hostname {name} --people ADDRESS`, then adopt",
        )
    inherits = environment.settings.defaults.access is not None
    origin = origins.from_flags(place, None, None, None, [], None) or {}
    _, _, acquaintance = meet(origins.check(origin), answers.timeout, answers.allow_exposed, ())
    return propose(
        project,
        environment,
        server,
        acquaintance,
        origin=origin,
        access=with_clients(access, (), (), inherits=inherits),
        host=answers.host or host_of(environment, answers.yes),
        hostname=name,
        guard_port=answers.guard_port,
        review=lambda lock: review(lock, answers.accept, yes=answers.yes, command=f"ringwall lock approve {stack}"),
    )
