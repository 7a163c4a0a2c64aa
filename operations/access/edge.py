"""The edge's answer: which Access policy admits a visitor, on which conditions.

The policies are those that a deployment makes (`components.edge.access`), judged as Cloudflare documents them: `include`
is OR, `require` is AND. What only a request shows (country, address, device) is a condition unless the question says it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from components.edge.access import (
    GroupSpec,
    PolicySpec,
    Rule,
    access_groups,
    environment_policies,
    server_policies,
)
from model.portal_checks import portal_words
from model.stacks import PerimeterStack, ServerStack
from operations.access.answers import RingAnswer
from operations.access.places import FilePlace, environment_place, server_place
from operations.access.settings_answers import settings_answers
from operations.access.visitor import Visitor

RING = "edge"


def edge_answers(server: PerimeterStack, visitor: Visitor) -> list[RingAnswer]:
    """What Cloudflare Access says to the visitor at the server's public name, or at a hosted client's own."""
    manifest, settings = server.manifest, server.settings
    hosted = manifest.access.hosted_clients.get(visitor.through) if visitor.through else None
    if visitor.through and hosted is None:
        place = server_place(server, *("access", "hosted_clients")[: 2 if manifest.access.hosted_clients else 1])
        text = f"{server.stack} has no front door for {visitor.through}"
        remedy = f"add {visitor.through} to access.hosted_clients, with a host name and people"
        return [RingAnswer(RING, "refuses", text, place, remedy)]
    hostname = hosted.hostname if hosted else manifest.hostname
    closed = []
    if manifest.lockdown is not None:
        remedy = f"once it is safe, open it with `ringwall lockdown {server.stack} --lift`"
        closed.append(
            RingAnswer(
                RING,
                "refuses",
                f"closed to everyone: {manifest.lockdown.reason}",
                server_place(server, "lockdown"),
                remedy,
            )
        )
    policies = environment_policies(settings, {server.name: manifest})
    groups = access_groups(settings, {server.name: manifest})
    named = [policies[key] for key in server_policies(settings, manifest)[hostname]]
    including = [spec for spec in named if any(holds(rule, visitor, groups) for rule in spec.include)]
    if not including:
        text = f"no Access policy of {hostname} admits {visitor}"
        return [*closed, RingAnswer(RING, "refuses", text, *_way_in(server, visitor))]
    spec = including[0]
    text = f"Access admits {visitor} at {hostname} by {_because(spec, visitor, groups)}"
    answers = [RingAnswer(RING, "passes", text, _admitting_place(server, visitor))]
    answers += [_condition(server, visitor, rule, groups) for rule in spec.require]
    if visitor.through is None and isinstance(server, ServerStack) and (offer := portal_words(server)):
        answers.append(RingAnswer(RING, "note", offer, environment_place(server, "portal")))
    if visitor.kind == "person":
        answers += settings_answers(server, RING)
    return [*closed, *answers]


def admits(server: PerimeterStack, visitor: Visitor) -> bool:
    """Whether the edge lets the visitor pass where its conditions hold."""
    return all(answer.effect != "refuses" for answer in edge_answers(server, visitor))


def holds(rule: Rule, visitor: Visitor, groups: Mapping[str, GroupSpec]) -> bool | None:
    """Whether a selector matches the visitor; None where only a request shows it."""
    kind, value = rule
    if kind == "group":
        members = [holds(member, visitor, groups) for member in groups[value].include]
        return True if True in members else None if None in members else False
    if kind == "geo":
        return None if visitor.country is None else visitor.country == str(value)
    if kind == "ip":
        return None if visitor.address is None else _within(visitor.address, value)
    if kind in ("posture", "common_name"):
        return None
    if kind == "everyone":
        return True
    if kind == "agent":
        return visitor.kind == "agent" and visitor.name == str(value)
    if visitor.kind != "person":
        return False
    email = visitor.name.lower()
    if kind == "email":
        return email == str(value)
    if kind == "email_domain":
        return email.rpartition("@")[2] == str(value)
    return any((member.provider, member.group, member.claim) == value for member in visitor.groups)


def _within(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)


def _because(spec: PolicySpec, visitor: Visitor, groups: Mapping[str, GroupSpec]) -> str:
    kind, value = next(rule for rule in spec.include if holds(rule, visitor, groups))
    words = {
        "email": "address",
        "email_domain": f"domain {value}",
        "group": f"group {value}",
        "agent": "its service token",
    }
    return words[kind]


def _condition(server: PerimeterStack, visitor: Visitor, rule: Rule, groups: Mapping[str, GroupSpec]) -> RingAnswer:
    """One requirement of the admitting policy."""
    kind, value = rule
    if kind == "posture":
        place = _requirement_place(server, visitor, "posture")
        return RingAnswer(RING, "depends", f"the device must pass {value}", place)
    if kind == "common_name":
        place = _requirement_place(server, visitor, "common_name")
        return RingAnswer(RING, "depends", f"must show a client certificate of the common name {value}", place)
    members = groups[value].include
    origins = [str(name) for _, name in members]
    key = "countries" if members[0][0] == "geo" else "addresses"
    text = f"must come from {_listed(origins)}"
    place = _requirement_place(server, visitor, key)
    fact = visitor.country if key == "countries" else visitor.address
    is_met = holds(rule, visitor, groups)
    if is_met is None:
        return RingAnswer(RING, "depends", text, place)
    if is_met:
        return RingAnswer(RING, "passes", f"{text}: {fact} is among them", place)
    return RingAnswer(RING, "refuses", f"{text}: {fact} is not among them", place, f"add {fact} to {place.key}")


def _listed(names: Iterable[str]) -> str:
    *head, last = names
    return f"{', '.join(head)} or {last}" if head else last


def _requirement_place(server: PerimeterStack, visitor: Visitor, key: str) -> FilePlace:
    if visitor.kind == "agent":
        return environment_place(server, "agents", visitor.name, key)
    if visitor.through and key == "addresses":
        return environment_place(server, "hosted_clients", visitor.through, key)
    return server_place(server, key)


def _admitting_place(server: PerimeterStack, visitor: Visitor) -> FilePlace:
    if visitor.through:
        return server_place(server, "access", "hosted_clients", visitor.through, "people")
    return server_place(server, "access", "agents" if visitor.kind == "agent" else "people")


def _way_in(server: PerimeterStack, visitor: Visitor) -> tuple[FilePlace, str]:
    """Where `access` would name the visitor, and the narrow change."""
    if visitor.kind == "agent" and visitor.through is None:
        key, value = ("access", "agents"), visitor.name
    elif visitor.kind == "agent":
        place = server_place(server, "access", "hosted_clients", str(visitor.through))
        return place, "an agent calls by the server's own name: ask without the hosted client"
    else:
        people = ("hosted_clients", str(visitor.through), "people") if visitor.through else ("people",)
        key, value = ("access", *people, "emails"), visitor.name
    place = server_place(server, *key)
    if place.line is None:
        place = server_place(server, "access")
    return place, f"add {value} to {'.'.join(key)}"
