from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli import console, state
from cli.lock import report
from cli.options import AsJson, Debug, ProjectDir, Yes
from cli.project import current_project
from cli.prompt import read_answer
from model.base import Email
from model.errors import InputError
from model.project import Project, load_environment
from model.server import Origin
from model.stacks import EnvironmentStack
from model.text import visible
from model.tool_lock import to_yaml
from operations.onboard import origins, snippets
from operations.onboard.lock import build_lock
from operations.onboard.offer import ask_server, compared, concern_lines, tool_rows
from operations.onboard.propose import (
    Proposal,
    access_value,
    default_host,
    default_hostname,
    free_guard_port,
    propose,
    refuse_existing,
)
from operations.onboard.risk import examine
from operations.project.new_project import AGENT, Question, refresh_schema
from operations.project.server_files import read_server
from operations.project.staging import load_staged
from operations.project.write import Change, apply
from operations.sockets import Exposure


def onboard(
    server: Annotated[str, typer.Argument(help="Name of the server, such as github.", show_default=False)],
    env: Annotated[str, typer.Option("--env", help="Environment it belongs to.", show_default=False)],
    url: Annotated[
        str | None, typer.Option(help="Streamable HTTP: http://127.0.0.1:PORT/mcp.", show_default=False)
    ] = None,
    socket: Annotated[str | None, typer.Option(help="Streamable HTTP on a Unix socket.", show_default=False)] = None,
    path: Annotated[
        str | None, typer.Option(help="MCP endpoint behind --socket (default: /mcp).", show_default=False)
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="stdio: the command line that starts it.", show_default=False)
    ] = None,
    pass_env: Annotated[
        list[str] | None,
        typer.Option(help="stdio: a variable the command needs, kept as a reference; repeatable.", show_default=False),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Host it runs on (default: the only one).", show_default=False)
    ] = None,
    hostname: Annotated[
        str | None,
        typer.Option(
            help="Public name (default: SERVER.ZONE, outside production ENV-SERVER.ZONE).", show_default=False
        ),
    ] = None,
    guard_port: Annotated[
        int | None,
        typer.Option(help="Loopback port of its guard (default: the first free one from 9010).", show_default=False),
    ] = None,
    people: Annotated[
        list[str] | None, typer.Option(help="E-mail address of who may reach it; repeatable.", show_default=False)
    ] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="Everyone with an address in this domain.", show_default=False)
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="A group of the environment.", show_default=False)] = None,
    agent: Annotated[list[str] | None, typer.Option(help="An agent of the environment.", show_default=False)] = None,
    timeout: Annotated[float, typer.Option(help="Seconds the server has to answer everything.", min=1, max=300)] = 10,
    allow_exposed: Annotated[
        bool, typer.Option("--allow-exposed", help="Only warn when the server is bound beyond loopback.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and write nothing.")] = False,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Connect to a running server, look at its socket and tools, and write its stack file and tool lock.

    For a server that has them already: show what it changed, and write nothing. Exit code 1 when it changed.
    """
    if AGENT.wrong(server):
        raise InputError(f"{server} is no server name", key="SERVER", remedy="use lower-case letters, digits and -")
    found = current_project()
    stack = f"{env}.{server}"
    given = origins.from_flags(url, socket, path, command, list(pass_env or ()))
    if found.stack_file(stack).is_file():
        ignored = {
            "--host": host, "--hostname": hostname, "--guard-port": guard_port, "--people": people, "--domain": domain,
            "--group": group, "--agent": agent,
        }  # fmt: skip
        for flag in (flag for flag, value in ignored.items() if value):
            console.note(f"warning: {flag} is not used: {found.stack_file(stack)} is there already; edit it")
        _again(found, stack, given, timeout=timeout, allow_exposed=allow_exposed, dry_run=dry_run, yes=yes)
        return
    environment = load_environment(found, env)
    refuse_existing(found, stack)
    if given is None:
        raise InputError("is missing", key="--url", remedy="say where the server is: --url, --socket or --command")
    origin = origins.check(given)
    access = access_value(list(people or ()), list(domain or ()), list(group or ()), list(agent or ()))
    access = access or _ask_access(yes)
    host = host or _host(environment, yes)
    seen, warnings, offer = _meet(origin, timeout, allow_exposed)
    proposal = propose(
        found,
        environment,
        server,
        offer,
        origin=given,
        access=access,
        host=host,
        hostname=hostname or default_hostname(environment, server),
        guard_port=free_guard_port(environment, origin) if guard_port is None else guard_port,
    )
    _show(proposal, seen)
    if dry_run:
        for change in proposal.changes:
            console.say(f"\n--- {change.path} (not written)\n{(change.after or b'').decode()}")
    else:
        names = " and ".join(change.path.name for change in proposal.changes)
        if not console.ask(f"Write {names}?", yes=yes):
            console.note("nothing was written")
            raise typer.Exit(1)
        apply(proposal.changes)
        refresh_schema(found)
    if as_json:
        console.print_json(_document(proposal, seen, warnings, written=not dry_run))
    if not dry_run:
        _next_steps(proposal)


def _ask_access(yes: bool) -> dict[str, Any]:
    if yes or not console.interactive():
        raise InputError(
            "nobody would be admitted",
            key="--people",
            remedy="give at least one --people, --domain, --group or --agent",
        )
    question = Question("--people", "E-mail address of who may reach it", Email, "give one such as ada@example.com")
    return access_value([read_answer(question.text, None, question.advice)], [], [], [])


def _host(environment: EnvironmentStack, yes: bool) -> str:
    hosts = list(environment.settings.hosts)
    only = default_host(environment.settings)
    if only is not None:
        return only
    if yes or not console.interactive():
        raise InputError("is missing", key="--host", remedy=f"name one of {', '.join(hosts)}")
    return read_answer(f"Host ({', '.join(hosts)})", None, lambda a: None if a in hosts else f"{a} is none of them")


def _meet(origin: Origin, timeout: float, allow_exposed: bool) -> tuple[Exposure | None, list[str], Any]:
    seen = origins.listener_of(origin)
    warnings = origins.judge(origin, seen, allow_exposed=allow_exposed)
    for warning in warnings:
        console.note(f"WARNING: {warning}")
    with console.working("asking the server what it offers"):
        return seen, warnings, ask_server(origin, timeout)


def _again(
    project: Project,
    stack: str,
    given: dict[str, Any] | None,
    *,
    timeout: float,
    allow_exposed: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """The stack file is there: nothing is written, save a lock that is missing altogether."""
    files = read_server(project, stack)
    origin = origins.check(given) if given is not None else files.origin
    if files.origin != origin:
        raise files.document.error(
            ("config", "ringwall:server", "origin"),
            "is another origin than the one named now",
            "edit it there, then onboard",
        )
    _, _, offer = _meet(files.origin, timeout, allow_exposed)
    if files.lock is not None:
        comparison = compared(files.lock, offer)
        report(files, comparison)
        if not comparison.is_unchanged:
            raise typer.Exit(1)
        return
    text = to_yaml(build_lock(offer))
    load_staged(project, files.environment, {files.lock_file: text}, server=files.name)
    for line in concern_lines(examine(offer)):
        console.note(f"warning: {line}")
    if dry_run:
        console.say(f"--- {files.lock_file} (not written)\n{text}")
    elif console.ask(f"Write the missing {files.lock_file.name}?", yes=yes):
        apply([Change.new(files.lock_file, text)])
        console.say(f"wrote {files.lock_file}")
    else:
        console.note("nothing was written")
        raise typer.Exit(1)
    if state.json:
        console.print_json({"version": 1, "stack": stack, "written": not dry_run, "files": [str(files.lock_file)]})


def _show(proposal: Proposal, seen: Exposure | None) -> None:
    offer, manifest = proposal.offer, proposal.stack.manifest
    console.say(f"{visible(offer.name)} {visible(offer.version)}, MCP {', '.join(offer.protocol_versions)}")
    if seen is not None and seen.state == "loopback":
        console.say(f"Its socket is {seen}.")
    if not state.json:
        rows = tool_rows(proposal.lock, proposal.granted, proposal.withheld)
        console.table(["tool", "risk", "sends out", "granted to", "why this risk"], rows)
    lock = proposal.lock
    console.say(
        f"{len(lock.tools)} tools ({len(proposal.granted)} granted), {len(lock.prompts)} prompts, {len(lock.resources)} "
        f"resources, {len(lock.resource_templates)} resource templates: all pinned; only what is granted can be used."
    )
    for line in concern_lines(proposal.concerns):
        console.note(f"warning: {line}")
    if proposal.concerns:
        console.note("warning: read these definitions before you commit the lock: being in it is being approved")
    console.say(
        f"{manifest.hostname} on host {manifest.host}, guard on 127.0.0.1:{manifest.guard_port}, "
        f"people from {', '.join(manifest.countries or ())}"
    )


def _next_steps(proposal: Proposal) -> None:
    stack = proposal.stack
    for change in proposal.changes:
        console.say(f"wrote {change.path}")
    console.say("\nNext, after a review in Git:")
    console.say(f"  ringwall plan {stack.stack}      # what it will make, offline")
    console.say(f"  ringwall preview {stack.stack}   # the same from the real engine")
    console.say(f"  ringwall up {stack.stack}")
    access = stack.manifest.access
    shown = [("people", snippets.people(stack.name, proposal.url))] if access.people else []
    shown += [("agents", snippets.agents(stack.name, proposal.url))] if access.agents else []
    for who, found in shown:
        console.say(f"\nClients, for {who}:")
        for snippet in found:
            where = f" ({snippet.file})" if snippet.file else ""
            note = f"; {snippet.note}" if snippet.note else ""
            console.say(f"\n# {snippet.client}{where}{note}\n{snippet.text}")


def _document(proposal: Proposal, seen: Exposure | None, warnings: list[str], *, written: bool) -> dict[str, Any]:
    stack = proposal.stack
    return {
        "version": 1,
        "stack": stack.stack,
        "written": written,
        "files": [str(change.path) for change in proposal.changes],
        "url": proposal.url,
        "server": {"name": proposal.offer.name, "version": proposal.offer.version},
        "socket": asdict(seen) if seen is not None else None,
        "warnings": [*warnings, *concern_lines(proposal.concerns)],
        "tools": [
            {
                "name": tool.name,
                "risk": tool.risk,
                "reasons": list(tool.reasons),
                "outbound": tool.outbound,
                "granted": tool.name in proposal.granted,
                "withheld": proposal.withheld.get(tool.name),
            }
            for tool in proposal.lock.tools
        ],
        "clients": {
            "people": [snippet.as_json() for snippet in snippets.people(stack.name, proposal.url)]
            if stack.manifest.access.people
            else [],
            "agents": [snippet.as_json() for snippet in snippets.agents(stack.name, proposal.url)]
            if stack.manifest.access.agents
            else [],
        },
    }
