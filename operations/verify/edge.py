"""Probes of a public name without a genuine token: every request is refused, whatever it claims about itself."""

from __future__ import annotations

import base64
import os
from urllib.parse import urlsplit

from operations.verify.client import Headers, HttpResponse, NoConnection, NoResponse
from operations.verify.context import Probe, VerifyContext
from operations.verify.report import ProbeResult, failed, passed, skipped
from operations.verify.subject import PublicHostname, attempt, described, is_admitted, is_refusal, judge_refusal

#: Headers that a proxy may believe. `CF-Connecting-IP` is left out: Cloudflare answers it with an error of its own.
_LOCATION_CLAIMS: tuple[Headers, ...] = (
    (("cf-ipcountry", "{country}"),),
    (("x-forwarded-for", "198.51.100.7"), ("forwarded", "for=198.51.100.7")),
    (("true-client-ip", "198.51.100.7"), ("x-real-ip", "198.51.100.7")),
)
#: Cloudflare's code for Tor; no stack file can allow it, as it is no country.
_TOR = "T1"
_IDENTITY_CLAIMS: Headers = (
    ("x-ringwall-principal", "person:somebody"),
    ("x-ringwall-assertion", "Bearer made-up"),
    ("x-ringwall-request-id", "made-up"),
    ("cf-access-authenticated-user-email", "somebody@example.com"),
    ("cf-access-client-id", "0123456789abcdef0123456789abcdef.access"),
    ("cf-access-client-secret", "made-up"),
)
_UPGRADE_KEY = "sec-websocket-key"


async def reachable(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    answer = await attempt(context.send_initialize(door))
    if isinstance(answer, NoResponse):
        return failed(str(answer))
    if answer.status >= 500 or answer.status == 404:
        return failed(f"{answer.status}: no route to the gateway behind that name")
    return passed(f"answers ({answer.status})")


async def no_token(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    return judge_refusal(context.subject, {"no token": await attempt(context.send_initialize(door))})


async def country_headers(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """Claim another country, as a stranger and as an admitted caller.

    The claim must open nothing to a stranger. It must close nothing to an admitted caller either, else some ring reads it.
    """
    refused: dict[str, HttpResponse | NoResponse] = {}
    for claim in _LOCATION_CLAIMS:
        headers = [(name, value.format(country="US")) for name, value in claim]
        refused[claim[0][0]] = await attempt(context.send_initialize(door, headers))
    result = judge_refusal(context.subject, refused)
    if result.outcome != "pass" or context.caller is None or door != context.subject.doors[0]:
        return result
    plain = await attempt(context.send_initialize(door, context.caller.headers))
    if isinstance(plain, NoResponse) or not is_admitted(plain):
        return result
    for claim in _LOCATION_CLAIMS:
        headers = [(name, value.format(country=_TOR)) for name, value in claim]
        answer = await attempt(context.send_initialize(door, (*context.caller.headers, *headers)))
        if isinstance(answer, NoResponse) or not is_admitted(answer):
            observed = str(answer) if isinstance(answer, NoResponse) else described(context.subject, answer)
            return failed(
                f"{claim[0][0]} sent by an admitted caller changed the answer to {observed}, so some ring believes it"
            )
    return passed(f"{result.observed}; with a genuine identity the answer stayed the same")


async def identity_headers(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    attempts = {name: await attempt(context.send_initialize(door, [(name, value)])) for name, value in _IDENTITY_CLAIMS}
    return judge_refusal(
        context.subject, {**attempts, "all": await attempt(context.send_initialize(door, _IDENTITY_CLAIMS))}
    )


async def query_token(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """Send a made-up token in the query; a genuine one does not belong in a URL, not even for a test.

    Along with a genuine identity the query is refused too, as MCP allows no token there and the endpoint takes no query.
    """
    attempts = {
        name: await attempt(context.send_initialize(door, query=f"{name}=made-up"))
        for name in ("access_token", "token", "jwt")
    }
    result = judge_refusal(context.subject, attempts)
    if result.outcome != "pass" or context.caller is None or door != context.subject.doors[0]:
        return result
    answer = await attempt(context.send_initialize(door, context.caller.headers, query="access_token=made-up"))
    if isinstance(answer, NoResponse):
        return failed(str(answer))
    if is_admitted(answer) or not 400 <= answer.status < 500:
        return failed(f"with a genuine identity: {described(context.subject, answer)}")
    return passed(f"{result.observed}; with a genuine identity {answer.status}")


async def websocket(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    callers: dict[str, Headers] = {"no token": ()}
    if context.caller is not None and door == context.subject.doors[0]:
        callers["a genuine identity"] = context.caller.headers
    observed = []
    for label, identity in callers.items():
        headers = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "mcp"),
            (_UPGRADE_KEY, base64.b64encode(os.urandom(16)).decode()),
            *identity,
        ]
        answer = await attempt(context.client.send("GET", context.url(door), headers=headers))
        if isinstance(answer, NoResponse):
            return failed(f"with {label}: {answer}")
        refused = is_refusal(context.subject, answer) or (bool(identity) and 400 <= answer.status < 500)
        if not refused:
            return failed(f"with {label}: {described(context.subject, answer)}")
        observed.append(f"{described(context.subject, answer)} with {label}")
    return passed(", ".join(observed))


async def plain_http(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    if context.client.insecure_http:
        return skipped("the whole run was by plain HTTP on loopback (--insecure-http)")
    resolved = context.client.resolve.get(door.hostname)
    if resolved is not None and resolved.port is not None:
        return skipped("--resolve gives the port of https for that name, not the port of plain HTTP")
    answer = await attempt(context.client.send("GET", context.url(door).replace("https://", "http://", 1)))
    if isinstance(answer, NoConnection):
        return passed(str(answer))
    if isinstance(answer, NoResponse):
        return skipped(f"cannot tell: {answer}")
    location = urlsplit(answer.headers.get("location", ""))
    if answer.status in (301, 302, 307, 308) and location.scheme == "https":
        return passed(f"{answer.status} to https")
    if is_refusal(context.subject, answer) or answer.status in (400, 404, 421, 426):
        return passed(described(context.subject, answer))
    return failed(described(context.subject, answer))


async def other_paths(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """The guard's health endpoints and the server's own pages must not be served on a public name."""
    paths = ("/", "/healthz", "/readyz", "/metrics", "/status", f"{context.subject.path.rstrip('/')}/x", "/sse")
    open_paths = []
    for path in paths:
        answer = await attempt(context.client.send("GET", context.url(door, path)))
        if isinstance(answer, NoResponse):
            open_paths.append(f"{path}: {answer}, which proves nothing")
        elif answer.status < 300:
            open_paths.append(f"{path}: {answer.status}")
    return failed(", ".join(open_paths)) if open_paths else passed("none of them answers")


REACHABLE = Probe(
    "edge.reachable",
    "a request to the public name",
    "an answer of the edge or gateway",
    "run `ringwall up`, start cloudflared and Kong on the host, and look at `ringwall drift`",
    reachable,
)
PROBES = (
    Probe(
        "edge.no-token",
        "initialize without any token",
        "401, 403 or the login",
        "the Access application does not protect this name: run `ringwall drift` and `ringwall up`",
        no_token,
    ),
    Probe(
        "edge.country-headers",
        "CF-IPCountry, X-Forwarded-For, Forwarded, True-Client-IP and X-Real-IP, set by the client",
        "they change no answer",
        "some ring believes a header that any client can send; take country rules to Access policies",
        country_headers,
    ),
    Probe(
        "edge.identity-headers",
        "x-ringwall-* and Cf-Access-* headers set by the client, without a token",
        "401, 403 or the login",
        "some ring believes a client's own claim of identity: run `ringwall drift` on the gateway's identity check",
        identity_headers,
    ),
    Probe(
        "edge.query-token",
        "a token in the query string",
        "refused, also with a genuine identity",
        "the gateway's identity check refuses every query: run `ringwall drift`",
        query_token,
    ),
    Probe(
        "edge.websocket",
        "an upgrade to WebSocket",
        "refused, also with a genuine identity",
        "gateway and guard refuse Upgrade: run `ringwall drift`",
        websocket,
    ),
    Probe(
        "edge.plain-http",
        "the endpoint by http://",
        "no answer, a redirect to https, or a refusal",
        "switch on Always Use HTTPS for the zone",
        plain_http,
    ),
    Probe(
        "edge.other-paths",
        "paths other than the endpoint (/, /healthz, /metrics, …) without a token",
        "none answers 2xx",
        "the gateway's route is the exact path only, behind Access: run `ringwall drift`",
        other_paths,
    ),
)
