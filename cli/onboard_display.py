"""What `ringwall onboard` shows of a server before a person is asked to write its files."""

from __future__ import annotations

from cli import console, invocation
from model.clients import client_title
from model.text import counted, visible
from operations.onboard.offer import concern_lines, left_out_lines, tool_rows
from operations.onboard.propose import Proposal
from operations.sockets import Exposure


def show(proposal: Proposal, exposure: Exposure | None) -> None:
    offer, manifest = proposal.offer, proposal.stack.manifest
    console.say(f"{visible(offer.name)} {visible(offer.version)}, MCP {', '.join(offer.protocol_versions)}")
    if exposure is not None and exposure.state == "loopback":
        console.say(f"Its socket is {exposure}.")
    if not invocation.current().json:
        rows = tool_rows(proposal.lock, proposal.granted, proposal.withheld)
        console.table(["tool", "risk", "sends out", "granted to", "why this risk"], rows)
    lock = proposal.lock
    console.say(
        f"{counted(len(lock.tools), 'tool')} ({len(proposal.granted)} granted), {counted(len(lock.prompts), 'prompt')}, "
        f"{counted(len(lock.resources), 'resource')}, {counted(len(lock.resource_templates), 'resource template')}: "
        "all pinned; only what is granted can be used."
    )
    for line in left_out_lines(lock):
        console.note(f"note: {line}")
    for line in (*proposal.acquaintance.lines(), *concern_lines(proposal.concerns)):
        console.note(f"warning: {line}")
    if proposal.concerns:
        console.note("warning: read these definitions before you commit the lock: being in it is being approved")
    console.say(
        f"{manifest.hostname} on host {manifest.host}, guard on 127.0.0.1:{manifest.guard_port}, "
        f"people from {', '.join(manifest.countries or ())}"
    )
    if manifest.access.clients:
        titles = ", ".join(client_title(client) for client in manifest.access.clients)
        console.say(f"Clients that may sign people in: {titles} (access.clients in the file; --client names others).")
