"""What stands at Cloudflare and Kong for one host name, and why some of it cannot be adopted. Pure but for its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.repair.kinds import Kind
from model.text import visible
from operations.adopt.sources import Item, SetupSource

_TUNNEL_SUFFIX = ".cfargotunnel.com"
#: Before the stack's name in the comment of a record that Ringwall made.
_MARK = "ringwall "
#: Rules of an Access policy that a stack file's `access.people` says in the same words.
_PEOPLE = {"email": "email", "email_domain": "domain"}


@dataclass(frozen=True)
class Misfit:
    """Something that exists and that no stack file of Ringwall says: it is left as it is, and nothing is adopted."""

    kind: Kind
    name: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}: {self.problem}; {self.remedy}"

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind.value, "name": self.name, "problem": self.problem, "remedy": self.remedy}


@dataclass(frozen=True)
class Existing:
    """The one object of each kind for a host name; a kind that is missing is made by `up`."""

    hostname: str
    objects: Mapping[Kind, Item] = field(default_factory=dict)
    misfits: tuple[Misfit, ...] = ()

    @property
    def people(self) -> tuple[list[str], list[str]]:
        """The e-mail addresses and the domains that the application's policy admits."""
        admitted: dict[str, list[str]] = {name: [] for name in _PEOPLE.values()}
        for policy in _policies(self.objects.get(Kind.application, {})):
            for rule in policy.get("include") or ():
                for key, name in _PEOPLE.items():
                    person = rule.get(key) if isinstance(rule, dict) else None
                    if isinstance(person, dict) and isinstance(person.get(name), str):
                        admitted[name].append(person[name])
        return admitted["email"], admitted["domain"]

    @property
    def origin(self) -> str | None:
        """The address behind the gateway: where its service leads, else where the tunnel does."""
        service = self.objects.get(Kind.service)
        if service is not None:
            scheme, host, port = (service.get(key) for key in ("protocol", "host", "port"))
            return f"{scheme}://{host}:{port}{service.get('path') or '/mcp'}"
        rules = _rules(self.objects.get(Kind.ingress, {}))
        inner = next((rule.get("service") for rule in rules if rule.get("hostname") == self.hostname), None)
        return f"{inner}/mcp" if isinstance(inner, str) and inner.startswith("http") else None


def read_existing(source: SetupSource, hostname: str, *, has_file: bool, stack: str | None = None) -> Existing:
    """Read everything that stands for a host name.

    Args:
        has_file: a stack file says already who may come, so that the policies need not say it.
        stack: what it becomes; an object that Ringwall made for another stack has an owner.

    Raises:
        Unreachable: an API does not answer.
    """
    objects: dict[Kind, Item] = {}
    misfits = [
        *_record(source, hostname, objects, stack),
        *_tunnel(source, hostname, objects),
        *_application(source, hostname, objects, has_file=has_file),
        *_gateway(source, hostname, objects, stack),
    ]
    return Existing(hostname, objects, tuple(misfits))


def hostnames(source: SetupSource, zone: str) -> list[str]:
    """The names of the zone that an Access application or a route of Kong stands for, sorted; wildcards are none."""
    named = {_host(uri) for item in source.all(Kind.application) for uri in _addresses(item)}
    named |= {_lower(host) for route in source.all(Kind.route) for host in route.get("hosts") or ()}
    return sorted(name for name in named if name.endswith(f".{zone}") and "*" not in name)


def _record(source: SetupSource, hostname: str, objects: dict[Kind, Item], stack: str | None) -> Iterator[Misfit]:
    records = source.all(Kind.record)
    named = [record for record in records if _lower(record.get("name")) == hostname and record.get("type") != "TXT"]
    wildcard = f"*.{hostname.partition('.')[2]}"
    if not named and any(_lower(record.get("name")) == wildcard for record in records):
        yield Misfit(
            Kind.record,
            wildcard,
            f"a wildcard answers for {hostname}, and for names that are not adopted",
            f"make a CNAME record {hostname} with the wildcard's content, then adopt it",
        )
    if len(named) > 1:
        yield Misfit(
            Kind.record, hostname, f"{len(named)} records have this name", "keep the one that leads to the tunnel"
        )
    elif named and not (named[0].get("type") == "CNAME" and _tunnel_of(named[0])):
        yield Misfit(
            Kind.record,
            hostname,
            f"leads to {visible(str(named[0].get('content')))} and to no tunnel, so the server can be reached past Access",
            "move it behind a tunnel first, or remove it and let `up` make the name",
        )
    elif named and (owner := _owner_of_record(named[0])) not in (None, stack):
        yield _owned(Kind.record, hostname, str(owner))
    elif named:
        objects[Kind.record] = named[0]


def _tunnel(source: SetupSource, hostname: str, objects: dict[Kind, Item]) -> Iterator[Misfit]:
    if Kind.record not in objects:
        return
    id_ = _tunnel_of(objects[Kind.record])
    tunnel = next(
        (item for item in source.all(Kind.tunnel) if item.get("id") == id_ and not item.get("deleted_at")), None
    )
    if tunnel is None:
        yield Misfit(
            Kind.tunnel,
            str(id_),
            f"the record {hostname} leads to a tunnel that this account does not have",
            "remove the record, or correct cloudflare.account_id",
        )
        return
    name = visible(str(tunnel.get("name")))
    if tunnel.get("remote_config") is False or tunnel.get("config_src") == "local":
        yield Misfit(
            Kind.tunnel,
            name,
            "is configured in a file on its host, which only a new tunnel can change",
            "migrate it in the dashboard (Networks, Tunnels, Migrate), then adopt it",
        )
        return
    ingress = source.ingress(str(id_))
    rules = _rules(ingress)
    foreign = sorted({str(rule["hostname"]) for rule in rules if rule.get("hostname") not in (None, hostname)})
    paths = [rule for rule in rules if rule.get("hostname") == hostname and rule.get("path")]
    if foreign:
        yield Misfit(
            Kind.ingress,
            name,
            f"serves {', '.join(map(visible, foreign))} too, and a server has a tunnel of its own",
            f"give {hostname} a tunnel of its own, or move the others to another one",
        )
    elif paths:
        yield Misfit(
            Kind.ingress,
            name,
            f"leads paths of {hostname} to places of their own",
            "keep one rule for the whole name",
        )
    else:
        objects[Kind.tunnel] = tunnel
        if rules:
            objects[Kind.ingress] = ingress


def _application(source: SetupSource, hostname: str, objects: dict[Kind, Item], *, has_file: bool) -> Iterator[Misfit]:
    applications = [(item, _addresses(item)) for item in source.all(Kind.application)]
    covering = [(item, uris) for item, uris in applications if any(_host(uri) == hostname for uri in uris)]
    wildcard = f"*.{hostname.partition('.')[2]}"
    for item, uris in applications:
        if not covering and any(_host(uri) == wildcard for uri in uris):
            yield Misfit(
                Kind.application,
                visible(str(item.get("name"))),
                f"protects {hostname} by the wildcard {wildcard}, with names that are not adopted",
                f"make an application for {hostname} alone, then adopt it",
            )
    if len(covering) > 1:
        names = ", ".join(visible(str(item.get("name"))) for item, _ in covering)
        yield Misfit(
            Kind.application,
            hostname,
            f"{len(covering)} applications protect it ({names})",
            "keep one for the whole name",
        )
    if len(covering) != 1:
        return
    item, uris = covering[0]
    problems = list(_application_problems(item, uris, hostname, has_file=has_file))
    yield from problems
    if not problems:
        objects[Kind.application] = item


def _application_problems(item: Item, uris: Sequence[str], hostname: str, *, has_file: bool) -> Iterator[Misfit]:
    name = visible(str(item.get("name")))
    if item.get("type") not in (None, "self_hosted"):
        yield Misfit(
            Kind.application, name, f"is of type {item.get('type')}", "make one of type self-hosted, then adopt it"
        )
    if list(uris) != [hostname]:
        yield Misfit(
            Kind.application,
            name,
            f"protects {', '.join(map(visible, uris))}, and a server has an application of its whole name alone",
            "give each of the others an application of its own",
        )
    policies = _policies(item)
    bypassing = [str(policy.get("name")) for policy in policies if policy.get("decision") == "bypass"]
    if bypassing:
        yield Misfit(
            Kind.application,
            name,
            f"lets everybody of policy {', '.join(map(visible, bypassing))} in without a sign-in (bypass)",
            "remove that policy first: whoever relies on it loses access",
        )
    elif not has_file and len(policies) > 1:
        yield Misfit(
            Kind.application,
            name,
            f"has {len(policies)} policies, which no single list of people says",
            "write the stack file with `ringwall onboard` so that it says who may come, then adopt",
        )
    elif not has_file and policies and not _says_people_alone(policies[0]):
        yield Misfit(
            Kind.application,
            name,
            f"its policy {visible(str(policies[0].get('name')))} asks for more than e-mail addresses and domains",
            "write the stack file with `ringwall onboard` so that it says who may come, then adopt",
        )


def _policies(application: Item) -> list[dict[str, Any]]:
    return [policy for policy in application.get("policies") or () if isinstance(policy, dict)]


def _says_people_alone(policy: Mapping[str, Any]) -> bool:
    rules = policy.get("include") or ()
    return (
        policy.get("decision") == "allow"
        and not policy.get("exclude")
        and not policy.get("require")
        and bool(rules)
        and all(isinstance(rule, dict) and len(rule) == 1 and set(rule) <= set(_PEOPLE) for rule in rules)
    )


def _gateway(source: SetupSource, hostname: str, objects: dict[Kind, Item], stack: str | None) -> Iterator[Misfit]:
    routes = source.all(Kind.route)
    matching = [route for route in routes if hostname in map(_lower, route.get("hosts") or ())]
    wildcard = f"*.{hostname.partition('.')[2]}"
    by_wildcard = [route for route in routes if wildcard in map(_lower, route.get("hosts") or ())]
    if not matching and by_wildcard:
        yield Misfit(
            Kind.route,
            visible(str(by_wildcard[0].get("name"))),
            f"answers for {hostname} by the wildcard {wildcard}",
            f"make a route for {hostname} alone, then adopt it",
        )
    if len(matching) > 1:
        names = ", ".join(visible(str(route.get("name"))) for route in matching)
        yield Misfit(Kind.route, hostname, f"{len(matching)} routes answer for it ({names})", "keep one")
    if len(matching) != 1:
        return
    route = matching[0]
    name = visible(str(route.get("name") or route.get("id")))
    further = sorted(str(host) for host in route.get("hosts") or () if _lower(host) != hostname)
    service_id = (route.get("service") or {}).get("id")
    service = next((item for item in source.all(Kind.service) if item.get("id") == service_id), None)
    sharing = [r for r in routes if (r.get("service") or {}).get("id") == service_id and r.get("id") != route.get("id")]
    plugins = [
        str(plugin.get("name"))
        for plugin in source.all(Kind.plugin)
        if (plugin.get("route") or {}).get("id") == route.get("id")
        or (service_id is not None and (plugin.get("service") or {}).get("id") == service_id)
    ]
    problems = []
    if (owner := _owner_of_route(route)) not in (None, stack):
        problems.append(_owned(Kind.route, name, str(owner)))
    if further:
        problems.append(
            Misfit(
                Kind.route,
                name,
                f"answers for {', '.join(map(visible, further))} too",
                "give the others a route of their own",
            )
        )
    if service is None:
        problems.append(Misfit(Kind.route, name, "leads to no service", "remove it, `up` makes one"))
    elif sharing:
        names = ", ".join(visible(str(user.get("name") or user.get("id"))) for user in sharing)
        problems.append(
            Misfit(
                Kind.service,
                visible(str(service.get("name"))),
                f"serves the routes {names} too",
                "give the route a service of its own",
            )
        )
    if plugins:
        problems.append(
            Misfit(
                Kind.plugin,
                ", ".join(sorted(map(visible, plugins))),
                f"run on route {name} and are no part of a stack file, where Ringwall puts its own",
                "compare them with docs/reference/gateway.md, then remove them",
            )
        )
    yield from problems
    if not problems and service is not None:
        objects[Kind.route], objects[Kind.service] = route, service


def _owned(kind: Kind, name: str, owner: str) -> Misfit:
    return Misfit(
        kind,
        name,
        f"belongs to Ringwall's stack {visible(owner)}",
        "keep it there, or destroy that stack first",
    )


def _owner_of_record(record: Item) -> str | None:
    """The stack that made a record, as its comment says."""
    comment = str(record.get("comment") or "")
    return comment.removeprefix(_MARK) if comment.startswith(_MARK) else None


def _owner_of_route(route: Item) -> str | None:
    """The stack that made a route, as its tags say."""
    marks = [str(tag).removeprefix("ringwall-") for tag in route.get("tags") or () if str(tag).startswith("ringwall-")]
    parts = dict(mark.partition("-")[::2] for mark in marks)
    if "environment" not in parts:
        return None
    member = parts.get("server") or parts.get("model_route") or ""
    return f"{parts['environment']}.{member}" if member else parts["environment"]


def _rules(ingress: Item) -> list[dict[str, Any]]:
    config = ingress.get("config")
    rules = (config.get("ingress") or config.get("ingresses")) if isinstance(config, dict) else None
    return [rule for rule in rules or () if isinstance(rule, dict)]


def _addresses(application: Item) -> list[str]:
    """What an application protects, each once: `domain` repeats the first destination."""
    uris = [
        str(destination.get("uri"))
        for destination in application.get("destinations") or ()
        if isinstance(destination, dict)
    ]
    return uris or [str(application[key]) for key in ("domain",) if application.get(key)]


def _host(uri: str) -> str:
    return uri.partition("/")[0].lower()


def _tunnel_of(record: Item) -> str | None:
    content = str(record.get("content"))
    return content.removesuffix(_TUNNEL_SUFFIX) if content.endswith(_TUNNEL_SUFFIX) else None


def _lower(value: object) -> str:
    return str(value).lower()
