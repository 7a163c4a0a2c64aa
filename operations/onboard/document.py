"""What an onboarding came to: the JSON document, and the next steps with the clients' configuration."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from model.portal_checks import portal_words
from operations.clients import snippets
from operations.clients.addresses import entry_name, usable
from operations.onboard.acceptance import findings_json
from operations.onboard.offer import concern_lines
from operations.onboard.propose import (
    Proposal,
)
from operations.sockets import Exposure


def document(proposal: Proposal, exposure: Exposure | None, warnings: list[str], *, written: bool) -> dict[str, Any]:
    stack = proposal.stack
    return {
        "version": 1,
        "stack": stack.stack,
        "written": written,
        "files": [str(change.path) for change in proposal.changes],
        "url": proposal.url,
        "server": {"name": proposal.offer.name, "version": proposal.offer.version},
        "socket": asdict(exposure) if exposure is not None else None,
        "warnings": [*warnings, *proposal.acquaintance.lines(), *concern_lines(proposal.concerns)],
        "findings": findings_json(proposal.lock),
        "tools": [
            {
                "name": tool.name,
                "risk": tool.risk,
                "reasons": list(tool.reasons),
                "outbound": tool.outbound,
                "granted": tool.name in proposal.granted,
                "withheld": proposal.withheld.get(tool.name),
                "left_to_server": list(tool.left_to_server),
            }
            for tool in proposal.lock.tools
        ],
        "left_out": [left_out.dump() for left_out in proposal.lock.left_out],
        "clients": {
            "people": [snippet.as_json() for snippet in snippets.people(entry_name(stack), usable(stack))],
            "agents": [snippet.as_json() for snippet in snippets.agents(entry_name(stack), proposal.url)]
            if stack.manifest.access.agents
            else [],
        },
    }


def next_steps(proposal: Proposal) -> list[str]:
    """The files that were written, the commands that follow, and what each client is configured with."""
    stack = proposal.stack
    lines = [
        *(f"wrote {change.path}" for change in proposal.changes),
        "\nNext, after a review in Git:",
        f"  ringwall plan {stack.stack}      # what it will make, offline",
        f"  ringwall preview {stack.environment.name}   # the same from the real engine, with its environment",
        f"  ringwall up {stack.environment.name}",
    ]
    lines += snippets.lines_of("people", snippets.people(entry_name(stack), usable(stack)))
    if stack.manifest.access.agents:
        lines += snippets.lines_of("agents", snippets.agents(entry_name(stack), proposal.url))
    if portal := portal_words(stack):
        lines.append(f"\n{stack.stack}: {portal}")
    return lines
