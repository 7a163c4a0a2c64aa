"""Reads who asks: a person or an agent as the stack files name them, with the facts that the rings look at."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from guard.identity.principal import Principal
from model.countries import ISO_3166_1, country_remedy
from model.environment import Environment, IdpGroup
from model.errors import InputError
from model.suggestions import did_you_mean

_EMAIL = re.compile(r"[^@\s\"]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
FORMS = "person:EMAIL or agent:NAME"


@dataclass(frozen=True)
class Visitor:
    """Somebody who calls a server. `name` is a person's address or an agent's name, `through` a hosted client.

    `groups` are those of identity providers; what follows from the address alone is not among them. `country` and `address`
    are where the request comes from, None where nobody said.
    """

    kind: Literal["person", "agent"]
    name: str
    groups: tuple[IdpGroup, ...] = ()
    through: str | None = None
    country: str | None = None
    address: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" + (f" through {self.through}" if self.through else "")

    @property
    def principal(self) -> Principal:
        """The caller as the guard knows it once every token is verified."""
        if self.kind == "agent":
            return Principal(str(self), "agent", agent=self.name, hosted_client=self.through)
        claims: dict[str, list[str]] = {}
        for group in self.groups:
            claims.setdefault(group.claim or "groups", []).append(group.group)
        return Principal(f"person:{self.name}", "person", email=self.name, hosted_client=self.through, claims=claims)


def visitor_of(
    text: str,
    settings: Environment,
    *,
    groups: Sequence[str] = (),
    through: str | None = None,
    country: str | None = None,
    address: str | None = None,
) -> Visitor:
    """The visitor that `text` names, such as ``person:ada@example.com`` or ``agent:ci``.

    Raises:
        InputError: the text has another form, or names an agent, group or hosted client that the environment has not.
    """
    if country is not None and country not in ISO_3166_1:
        raise InputError(f"{country} is no country", key="country", remedy=country_remedy(country))
    if address is not None and not _is_address(address):
        raise InputError(f"{address} is no IP address", key="address", remedy="write it such as 192.0.2.7")
    kind, _, name = text.partition(":")
    if kind not in ("person", "agent") or not name:
        raise InputError(f"{text} names no principal", key="principal", remedy=f"write {_corrected(text, settings)}")
    if through is not None and through not in settings.hosted_clients:
        raise _unknown("hosted client", through, settings.hosted_clients, "through")
    if kind == "agent":
        if name not in settings.agents:
            raise _unknown("agent", name, settings.agents, "principal")
        if groups:
            raise InputError("an agent is in no group", key="groups", remedy="leave the groups out")
        return Visitor("agent", name, (), through, country, address)
    if not _EMAIL.fullmatch(name):
        raise InputError(
            f"{name} is no e-mail address", key="principal", remedy="write it such as person:ada@example.com"
        )
    member = tuple(dict.fromkeys(_group(group, settings) for group in groups))
    return Visitor("person", name, member, through, country, address)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _corrected(text: str, settings: Environment) -> str:
    name = text.partition(":")[2] or text
    if _EMAIL.fullmatch(name):
        return f"person:{name}"
    return f"agent:{name}" if name in settings.agents else FORMS


def _unknown(kind: str, name: str, known: Iterable[str], key: str) -> InputError:
    remedy = did_you_mean(name, known, none=f"the environment has no {kind}s")
    return InputError(f"there is no {kind} {name}", key=key, remedy=remedy)


def _group(name: str, settings: Environment) -> IdpGroup:
    """The identity provider's group that a name stands for: a key of `groups`, or the group as the provider names it."""
    if (named := settings.groups.get(name)) is not None:
        if len(named.idp_groups) == 1:
            return named.idp_groups[0]
        if not named.idp_groups:
            raise InputError(
                f"{name} holds addresses and domains alone, so who is in it follows from the address",
                key="groups",
                remedy="leave it out",
            )
        choices = ", ".join(member.group for member in named.idp_groups)
        raise InputError(f"{name} stands for several groups", key="groups", remedy=f"name those meant: {choices}")
    members = {member for group in settings.groups.values() for member in group.idp_groups}
    candidates = [member for member in members if member.group == name]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise InputError(
            f"several providers or claims have a group {name}", key="groups", remedy="name a key of groups"
        )
    names = sorted({*settings.groups, *(member.group for member in members)})
    raise InputError(f"there is no group {name}", key="groups", remedy=did_you_mean(name, names))
