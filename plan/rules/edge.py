"""Rules for the first ring's Access applications, tunnel, public name and zone ruleset.

Whom the policies admit is judged in `plan.rules.access`. Public names and the order in which they appear are judged by
`plan.exposure`; each kind of its findings is a rule here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from components.edge.access import certificate_hostnames, environment_policies
from model.loopback import is_loopback
from plan.exposure import app_hosts, ingress_rules, linked
from plan.findings import Finding, Severity
from plan.graph import Resource
from plan.protectors import ACCESS_APPLICATION, DNS_RECORD, TUNNEL, TUNNEL_CONFIG
from plan.protectors import RULESET as RULESET
from plan.rules.access import POLICIES
from plan.rules.rule import Broken, Key, Rule, rule
from plan.rules.subject import Subject, host_of, items, mapping
from plan.values import Json, symbol

#: Kinds of Access application that sign a caller in before a public name is reached (a bookmark is only a link).
_ASKING: Final = frozenset({"self_hosted", "mcp", "mcp_portal"})


def _exposed(id: str, reason: str, severity: Severity = Severity.ERROR, remedy: str = "") -> Rule:
    """A rule whose findings `plan.exposure` makes. Only a warning, which is what it cannot prove, may be waived."""

    def check(subject: Subject) -> Iterable[Finding]:
        return (finding for finding in subject.exposure if finding.rule_id == id)

    return rule(
        id=id,
        severity=severity,
        reason=reason,
        remedy=remedy,
        source="the engine's dependency order (pkg/resource/graph); Cloudflare Tunnel docs, origin parameters",
        waivable=severity is not Severity.ERROR,
    )(check)


EXPOSURE: Final = (
    _exposed(
        "exposure-order",
        "A public name that does not wait for every protecting resource answers before they stand, or outlives them.",
        remedy="add the resource to the record's depends_on",
    ),
    _exposed(
        "exposure-ring-missing",
        "A stack that publishes a name without one of the rings publishes an unprotected server.",
        remedy="declare all rings of a server in the stack that names it",
    ),
    _exposed(
        "exposure-dns-target",
        "A record that points anywhere but at this stack's tunnel or portal goes round Access and the tunnel's own check.",
        remedy="make it a CNAME to <tunnel id>.cfargotunnel.com of a tunnel declared in the same stack",
    ),
    _exposed(
        "exposure-dns-name",
        "A name that no Access application covers as a whole host is not protected; one without ingress leads nowhere.",
        remedy="name the host in an Access application, without a path, and in the ingress",
    ),
    _exposed(
        "exposure-dns-proxied",
        "A record that is not proxied never passes Cloudflare Access.",
        remedy="set proxied to true",
    ),
    _exposed(
        "exposure-route-order",
        "A Kong route that does not wait for its service's plugins answers without them for a moment.",
        remedy="add the plugin to the route's depends_on",
    ),
    _exposed(
        "exposure-route-unauthenticated",
        "A Kong route without an authenticating plugin is open to whoever reaches the gateway.",
        remedy="attach jwt or openid-connect to its service",
    ),
    _exposed(
        "exposure-unlinked",
        "What belongs to a service outside the stack cannot be judged, and what cannot be judged is refused.",
        remedy="take the service id from a service declared in the same stack",
    ),
    _exposed(
        "exposure-portal",
        "A portal, or a server in it, that no Access application with policies covers answers whoever knows its name.",
        remedy="declare an application for the portal's name and one for each of its servers, with policies",
    ),
    _exposed(
        "exposure-ingress-access",
        "cloudflared checks the Access token only where the rule itself has originRequest.access; on top it is ignored.",
        remedy="set originRequest.access.required and audTags on that very rule",
    ),
    _exposed(
        "exposure-ingress-catch-all",
        "Without a last rule that refuses, the tunnel passes on names and paths that no rule was written for.",
        remedy="make the last ingress rule http_status:404, without hostname and path",
    ),
    _exposed(
        "exposure-ingress-unreadable",
        "Ingress rules that the plan cannot read cannot be judged.",
        remedy="give them as plain values",
    ),
    _exposed(
        "exposure-ingress-ignored",
        "A locally managed tunnel reads its ingress from a file, so the declared one protects nothing.",
        remedy='set configSrc to "cloudflare" on the tunnel',
    ),
    _exposed(
        "exposure-ingress-on-host",
        "The ingress of a locally managed tunnel is a file on its host, which no plan can prove.",
        Severity.WARNING,
        "let `ringwall verify` prove it on the running host, or manage the tunnel remotely",
    ),
)


@rule(
    id="edge-application-open",
    severity=Severity.ERROR,
    reason="An Access application that carries no policy depends on whatever somebody adds by hand, and one of a kind that"
    " asks nobody, such as a bookmark, protects no name.",
    remedy="make it self_hosted, and attach the policies of the people and agents it is for",
    source=POLICIES,
)
def application_open(subject: Subject) -> Iterator[Broken]:
    apps = subject.graph.by_type(ACCESS_APPLICATION)
    for app in apps:
        if not items(app.inputs.get("policies")):
            yield Broken("carries no policy", app, key=("access",))
    for record in subject.graph.by_type(DNS_RECORD):
        kinds = {str(app.inputs.get("type")) for app in apps if _covers(app, record.inputs.get("name"))}
        if kinds and not kinds & _ASKING:
            yield Broken(f"is behind no application that asks who comes, only {', '.join(sorted(kinds))}", record)


@rule(
    id="edge-ingress-audience",
    severity=Severity.ERROR,
    reason="cloudflared takes a token of any listed audience and of the listed team: with another application's, whoever may"
    " use that one passes here too.",
    remedy="list the audience of the Access application of that very host name, and this account's team",
    source="cloudflared, ingress/ingress.go and its JWT validator; Cloudflare One docs, validate JWTs",
    waivable=False,
)
def ingress_audience(subject: Subject) -> Iterator[Broken]:
    team = subject.environment.settings.cloudflare.team if subject.environment is not None else None
    apps = subject.graph.by_type(ACCESS_APPLICATION)
    for config in subject.graph.by_type(TUNNEL_CONFIG):
        applications = linked(subject.graph, config, "config", ACCESS_APPLICATION)
        for ingress_rule in ingress_rules(config) or ():
            access = mapping(mapping(ingress_rule.get("originRequest")).get("access"))
            if not access:
                continue  # exposure-ingress-access
            if team is not None and access.get("teamName") != team:
                yield Broken(f"takes tokens of the team {access.get('teamName')} for {_name(ingress_rule)}", config)
            audiences = {symbol(app.name, "aud") for app in apps if _covers(app, ingress_rule.get("hostname"))}
            # Real audiences are opaque: on the engine's preview only what the rules are made from can be judged.
            foreign = not applications if subject.engine else set(map(str, items(access.get("audTags")))) - audiences
            if foreign:
                yield Broken(f"takes tokens of another application for {_name(ingress_rule)}", config)


def _covers(app: Resource, hostname: Json) -> bool:
    return isinstance(hostname, str) and any(fnmatchcase(hostname, host) for host in app_hosts(app))


@rule(
    id="edge-ingress-target",
    severity=Severity.ERROR,
    reason="An ingress rule that leads anywhere but to the gateway skips the gateway, or the guard as well.",
    remedy="let the rule lead to http://127.0.0.1:<gateway_port>",
    source="Ringwall's order of rings: edge, gateway, guard, origin",
)
def ingress_target(subject: Subject) -> Iterator[Broken]:
    listen = mapping((subject.host_bundle or {}).get("kong")).get("settings")
    gateway = mapping(listen).get("proxy_listen")
    for config in subject.graph.by_type(TUNNEL_CONFIG):
        for ingress_rule in ingress_rules(config) or ():
            service = ingress_rule.get("service")
            if not isinstance(service, str) or service.startswith("http_status:"):
                continue
            address = service.partition("://")[2]
            if not is_loopback(host_of(service)):
                yield Broken(f"leads {_name(ingress_rule)} to {service}, beyond loopback", config, key=("host",))
            elif isinstance(gateway, str) and address != gateway:
                yield Broken(
                    f"leads {_name(ingress_rule)} to {service}, which is not the gateway", config, key=("host",)
                )


@rule(
    id="edge-application-moved",
    severity=Severity.ERROR,
    reason="An application that changes its host name in place leaves the old name bare until the record has followed, and"
    " for good when the update stops between.",
    remedy="set replace_on_changes to destinations and delete_before_replace to False on it: the old one stands until the"
    " record has moved",
    source="the engine's order of steps (pkg/resource/deploy/step_generator.go): deletes come last, dependents first",
    waivable=False,
)
def application_moved(subject: Subject) -> Iterator[Broken]:
    if subject.engine:
        return  # the engine does not show policies how a resource is replaced
    for app in subject.graph.by_type(ACCESS_APPLICATION):
        names = [key for key in ("destinations", "domain", "selfHostedDomains") if app.inputs.get(key) is not None]
        replaced = items(app.options.get("replace_on_changes"))
        if not all(key in replaced for key in names) or app.options.get("delete_before_replace") is not False:
            yield Broken("changes its host name in place, while the old name still resolves", app)


@rule(
    id="edge-tunnel-unprotected",
    severity=Severity.ERROR,
    reason="Deleting or replacing a tunnel or an Access application of a running server takes it off, or opens it.",
    remedy="set protect on it; unprotect it in a step of its own when it must go",
    source="Pulumi docs, protect",
)
def tunnel_unprotected(subject: Subject) -> Iterator[Broken]:
    if not subject.production:
        return
    for token in (TUNNEL, ACCESS_APPLICATION):
        for resource in subject.graph.by_type(token):
            if not resource.protect:
                yield Broken("is not protected although its environment is in production", resource)


@rule(
    id="edge-zone-unprotected",
    severity=Severity.ERROR,
    reason="A zone has one entry point for custom rules, with other people's rules in it; deleting it drops them all.",
    remedy="set protect and retain_on_delete on the ruleset",
    source="Cloudflare Ruleset Engine docs: one entry point per phase and zone",
)
def zone_unprotected(subject: Subject) -> Iterator[Broken]:
    for resource in subject.graph.by_type(RULESET):
        # The engine does not show policies whether a resource is retained.
        if not resource.protect or not (subject.engine or resource.options.get("retain_on_delete") is True):
            yield Broken("is not both protected and retained on delete", resource)


@rule(
    id="hosted-client",
    severity=Severity.INFO,
    reason="A hosted client calls from its vendor's cloud: no device posture and no user country can be asked of it.",
    remedy="nothing, if that is what you mean; its host name and grants are its own",
    source="Anthropic and OpenAI docs, egress addresses of hosted MCP clients",
)
def hosted_client(subject: Subject) -> Iterator[Broken]:
    if subject.environment is None or subject.perimeter is not None:
        return
    policies = environment_policies(subject.environment.settings, subject.environment.manifests)
    for policy in policies.values():
        if policy.note:
            yield Broken(f"{policy.key}: {policy.note}", key=("hosted_clients",))


@rule(
    id="edge-name-depth",
    severity=Severity.WARNING,
    reason="Cloudflare's universal certificate covers the zone and one level below it, so clients of a deeper name fail in"
    " TLS until somebody orders a certificate for it.",
    remedy="use a name one level below the zone, or order an advanced certificate (or Total TLS) and waive this",
    source="Cloudflare SSL/TLS docs, Universal SSL, Limitations",
)
def name_depth(subject: Subject) -> Iterator[Broken]:
    if subject.perimeter is None:
        return
    zone = subject.perimeter.settings.cloudflare.zone
    for hostname, client in subject.perimeter.manifest.hostnames.items():
        below = hostname.removesuffix(f".{zone}")
        if "." in below:
            key: Key = ("hostname",) if client is None else ("access", "hosted_clients", client, "hostname")
            yield Broken(f"{hostname} is {below.count('.') + 1} levels below the zone {zone}", key=key)


@rule(
    id="edge-logpush",
    severity=Severity.INFO,
    reason="Cloudflare pushes a log for the whole account, other applications' sign-ins among it, and does so on an"
    " Enterprise plan alone.",
    remedy="nothing, if the account has that plan: `ringwall doctor` asks Cloudflare; else remove it from logpush",
    source="Cloudflare docs, Logpush, Datasets and Availability",
)
def logpush(subject: Subject) -> Iterator[Broken]:
    if subject.environment is None or subject.perimeter is not None:
        return
    for dataset in sorted(subject.environment.settings.logpush):
        yield Broken(f"{dataset} needs an Enterprise plan", key=("logpush", dataset))


@rule(
    id="edge-client-authority",
    severity=Severity.WARNING,
    reason="Access asks for a client certificate where it knows an authority for the name, and nowhere else. A policy that"
    " wants a certificate admits nobody until then.",
    remedy="name the authority that signs the agents' certificates in client_authorities; waive this where somebody gave it"
    " to Access by hand",
    source="Cloudflare One docs, Mutual TLS: add the root certificate and the host names it is for",
)
def client_authority(subject: Subject) -> Iterator[Broken]:
    if subject.environment is None or subject.perimeter is not None:
        return
    settings = subject.environment.settings
    if not settings.client_authorities:
        for name, agent in sorted(settings.agents.items()):
            if agent.common_name is not None:
                text = f"agent {name} must show a certificate, and the file names no authority for it"
                yield Broken(text, key=("agents", name, "common_name"))
    elif not certificate_hostnames(settings, subject.environment.manifests):
        for name in sorted(settings.client_authorities):
            text = f"authority {name} is for no name: nothing admits an agent that has a common_name"
            yield Broken(text, key=("client_authorities", name))


def _name(ingress_rule: Mapping[str, Json]) -> str:
    return str(ingress_rule.get("hostname") or "everything else")


RULES: Final[tuple[Rule, ...]] = (
    *EXPOSURE,
    application_open,
    ingress_audience,
    ingress_target,
    application_moved,
    tunnel_unprotected,
    zone_unprotected,
    hosted_client,
    name_depth,
    logpush,
    client_authority,
)
