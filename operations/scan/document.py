"""What a scan found: the JSON document, the table row of a server, and the last line."""

from __future__ import annotations

from collections import Counter
from typing import Any

from model.text import counted
from model.tool_lock import Risk
from operations.scan.advice import Advice
from operations.scan.report import ScannedServer, ScanReport, State

#: What each state of a server means, in the order of how many may call it.
STATES: dict[State, str] = {
    "exposed": "exposed to other machines",
    "open": "open to every program of this machine",
    "guarded": "asking for credentials",
    "behind rings": "behind the rings",
}


def summary(report: ScanReport, subject: str) -> str:
    """The last line: every server counts once, by its state."""
    count = len(report.servers)
    text = f"looked at {counted(report.sockets, subject)}: {counted(count, 'MCP server')}"
    states = Counter(server.state for server in report.servers)
    parts = [f"{states[state]} {words}" for state, words in STATES.items() if states[state]]
    if report.unjudged:
        parts.append(f"{counted(len(report.unjudged), 'place')} that could not be judged")
    return f"{text}; {', '.join(parts)}" if parts else text


def row(server: ScannedServer) -> list[str]:
    about = f"{server.name} {server.version}".strip() or "(says nothing about itself)"
    transports = dict.fromkeys(transport for transport, _ in server.transports)
    place = str(server.place) + "".join(f" {p}" for p in dict.fromkeys(path for _, path in server.transports))
    shown = server.state if server.onboarded is None else f"{server.state} ({server.onboarded})"
    if server.guard:
        shown += " (a Ringwall guard)"
    owner = f"{server.place.pid} {server.owner}".strip() if server.place.pid is not None else "(not ours to see)"
    return [
        server.danger,
        place,
        ", ".join(transports),
        about,
        shown,
        _counts(server),
        "" if server.place.named else owner,
    ]


def _counts(server: ScannedServer) -> str:
    if server.tools is None:
        return "not listed"
    risks: tuple[Risk, ...] = ("execute", "write", "unknown", "read")
    counted = [f"{len(names)} {risk}" for risk in risks if (names := server.named(risk))]
    return ", ".join(counted) or "none"


def document(report: ScanReport, advices: list[Advice]) -> dict[str, Any]:
    return {
        "version": 1,
        "complete": report.complete,
        "sockets": report.sockets,
        "quiet": report.quiet,
        "exposed": len(report.exposed),
        "servers": [
            {
                "danger": server.danger,
                "state": server.state,
                "url": server.url,
                "addresses": list(server.place.addresses),
                "port": server.place.port,
                "pid": server.place.pid,
                "process": server.owner,
                "transports": [{"transport": transport, "path": path} for transport, path in server.transports],
                "name": server.name,
                "server_version": server.version,
                "protocol_version": server.protocol_version,
                "demands": server.demands,
                "guard": server.guard,
                "onboarded": server.onboarded,
                "problem": server.problem,
                "warnings": list(server.warnings),
                "tools": None
                if server.tools is None
                else [
                    {"name": t.name, "risk": t.risk, "reasons": list(t.reasons), "outbound": t.outbound}
                    for t in server.tools
                ],
                "steps": list(advice.steps),
                "command": advice.command,
            }
            for server, advice in zip(report.servers, advices, strict=True)
        ],
        "unjudged": [{"where": str(unjudged.place), "reason": unjudged.reason} for unjudged in report.unjudged],
    }
