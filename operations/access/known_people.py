"""The people whom an environment's files name: by address or by domain, in groups, access and grants."""

from __future__ import annotations

from collections.abc import Iterator

from model.environment import Group
from model.server import Grantees, People
from model.stacks import EnvironmentStack


def is_named(email: str, environment: EnvironmentStack) -> bool:
    """Whether a file names the address or its domain."""
    lowered = email.lower()
    domains = {domain for members in _members(environment) for domain in members.domains}
    known = {address.lower() for address in known_addresses(environment)}
    return lowered in known or lowered.rpartition("@")[2] in domains


def known_addresses(environment: EnvironmentStack) -> set[str]:
    """Every address that a file names."""
    return {email for members in _members(environment) for email in members.emails}


def _members(environment: EnvironmentStack) -> Iterator[People | Grantees | Group]:
    yield from environment.settings.groups.values()
    for stack in environment.perimeters:
        if stack.manifest.access.people is not None:
            yield stack.manifest.access.people
        for hosted in stack.manifest.access.hosted_clients.values():
            yield hosted.people
        yield from stack.manifest.grantees
