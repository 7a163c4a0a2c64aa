"""Probes of the gateway and of the guard alone: requests without a genuine token, sent straight to each one's port.

At a public name the edge already refuses these requests, so a gateway or guard that lets them through would go unnoticed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from operations.verify import edge, tokens
from operations.verify.client import Address, Client, NoResponse
from operations.verify.context import Probe, VerifyContext
from operations.verify.report import Outcome, ProbeRecord, ProbeResult, failed, passed, skipped
from operations.verify.subject import InnerRing, PublicHostname, attempt, described, is_admitted, is_refusal

_LOOPBACK = "127.0.0.1"
_PROBES: tuple[Callable[[VerifyContext, PublicHostname], Awaitable[ProbeResult]], ...] = (
    edge.no_token,
    edge.identity_headers,
    tokens.self_signed,
    tokens.unsigned,
    tokens.confused,
)


def probe_of(ring: InnerRing) -> Probe:
    """The probe of one ring, run for every public name."""

    async def run(context: VerifyContext, door: PublicHostname) -> ProbeResult:
        if context.client.resolve.get(door.hostname) == Address(_LOOPBACK, ring.port):
            return skipped(f"{door.hostname} is resolved to this port, so these requests were sent there already")
        to_ring = {door.hostname: Address(_LOOPBACK, ring.port)}
        async with Client(to_ring, insecure_http=True, timeout=context.client.timeout) as client:
            # The issuers' keys were fetched already and are in the cache, which both contexts share.
            return await _alone(replace(context, client=client, caller=None, second_caller=None), door, ring)

    return Probe(
        f"behind.{ring.name}",
        f"requests without a token and with forged ones, sent straight to {_LOOPBACK}:{ring.port}",
        "400, 401 or 403 by this ring alone",
        f"the {ring.name} does not check for itself: {ring.remedy}",
        run,
    )


async def _alone(context: VerifyContext, door: PublicHostname, ring: InnerRing) -> ProbeResult:
    first = await attempt(context.send_initialize(door))
    target = f"{_LOOPBACK}:{ring.port}"
    if isinstance(first, NoResponse):
        return skipped(f"not reached from here: {target}: {first}; run this on the host, with --on-host")
    if not is_admitted(first) and not is_refusal(context.subject, first):
        observed = (
            f"{target} answers {described(context.subject, first)}, which is not how this server's {ring.name} does"
        )
        return failed(observed) if context.on_host else skipped(f"{observed}; on that host, add --on-host")
    results = [await run(context, door) for run in _PROBES]
    for result in results:
        if result.outcome == "fail":
            return result
    if partly := [result.observed for result in results if result.outcome == "skipped"]:
        return skipped(f"refused in part; {partly[0]}")
    return passed(f"refused all by itself: {', '.join(sorted({part for r in results for part in _codes(r)}))}")


def _codes(result: ProbeResult) -> list[str]:
    return result.observed.partition(" (")[0].split(", ")


def proven(checks: tuple[ProbeRecord, ...]) -> str:
    """Say in one line which rings were proven on their own."""
    outcomes_by_ring: dict[str, list[Outcome]] = {}
    for check in checks:
        if check.id == "edge.no-token" or check.id.startswith(("tokens.", "behind.")):
            ring = check.id.removeprefix("behind.") if check.id.startswith("behind.") else "edge"
            outcomes_by_ring.setdefault(ring, []).append(check.outcome)
    statements = []
    for ring, outcomes in outcomes_by_ring.items():
        if "fail" in outcomes:
            statements.append(f"{ring}: NOT closed")
        elif "pass" in outcomes and (ring == "edge" or "skipped" not in outcomes):
            statements.append(f"{ring}: proven")
        else:
            statements.append(f"{ring}: not reached, so not proven")
    return f"rings, each tried with requests without a genuine token: {'; '.join(statements)}"
