"""Runs the probes one after another, each bounded in time, and makes the report of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from operations.verify import behind, calls, clients, discovery, edge, logs, portal, tokens
from operations.verify.client import NoResponse
from operations.verify.context import Probe, VerifyContext
from operations.verify.conversation import CallerRefused
from operations.verify.ports import probe_of
from operations.verify.registration import leftovers
from operations.verify.report import ProbeRecord, ProbeResult, VerificationReport, failed, skipped
from operations.verify.subject import PublicHostname

#: A probe may send several requests, so its limit is this many times the timeout of one.
_REQUESTS = 12


def planned(context: VerifyContext) -> Iterator[tuple[Probe, PublicHostname]]:
    """Every probe with the public name it is run at, in order."""
    doors = context.subject.doors
    for door in doors:
        yield edge.REACHABLE, door
    for probe in (*edge.PROBES, *tokens.PROBES, *discovery.PROBES):
        for door in doors:
            yield probe, door
    yield from clients.planned(doors)
    for probe in calls.PROBES:
        yield probe, doors[0]
    yield from portal.planned(context.subject.portal)
    yield from logs.planned(context.subject.logs)
    for ring in context.subject.rings:
        for door in doors:
            yield behind.probe_of(ring), door
    for listening in context.subject.ports:
        yield probe_of(listening), doors[0]


async def verify(context: VerifyContext, progress: Callable[[str], None] = lambda _: None) -> VerificationReport:
    """Run every probe. `progress` is called with the name of the next one.

    A public name that does not answer fails once; every other probe of it is skipped, never passed.
    """
    checks: list[ProbeRecord] = []
    silent: dict[str, str] = {}
    for probe, door in planned(context):
        port = probe.id.startswith("ports.")
        direct = port or probe.id.startswith("behind.")
        target = "this host" if port else door.hostname
        progress(f"{probe.id} on {target}")
        began = time.monotonic()
        if not direct and door.hostname in silent:
            result = skipped(f"{door.hostname} does not answer: {silent[door.hostname]}")
        else:
            result = await _bounded(context, probe, door)
        checks.append(
            ProbeRecord(
                probe.id,
                target,
                probe.tried,
                probe.expected,
                result.observed,
                result.outcome,
                result.remedy or (probe.remedy if result.outcome == "fail" else None),
                time.monotonic() - began,
            )
        )
        if probe.id == edge.REACHABLE.id and result.outcome == "fail":
            silent[door.hostname] = result.observed
    records = tuple(checks)
    notes = (*_notes(context), *_about_clients(context, records), behind.proven(records))
    return VerificationReport(context.subject.stack, records, notes)


async def _bounded(context: VerifyContext, probe: Probe, door: PublicHostname) -> ProbeResult:
    limit = context.client.timeout * _REQUESTS
    try:
        async with asyncio.timeout(limit):
            return await probe.run(context, door)
    except TimeoutError:
        return failed(f"not done within {limit:g} s")
    except (NoResponse, CallerRefused) as problem:
        return failed(str(problem))


def _about_clients(context: VerifyContext, checks: tuple[ProbeRecord, ...]) -> tuple[str, ...]:
    """Say how far the imitation of clients goes, and name each client that stays at an authorization server."""
    works = any(check.id.startswith("discovery.client.") and check.outcome == "pass" for check in checks)
    far = (clients.FROM_HERE,) if works and not context.client.insecure_http else ()
    return (*far, *(f"a registration stays: {leftover}" for leftover in leftovers(context)))


def _notes(context: VerifyContext) -> tuple[str, ...]:
    notes = []
    if context.client.insecure_http:
        notes.append("plain HTTP on loopback: TLS and the edge itself were not tried")
    elif context.client.resolve:
        notes.append(f"resolved by hand: {', '.join(sorted(context.client.resolve))}")
    if any(door.audience is None for door in context.subject.doors):
        notes.append("the audience of a public name is not known, so forged tokens had a made-up one")
    if context.caller is None:
        notes.append(calls.NO_IDENTITY)
    elif context.caller.principal is None:
        notes.append(
            "the principal of the identity is not known (--as names it): tools granted only to others were not recognised"
        )
    return tuple(notes)
