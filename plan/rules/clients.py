"""Rules for the clients that may register at a server's own public name, and for where their sign-in returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.known_clients import KNOWN_CLIENTS
from model.problems import Wrong
from model.redirect_uris import check_redirect_uri, is_wide
from plan.findings import Severity
from plan.graph import Resource
from plan.protectors import ACCESS_APPLICATION
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, items, mapping

_KNOWN: Final = frozenset(uri for client in KNOWN_CLIENTS.values() for uri in client.redirect_uris)


def _redirect_uris(subject: Subject) -> Iterator[tuple[Resource, str]]:
    """Every redirect URI that an application lets a client register."""
    for app in subject.graph.by_type(ACCESS_APPLICATION):
        settings = mapping(mapping(app.inputs.get("oauthConfiguration")).get("dynamicClientRegistration"))
        for uri in items(settings.get("allowedUris")):
            if isinstance(uri, str):
                yield app, uri


def _problem(uri: str) -> Wrong | None:
    try:
        check_redirect_uri(uri)
    except Wrong as wrong:
        return wrong
    return None


@rule(
    id="edge-client-dangerous",
    severity=Severity.ERROR,
    reason="Whoever can receive a redirect of an allowed form receives the code of whoever signs in: anyone at a wildcard"
    " host or on the way of plain http, any program that claims a scheme of many.",
    remedy="write the redirect URIs that the client registers, exactly",
    source="RFC 9700 section 4.1; RFC 8252 section 7; Cloudflare One docs, managed OAuth settings",
    waivable=False,
)
def client_dangerous(subject: Subject) -> Iterator[Broken]:
    for app, uri in _redirect_uris(subject):
        if wrong := _problem(uri):
            yield Broken(f"lets sign-ins return to {uri}, which {wrong}", app, wrong.remedy, key=("access", "clients"))


@rule(
    id="edge-client-wide",
    severity=Severity.WARNING,
    reason="A redirect URI that ends in /* lets every page below it receive a sign-in; one page there that passes on what it"
    " is given hands the session to somebody else.",
    remedy="write the redirect URIs that the client registers, exactly",
    source="RFC 9700 section 4.1, insufficient redirection URI validation; Cloudflare One docs, managed OAuth settings",
)
def client_wide(subject: Subject) -> Iterator[Broken]:
    for app, uri in _redirect_uris(subject):
        if is_wide(uri) and uri not in _KNOWN and not _problem(uri):
            yield Broken(f"lets sign-ins return to every page of {uri}", app, key=("access", "clients"))


@rule(
    id="edge-client-hosted",
    severity=Severity.WARNING,
    reason="Such a client's calls come from its vendor's servers, where neither a person's country nor a device check holds."
    " People sign in well, and then every call is refused.",
    remedy="give it a door of its own: hosted_clients in the environment with the vendor's addresses, and"
    " access.hosted_clients here; then remove it from access.clients",
    source="Anthropic and OpenAI docs, egress addresses of hosted MCP clients; Cloudflare One docs: country and posture are"
    " checked on every request",
)
def client_hosted(subject: Subject) -> Iterator[Broken]:
    manifest = subject.perimeter.manifest if subject.perimeter is not None else None
    if manifest is None or manifest.oauth.mode != "access":
        return
    for client in manifest.access.clients or ():
        known = KNOWN_CLIENTS.get(client) if isinstance(client, str) else None
        if known is not None and known.is_hosted:
            demands = ["the countries " + ", ".join(manifest.countries or ())]
            demands += [f"posture {name}" for name in manifest.posture]
            yield Broken(
                f"{known.title} calls from its vendor's servers, and this name demands {' and '.join(demands)}",
                key=("access", "clients"),
            )


RULES: Final[tuple[Rule, ...]] = (client_dangerous, client_wide, client_hosted)
