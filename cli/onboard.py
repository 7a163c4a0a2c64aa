"""`ringwall onboard`: meets a server, proposes its stack file and tool lock, and writes them."""

from __future__ import annotations

import typer

from cli import console, state
from cli.acceptance import review
from cli.onboard_answers import ask_access, host_of
from cli.onboard_existing import compare_existing, meet
from cli.project import current_project
from guard.probe.probe import Moved
from model.errors import InputError
from model.project import load_environment
from model.text import visible
from operations.onboard import origins
from operations.onboard.document import document, next_steps
from operations.onboard.offer import capabilities_of, concern_lines, left_out_lines, tool_rows
from operations.onboard.propose import (
    Proposal,
    access_value,
    propose,
    refuse_existing,
)
from operations.project.new_project import AGENT, refresh_schema
from operations.project.write import apply
from operations.sockets import Exposure


def onboard(
    server: str,
    env: str,
    *,
    url: str | None,
    socket: str | None,
    path: str | None,
    command: str | None,
    pass_env: list[str] | None,
    client_capabilities: str | None,
    host: str | None,
    hostname: str | None,
    guard_port: int | None,
    people: list[str] | None,
    domain: list[str] | None,
    group: list[str] | None,
    agent: list[str] | None,
    timeout: float,
    allow_exposed: bool,
    accept: list[str],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """What `ringwall onboard` does; its flags and help are in `cli.flags.onboard`."""
    if AGENT.wrong(server):
        raise InputError(f"{server} is no server name", key="SERVER", remedy="use lower-case letters, digits and -")
    project = current_project()
    stack = f"{env}.{server}"
    origin_flags = origins.from_flags(url, socket, path, command, list(pass_env or ()))
    if project.stack_file(stack).is_file():
        ignored = {
            "--host": host, "--hostname": hostname, "--guard-port": guard_port, "--people": people, "--domain": domain,
            "--group": group, "--agent": agent,
        }  # fmt: skip
        for flag in (flag for flag, value in ignored.items() if value):
            console.note(f"warning: {flag} is not used: {project.stack_file(stack)} is there already; edit it")
        compare_existing(
            project,
            stack,
            origin_flags,
            timeout=timeout,
            client_capabilities=client_capabilities,
            allow_exposed=allow_exposed,
            accept=accept,
            dry_run=dry_run,
            yes=yes,
        )
        return
    environment = load_environment(project, env)
    refuse_existing(project, stack)
    if origin_flags is None:
        raise InputError("is missing", key="--url", remedy="say where the server is: --url, --socket or --command")
    origin = origins.check(origin_flags)
    access = access_value(list(people or ()), list(domain or ()), list(group or ()), list(agent or ()))
    access = access or ask_access(yes)
    host = host or host_of(environment, yes)
    capabilities = capabilities_of(client_capabilities)
    try:
        exposure, warnings, acquaintance = meet(origin, timeout, allow_exposed, capabilities)
    except Moved as moved:
        console.note(
            f"warning: the server redirects to {visible(moved.url)}, and the guard follows nothing: written so"
        )
        origin_flags = {**origin_flags, "url": moved.url}
        exposure, warnings, acquaintance = meet(origins.check(origin_flags), timeout, allow_exposed, capabilities)
    proposal = propose(
        project,
        environment,
        server,
        acquaintance,
        origin=origin_flags,
        access=access,
        host=host,
        hostname=hostname,
        guard_port=guard_port,
        review=lambda lock: review(lock, accept, yes=yes, command=f"ringwall lock approve {stack}"),
    )
    _show(proposal, exposure)
    if dry_run:
        for change in proposal.changes:
            console.say(f"\n--- {change.path} (not written)\n{(change.after or b'').decode()}")
    else:
        names = " and ".join(change.path.name for change in proposal.changes)
        if not console.ask(f"Write {names}?", yes=yes):
            console.note("nothing was written")
            raise typer.Exit(1)
        apply(proposal.changes)
        refresh_schema(project)
    if as_json:
        console.print_json(document(proposal, exposure, warnings, written=not dry_run))
    if not dry_run:
        for line in next_steps(proposal):
            console.say(line)


def _show(proposal: Proposal, exposure: Exposure | None) -> None:
    offer, manifest = proposal.offer, proposal.stack.manifest
    console.say(f"{visible(offer.name)} {visible(offer.version)}, MCP {', '.join(offer.protocol_versions)}")
    if exposure is not None and exposure.state == "loopback":
        console.say(f"Its socket is {exposure}.")
    if not state.json:
        rows = tool_rows(proposal.lock, proposal.granted, proposal.withheld)
        console.table(["tool", "risk", "sends out", "granted to", "why this risk"], rows)
    lock = proposal.lock
    console.say(
        f"{len(lock.tools)} tools ({len(proposal.granted)} granted), {len(lock.prompts)} prompts, {len(lock.resources)} "
        f"resources, {len(lock.resource_templates)} resource templates: all pinned; only what is granted can be used."
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
