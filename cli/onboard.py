"""`ringwall onboard`: meets a server, proposes its stack file and tool lock, and writes them."""

from __future__ import annotations

from pathlib import Path

import typer

from cli import console
from cli.acceptance import review
from cli.clients import link_client, plan_link
from cli.onboard_answers import ask_access, environment_and_server, host_of
from cli.onboard_display import show
from cli.onboard_existing import compare_existing, meet
from cli.project import current_project
from guard.probe.probe import Moved
from model.errors import InputError
from model.project import load_environment
from model.text import visible
from operations.onboard import origins
from operations.onboard.document import document, next_steps
from operations.onboard.offer import capabilities_of
from operations.onboard.propose import (
    access_value,
    propose,
    refuse_existing,
    with_clients,
)
from operations.project.new_project import refresh_schema
from operations.project.write import apply


def onboard(
    server: str,
    env: str | None,
    *,
    url: str | None,
    socket: str | None,
    path: str | None,
    command: str | None,
    pass_env: list[str] | None,
    header: list[str] | None,
    client_capabilities: str | None,
    host: str | None,
    hostname: str | None,
    guard_port: int | None,
    people: list[str] | None,
    domain: list[str] | None,
    group: list[str] | None,
    agent: list[str] | None,
    client: list[str] | None,
    link: list[str] | None,
    link_file: Path | None,
    timeout: float,
    allow_exposed: bool,
    accept: list[str],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """What `ringwall onboard` does; its flags and help are in `cli.flags.onboard`."""
    env, server = environment_and_server(server, env)
    project = current_project()
    stack = f"{env}.{server}"
    origin_flags = origins.from_flags(url, socket, path, command, list(pass_env or ()), header)
    if project.stack_file(stack).is_file():
        ignored = {
            "--host": host, "--hostname": hostname, "--guard-port": guard_port, "--people": people, "--domain": domain,
            "--group": group, "--agent": agent, "--client": client,
        }  # fmt: skip
        for flag in (flag for flag, value in ignored.items() if value):
            console.note(f"warning: {flag} is not used: {project.stack_file(stack)} is there already; edit it")
        for name in link or ():
            console.note(f"note: to write {server} into the settings of {name}: ringwall clients {stack} {name} --link")
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
    inherits = environment.settings.defaults.access is not None
    access = with_clients(access or ask_access(yes), client or (), link or (), inherits=inherits)
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
    show(proposal, exposure)
    if link_file is not None and len(link or ()) != 1:
        raise InputError("is the file of one client", key="--link-file", remedy="give --link once")
    for name in link or ():
        plan_link(proposal.stack, name, link_file)  # what cannot be written is said before anything is
    links = []
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
        links = [link_client(proposal.stack, name, link_file, yes=yes) for name in link or ()]
    if as_json:
        console.print_json({**document(proposal, exposure, warnings, written=not dry_run), "links": links})
    if not dry_run:
        for line in next_steps(proposal):
            console.say(line)
