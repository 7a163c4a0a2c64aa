"""`ringwall adopt`: takes a set-up over that exists, into a stack file and its state."""

from __future__ import annotations

from collections.abc import Sequence

from cli import console
from cli.adopt_display import refuse_misfits, show, show_all
from cli.adopt_files import Answers, proposal_of
from cli.project import current_project
from cli.target import target_of
from engine.locate import require
from engine.state import live_resources
from engine.workspace import Target
from model.errors import InputError
from model.project import load_environment
from model.stacks import EnvironmentStack, PerimeterStack
from operations.adopt.differences import Adoption
from operations.adopt.existing import Existing, read_existing
from operations.adopt.sources import opened_source
from operations.adopt.taking_over import adoptions, refuse_recorded, take_over
from operations.onboard.propose import default_hostname
from operations.project.write import FileChange, apply
from plan.graph import Graph
from plan.preflight import refuse_unsafe


def adopt(
    env: str,
    server: str | None,
    *,
    hostname: str | None,
    url: str | None,
    host: str | None,
    guard_port: int | None,
    timeout: float,
    allow_exposed: bool,
    accept: list[str],
    dry_run: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall adopt` does; its flags and help are in `cli.flags.adopt`."""
    project = current_project()
    environment = load_environment(project, env)
    with target_of(project, sandbox=sandbox) as target:
        if server is None:
            show_all(target, environment, as_json=as_json)
            return
        require()
        stack = f"{env}.{server}"
        member = _member(environment, server)
        if not live_resources(project, env, target):
            raise InputError(f"environment {env} is not deployed", remedy=f"run `ringwall up {env}` first")
        refuse_recorded(target, stack)
        if member is not None and (hostname or url or host or guard_port):
            raise InputError(
                "the server has its stack file", file=project.stack_file(stack), remedy="correct it there, and adopt"
            )
        name = hostname or (member.manifest.hostname if member else default_hostname(environment, server))
        existing = _read(target, environment, name, stack, has_file=member is not None)
        changes: Sequence[FileChange] = ()
        if existing.misfits:
            refuse_misfits(existing)
        if not existing.objects:
            raise InputError(
                f"nothing exists for {name} at Cloudflare or Kong",
                key="--hostname",
                remedy=f"see `ringwall adopt {env}`, or make the server with `ringwall onboard {stack}`",
            )
        if member is None:
            proposal = proposal_of(
                environment,
                existing,
                server,
                Answers(url, host, guard_port, timeout, allow_exposed, accept, yes),
            )
            member, changes = proposal.stack, proposal.changes
        graph = refuse_unsafe(project, member)
        objects = adoptions(graph, existing)
        show(objects, existing)
        if dry_run:
            for change in changes:
                console.say(f"\n--- {change.path} (not written)\n{(change.after or b'').decode()}")
        else:
            console.consent(f"Adopt this as {stack}?", yes=yes)
            _write(target, changes, graph, objects)
    if as_json:
        console.print_json(
            {
                "version": 1,
                "stack": stack,
                "hostname": name,
                "adopted": not dry_run,
                "objects": [item.as_json() for item in objects],
                "files": [str(change.path) for change in changes],
            }
        )
    if not dry_run:
        flag = " --sandbox" if sandbox else ""
        console.say(
            f"nothing at Cloudflare or Kong was changed; see `ringwall preview {stack}{flag}` before `ringwall up`"
        )


def _member(environment: EnvironmentStack, server: str) -> PerimeterStack | None:
    if server in environment.models:
        raise InputError(
            f"{server} is a model route, and this is about MCP servers",
            key="SERVER",
            remedy="take over its objects one by one, as `ringwall help import` says",
        )
    return environment.servers.get(server)


def _read(target: Target, environment: EnvironmentStack, hostname: str, stack: str, *, has_file: bool) -> Existing:
    with (
        opened_source(target, environment.settings) as source,
        console.working(f"reading what exists for {hostname}"),
    ):
        return read_existing(source, hostname, has_file=has_file, stack=stack)


def _write(target: Target, changes: Sequence[FileChange], graph: Graph, objects: Sequence[Adoption]) -> None:
    """Write the files and record the objects; where one fails, neither is there."""
    apply(changes)
    try:
        take_over(target, graph, objects)
    except BaseException:
        apply([FileChange(change.path, change.after, change.before) for change in changes])
        raise
