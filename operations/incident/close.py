"""`ringwall lockdown` once the user agreed: write the stack files, then close edge, gateway and guard of every server.

The edits themselves are made in `edits`; how each ring is closed stands in `lockdown`.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.progress import Progress
from engine.workspace import Target
from model.environment import Environment
from model.errors import InputError, RingwallError
from model.project import Project, load_environment, load_settings
from model.stacks import PerimeterManifest, environment_of
from operations.guard_bundle.delivery import Guards
from operations.incident.closing_services import EdgeService, GatewayService
from operations.incident.lockdown import Closing, places_of
from operations.journal import NotComplete, Operation
from operations.project.write import FileChange, apply

#: Makers of the clients of edge and gateway, each called when its client is first needed, and the backend.
Services = tuple[Callable[[], EdgeService], Callable[[], GatewayService], Target]


def close(
    project: Project,
    stack: str,
    stacks: Sequence[str],
    changes: Sequence[FileChange],
    unwritable: dict[str, str],
    guards: Guards,
    reason: str,
    services: Services,
    progress: Progress,
    *,
    sandbox: bool,
) -> Operation:
    """Close servers in every ring; a failure in one ring stops no other. The files come first, as an `up` that somebody else
    runs would open again whatever the files do not close.

    Raises:
        KeyboardInterrupt: as in `Closing.run`; the journal says how every ring stands.
    """
    operation = Operation(project.root, "lockdown", stack, reason, progress)
    operation.begin()
    try:
        apply(changes)
    except RingwallError as error:
        refused = {change.path for change in changes}
        unwritable |= {server: str(error) for server in stacks if project.stack_file(server) in refused}
    for server in stacks:
        if server in unwritable:
            text = f"lockdown is not in its stack file, so that the next `up` opens it again: {unwritable[server]}"
            operation.step(server, "file", "failed", text)
            continue
        known = any(change.path == project.stack_file(server) for change in changes)
        advice = f"; a rehearsal, which `ringwall lockdown {stack} --lift` ends" if sandbox else "; commit it"
        operation.step(server, "file", "done", "lockdown is in its stack file" + (advice if known else " already"))
    environment = environment_of(stack)
    settings, manifests = _readable(project, environment)
    places = places_of(project, stacks, manifests, settings, guards, progress.note)
    command = _command_line(stack, reason, guards, sandbox=sandbox)
    closing = Closing(project, places, operation, guards, command, real=not sandbox)
    try:
        closing.run(*services)
    except KeyboardInterrupt:
        with contextlib.suppress(NotComplete):
            operation.end()
        raise
    return operation


def _readable(project: Project, environment: str) -> tuple[Environment | None, dict[str, PerimeterManifest]]:
    """The environment's settings and its servers' manifests, as far as their files can be read. A broken file must not keep
    another server open."""
    try:
        loaded = load_environment(project, environment)
    except InputError:
        try:
            return load_settings(project, environment), {}
        except InputError:
            return None, {}
    return loaded.settings, {stack.stack: stack.manifest for stack in loaded.perimeters}


def _command_line(stack: str, reason: str, guards: Guards, *, sandbox: bool) -> str:
    """The command line that runs this lockdown again. The key is left out; messages add it where it is needed."""
    words = ["ringwall", "lockdown", stack, "--reason", reason, "--yes"]
    if guards.folder != Path():
        words += ["--bundles", str(guards.folder)]
    return shlex.join([*words, "--sandbox"] if sandbox else words)
