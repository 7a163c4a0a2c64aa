"""The table for a server's names, ports, origin, sign-in, browser clients and logs. It is applied in `keys`."""

from __future__ import annotations

from model.origin_identity import IdentityKey, TokenExchange
from plan.diff.semantic.directions import (
    Delegated,
    KeyRule,
    Table,
    any_change,
    appearing_loosens,
    appearing_tightens,
    grows_loosens,
    longer_loosens,
    no_effect,
    shrinks_loosens,
)

_PORT = "a loopback port; the model keeps it unique on its host"

#: Either way: a new sink carries records elsewhere, a lost one takes evidence away.
LOGS: Table = {
    "logs.http": KeyRule(any_change, "log sink over HTTP", "gateway", 50),
    "logs.http.url": KeyRule(any_change, "who receives the log over HTTP", "gateway", 50),
    "logs.http.headers.*": KeyRule(any_change, "header {0} of the log over HTTP", "gateway", 40),
    "logs.file": KeyRule(any_change, "log sink in a file", "gateway", 45),
    "logs.file.path": KeyRule(any_change, "file of the log", "gateway", 40),
    "logs.otlp": KeyRule(any_change, "OpenTelemetry sink", "gateway", 50),
    "logs.otlp.traces": KeyRule(any_change, "who receives traces", "gateway", 50),
    "logs.otlp.logs": KeyRule(any_change, "who receives OTLP logs", "gateway", 50),
    "logs.otlp.headers.*": KeyRule(any_change, "header {0} of the OpenTelemetry sink", "gateway", 40),
}

RULES: Table = {
    "version": KeyRule(
        no_effect, "format of the manifest", "", 5, proof="says how the file is read; both sides were read"
    ),
    "host": KeyRule(any_change, "host that runs the server", "origin", 70),
    "hostname": KeyRule(any_change, "public name", "edge", 80),
    "path": KeyRule(any_change, "public path", "gateway", 60),
    "guard_port": KeyRule(no_effect, "port of the guard", "guard", 10, proof=_PORT),
    "guard_admin_port": KeyRule(no_effect, "port of the guard's readiness and metrics", "guard", 10, proof=_PORT),
    "origin.url": KeyRule(any_change, "where the guard finds the server", "origin", 70),
    "origin.socket": KeyRule(any_change, "socket where the guard finds the server", "origin", 70),
    "origin.path": KeyRule(any_change, "path behind the socket", "origin", 50),
    "origin.command": KeyRule(any_change, "command that the guard starts", "origin", 85, ordered=True),
    "origin.environment.*": KeyRule(any_change, "variable {0} of the server's command", "origin", 65),
    "origin.environment.*.env": KeyRule(any_change, "where variable {0} comes from", "origin", 60),
    "origin.environment.*.file": KeyRule(any_change, "where variable {0} comes from", "origin", 60),
    "origin.directory": KeyRule(any_change, "working directory of the command", "origin", 60),
    "origin.egress": KeyRule(grows_loosens, "where the server may call out to", "origin", 85),
    # Either way: the server is told who people are, or no longer, and may decide by it.
    "origin.identity": KeyRule(any_change, "how the server is told who calls", "origin", 60),
    "origin.identity_keys": KeyRule(appearing_tightens, "keys that tell the server who calls", "origin", 60),
    **{
        f"origin.identity_keys[].{name}": KeyRule(any_change, "key that tells the server who calls", "origin", 60)
        for name in IdentityKey.model_fields
    },
    "origin.headers.*": KeyRule(any_change, "header {0} that the server is sent", "origin", 65),
    "origin.headers.*.env": KeyRule(any_change, "where header {0} comes from", "origin", 60),
    "origin.headers.*.file": KeyRule(any_change, "where header {0} comes from", "origin", 60),
    "origin.headers.*.scheme": KeyRule(any_change, "scheme of header {0}", "origin", 40),
    # Either way somebody else acts at the server: the caller with their own rights there, or whoever it was before.
    "origin.token_exchange": KeyRule(any_change, "the server acts as the caller, by token exchange", "origin", 85),
    **{
        f"origin.token_exchange.{name}": KeyRule(
            any_change, f"{name} of the exchange by which the server acts as the caller", "origin", 80
        )
        for name in TokenExchange.model_fields
    },
    **{
        f"origin.token_exchange.client_secret.{name}": KeyRule(
            any_change, "where the secret for the token exchange comes from", "origin", 60
        )
        for name in ("env", "file")
    },
    "oauth.mode": KeyRule(any_change, "who signs people in", "edge", 95),
    "oauth.issuer": KeyRule(any_change, "issuer of tokens", "gateway", 95),
    "oauth.audience": KeyRule(any_change, "audience a token must carry", "gateway", 90),
    "oauth.scopes": KeyRule(shrinks_loosens, "scopes a token must carry", "gateway", 85),
    "oauth.tool_claim": KeyRule(any_change, "claim by which Kong too holds tool calls to the grants", "gateway", 50),
    "oauth.access_token_lifetime": KeyRule(longer_loosens, "life of a client's token", "edge", 60),
    "oauth.grant_lifetime": KeyRule(longer_loosens, "time until a client signs in again", "edge", 60),
    "session": KeyRule(longer_loosens, "how long a sign-in lasts", "edge", 65),
    "cors": KeyRule(appearing_loosens, "browser clients", "gateway", 70),
    "cors.origins": KeyRule(grows_loosens, "origins that may call from a browser", "gateway", 70),
    "lockdown": KeyRule(appearing_tightens, "lockdown, which closes every ring", "edge", 95),
    "lockdown.reason": KeyRule(
        no_effect, "reason of the lockdown", "", 10, proof="read by people; it closes all the same"
    ),
    "lockdown.since": KeyRule(
        no_effect, "start of the lockdown", "", 10, proof="read by people; it closes all the same"
    ),
    **LOGS,
    "posture": Delegated("access"),
    "countries": Delegated("access"),
    "access.people.emails": Delegated("access"),
    "access.people.domains": Delegated("access"),
    "access.people.groups": Delegated("access"),
    "access.people": Delegated("access"),
    "access.agents": Delegated("access"),
    "access.hosted_clients.*": Delegated("access"),
    "access.hosted_clients.*.hostname": Delegated("access"),
    "access.hosted_clients.*.people.emails": Delegated("access"),
    "access.hosted_clients.*.people.domains": Delegated("access"),
    "access.hosted_clients.*.people.groups": Delegated("access"),
    "grants": Delegated("grants"),
    "grants[].to.all": Delegated("grants"),
    "grants[].to.emails": Delegated("grants"),
    "grants[].to.domains": Delegated("grants"),
    "grants[].to.groups": Delegated("grants"),
    "grants[].to.agents": Delegated("grants"),
    "grants[].to.hosted_clients": Delegated("grants"),
    "grants[].tools": Delegated("grants"),
    "grants[].prompts": Delegated("grants"),
    "grants[].resources": Delegated("grants"),
    "grants[].read_only": Delegated("grants"),
    "grants[].arguments": Delegated("grants"),
    "grants[].limits.requests_per_minute": Delegated("grants"),
    "grants[].limits.tokens_per_minute": Delegated("grants"),
}
