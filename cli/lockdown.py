"""`ringwall lockdown`: a server closed to everyone in every ring, and opened again."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Yes, _complete_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.workspace import Target
    from model.environment import Environment
    from model.project import Project
    from model.server import Server
    from model.stacks import EnvironmentStack
    from operations.guard_bundle.delivery import Guards
    from operations.incident.closing_services import Edge, Gateway
    from operations.incident.journal import Operation
    from operations.project.write import Change

Closable = Annotated[
    str,
    typer.Argument(
        metavar="STACK",
        help="A server (dev.github), or an environment (dev) for all of its servers.",
        autocompletion=_complete_stack,
        show_default=False,
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Private key for guard bundles: sign and write each server's next bundle too.",
        show_default=False,
    ),
]
Bundles = Annotated[
    Path, typer.Option("--bundles", metavar="DIR", help="Folder of the bundles, named ENV.SERVER.guard.bundle.json.")
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", min=0, max=600, help="Seconds the gateway and a guard here get to show what they have taken."
    ),
]


def lockdown(
    stack: Closable,
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="Why, and who decided it; goes into the stack file.", show_default=False),
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Open it again, as its stack file has it.")] = False,
    key: KeyFile = None,
    bundles: Bundles = Path(),
    wait: Wait = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Close a server, or all servers of an environment, to everyone: edge, gateway and guard.

    Writes `lockdown` into the stack file, so that it survives the next `up` and is reviewed in Git. Then at once, at
    Cloudflare and Kong themselves, so that it needs neither the backend nor its passphrase: Access denies everyone and
    ends all sessions (CLOUDFLARE_API_TOKEN), Kong answers 503 (KONG_ADMIN_TOKEN), and the guard gets a configuration
    without grants (--key). A ring that is not known to be closed does not keep the next one open; the exit code is 1
    then, and the message names it. Run it again to go on. --lift goes the other way: guard, gateway, edge.
    """
    from cli.project import current_project
    from model.errors import InputError
    from model.project import load_environment

    found = current_project()
    stacks = servers_of(found, stack)
    if reason is None and not lift:
        raise InputError("a lockdown needs a reason", key="--reason", remedy='add --reason "why, and who decided it"')
    changes, unwritable = _edits(found, stacks, reason, lift=lift)
    if dry_run:
        _say_plan(load_environment(found, stack.partition(".")[0]), stacks, changes, lift=lift, as_json=as_json)
        return
    guards = guards_of(key, bundles, wait)
    if lift:
        operation = _lift(found, stack, stacks, changes, guards, reason, yes=yes, sandbox=sandbox)
    else:
        operation = _close(found, stack, stacks, changes, unwritable, guards, reason or "", yes=yes, sandbox=sandbox)
    finish(operation, as_json=as_json)


def servers_of(project: Project, stack: str) -> list[str]:
    """The server named, or every server of the environment named.

    Raises:
        InputError: there is none.
    """
    from model.errors import InputError
    from operations.project.server_files import require_stack

    if "." in stack:
        require_stack(project, stack)
        return [stack]
    names = project.servers_of(stack)
    if not names:
        raise InputError(f"environment {stack} has no server", key="STACK", remedy="see `ringwall list`")
    return [f"{stack}.{name}" for name in names]


def guards_of(key: Path | None, bundles: Path, wait: float) -> Guards:
    """How guards are told, as the options say.

    Raises:
        InputError: the key cannot be used, or there is no such folder: a bundle signed beside the one in force would deny
            nobody whom that one denies.
    """
    from guard.bundle.keys import load_private_key
    from model.errors import InputError
    from operations.guard_bundle.delivery import Guards

    if not bundles.is_dir():
        raise InputError(f"{bundles} is no folder", key="--bundles", remedy="name the one that holds the bundles")
    return Guards(load_private_key(key) if key else None, bundles, wait)


def finish(operation: Operation, *, as_json: bool) -> None:
    """The end of an operation: its journal line, the one JSON document, and the exit code."""
    from operations.incident.journal import NotComplete

    try:
        operation.end()
    except NotComplete as error:
        if not as_json:
            raise
        console.print_json(operation.as_json())
        for line in str(error).splitlines():
            console.note(f"error: {line}")
        raise typer.Exit(error.exit_code) from None
    if as_json:
        console.print_json(operation.as_json())


def _edits(
    project: Project, stacks: Sequence[str], reason: str | None, *, lift: bool
) -> tuple[list[Change], dict[str, str]]:
    """The stack files' changes; a server that is closed already keeps its reason and time. Then, by stack, why a file
    cannot be edited: that keeps no guard open.

    Raises:
        InputError: the reason is none, no file needs a change to be opened, or one cannot be edited for that.
    """
    from model.base import validate
    from model.errors import InputError
    from model.loader import Document
    from model.lockdown import Lockdown
    from operations.incident.journal import now

    since = now()
    if not lift:
        members: dict[str, Any] = {"reason": (reason or "").strip(), "since": since}
        validate(Lockdown, members, Document(Path("--reason"), members, {(): 1}), ())
    changes: list[Change] = []
    unwritable: dict[str, str] = {}
    for stack in stacks:
        try:
            changes += _edit(project.stack_file(stack), (reason or "").strip(), since, lift=lift)
        except InputError as error:
            if lift:
                raise
            unwritable[stack] = " ".join(str(error).split())
    if lift and not changes:
        raise InputError(
            f"no stack file closes {' or '.join(stacks)}",
            key="--lift",
            remedy=f"where a ring stayed closed, run `ringwall up {stacks[0]}` and sign its guard bundle",
        )
    return changes, unwritable


def _edit(file: Path, reason: str, since: str, *, lift: bool) -> list[Change]:
    """The one change of a file, or none where it says already what it should; raises InputError."""
    from model.errors import InputError
    from model.loader import read
    from model.project import config_of
    from model.stacks import SERVER_KEY
    from operations.incident.stack_file import lifted, locked
    from operations.project.write import Change

    manifest = config_of(read(file)).get(SERVER_KEY)
    is_locked = isinstance(manifest, dict) and manifest.get("lockdown") is not None
    if is_locked is not lift:
        return []
    before = file.read_bytes()
    text = before.decode("utf-8")
    try:
        after = lifted(text) if lift else locked(text, reason, since)
    except InputError as error:
        raise InputError(error.problem, file=file, key=error.key, remedy=error.remedy) from None
    return [Change(file, before, after.encode())]


def _say_plan(
    environment: EnvironmentStack, stacks: Sequence[str], changes: Sequence[Change], *, lift: bool, as_json: bool
) -> None:
    planned: list[dict[str, Any]] = []
    for stack in stacks:
        manifest = environment.servers[stack.partition(".")[2]].manifest
        names = list(manifest.hostnames)
        rings = {
            "edge": f"deny everyone, and nothing else, on {' and '.join(names)}; end all sessions there",
            "gateway": "503 for every request, before every other plugin",
            "guard": f"a bundle without grants, in place of {len(manifest.grants)} grants",
        }
        if lift:
            rings = {
                "guard": f"a bundle with the {len(manifest.grants)} grants of the stack file",
                "gateway": "no 503 any more",
                "edge": f"the policies of the stack file on {' and '.join(names)}",
            }
        planned.append({"stack": stack, "steps": [{"ring": ring, "text": text} for ring, text in rings.items()]})
    files = [str(change.path) for change in changes]
    if as_json:
        console.print_json({"version": 1, "dry_run": True, "lift": lift, "files": files, "stacks": planned})
    for file in files:
        console.say(f"would write {file}")
    for one in planned:
        for step in one["steps"]:
            console.say(f"{one['stack']}: {step['ring']}: {step['text']}")


def _close(
    project: Project,
    stack: str,
    stacks: Sequence[str],
    changes: Sequence[Change],
    unwritable: dict[str, str],
    guards: Guards,
    reason: str,
    *,
    yes: bool,
    sandbox: bool,
) -> Operation:
    from model.errors import RingwallError
    from operations.incident.journal import NotComplete, Operation
    from operations.incident.lockdown import Closing, places_of
    from operations.project.write import apply

    console.consent(f"Close {' and '.join(stacks)} to everyone?", yes=yes)
    operation = Operation(project.root, "lockdown", stack, reason)
    operation.begin()
    try:
        apply(changes)
    except RingwallError as error:
        refused = {change.path for change in changes}
        unwritable |= {one: str(error) for one in stacks if project.stack_file(one) in refused}
    for one in stacks:
        if one in unwritable:
            text = f"lockdown is not in its stack file, so that the next `up` opens it again: {unwritable[one]}"
            operation.step(one, "file", "failed", text)
            continue
        known = any(change.path == project.stack_file(one) for change in changes)
        operation.step(one, "file", "done", "lockdown is in its stack file" + ("; commit it" if known else " already"))
    environment = stack.partition(".")[0]
    settings, manifests = _readable(project, environment)
    places = places_of(project, stacks, manifests, settings, guards)
    again = _again(stack, reason, guards, sandbox=sandbox)
    closing = Closing(project, places, operation, guards, again, real=not sandbox)
    try:
        with services(project, environment, sandbox=sandbox) as (edge, gateway, target):
            closing.run(edge, gateway, target)
    except KeyboardInterrupt:
        with contextlib.suppress(NotComplete):
            operation.end()
        raise
    return operation


def _readable(project: Project, environment: str) -> tuple[Environment | None, dict[str, Server]]:
    """The environment's settings and its servers' manifests, as far as their files can be read: a broken file of one
    server keeps no other open."""
    from model.errors import InputError
    from model.project import load_environment, load_settings

    try:
        loaded = load_environment(project, environment)
    except InputError:
        try:
            return load_settings(project, environment), {}
        except InputError:
            return None, {}
    return loaded.settings, {server.stack: server.manifest for server in loaded.servers.values()}


def _again(stack: str, reason: str, guards: Guards, *, sandbox: bool) -> str:
    """This very command, without its key: it is given again where it is needed."""
    import shlex

    words = ["ringwall", "lockdown", stack, "--reason", reason, "--yes"]
    if guards.folder != Path():
        words += ["--bundles", str(guards.folder)]
    return shlex.join([*words, "--sandbox"] if sandbox else words)


@contextlib.contextmanager
def services(
    project: Project, environment: str, *, sandbox: bool
) -> Iterator[tuple[Callable[[], Edge], Callable[[], Gateway], Target]]:
    """What the edge and the gateway of an environment are asked by, made when they are first needed, and the backend."""
    from cli.target import SANDBOX_HOME, real_target, sandbox_target
    from model.project import load_settings
    from operations.incident.closing_services import SandboxEdge, SandboxGateway, edge_of, gateway_of

    if not sandbox:
        target = real_target(project)
        with contextlib.ExitStack() as clients:
            yield (
                lambda: clients.enter_context(
                    edge_of(project, environment, load_settings(project, environment), target)
                ),
                lambda: clients.enter_context(
                    gateway_of(project, environment, load_settings(project, environment), target)
                ),
                target,
            )
        return
    from sandbox.closing import SandboxServices
    from sandbox.state import Store

    home = project.root / SANDBOX_HOME
    stand_in = SandboxServices(Store(home / "providers"))
    yield (
        lambda: SandboxEdge(stand_in, load_settings(project, environment).cloudflare.account_id),
        lambda: SandboxGateway(stand_in),
        sandbox_target(project),
    )


def _lift(
    project: Project,
    stack: str,
    stacks: Sequence[str],
    changes: Sequence[Change],
    guards: Guards,
    reason: str | None,
    *,
    yes: bool,
    sandbox: bool,
) -> Operation:
    from cli.target import target_of
    from operations.incident.journal import Operation
    from operations.incident.lift import Opening

    operation = Operation(project.root, "lockdown --lift", stack, reason)
    closed = [one for one in stacks if any(change.path == project.stack_file(one) for change in changes)]
    environment = stack.partition(".")[0]
    with (
        target_of(project, sandbox=sandbox) as target,
        services(project, environment, sandbox=sandbox) as (edge, gateway, _),
    ):
        opening = Opening(project, closed, list(changes), operation, guards, target, edge, gateway)
        agreed = opening.prepare(lambda: console.ask(f"Open {' and '.join(closed)} again?", yes=yes))
        if not agreed:
            console.note("nothing was changed")
            raise typer.Exit(1)
        opening.run(keys=not sandbox)
    return operation
