"""Checks of a guard's host: the guard, its secrets and its audit log, and the MCP server behind it.

They run only on that host, as a missing file on another machine proves nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.guard.settings import audit_file
from guard.engines.http_engine import HttpEngine
from guard.engines.services import make_engine
from guard.inspect.verdict import Leg, Outcome, ScanItem, Text, Verdict
from model.base import SecretRef
from model.canonical import digest
from model.errors import InputError
from model.model_route import ModelRoute
from model.server import Server
from model.stacks import EnvironmentStack, PerimeterManifest, PerimeterStack, ServerStack, has_guard
from model.text import counted, visible
from operations.doctor.checks import Check, ok, skipped
from operations.sockets import exposure
from wire.readyz import NotAGuard, ReadyzClient, Silent
from wire.secrets import read_secret

IDS = ("guard.secrets", "guard.ready", "guard.audit", "server.reachable")
VENDOR_IDS = ("guard.engines",)
#: Seconds for the verdict on a harmless text.
VERDICT_SECONDS = 10.0


def is_host(host: str, named: str | None) -> bool:
    """Whether this machine is that host: by `--host` on the command line, else by the machine's short name."""
    return host == named if named is not None else host == socket.gethostname().partition(".")[0].lower()


def check(environment: EnvironmentStack, server: PerimeterStack, *, is_local: bool) -> Iterator[Check]:
    """Check the tool lock on any machine, and everything else on the host only."""
    subject = server.stack
    yield _lock(server, subject) if isinstance(server, ServerStack) else skipped("server.lock", _NO_LOCK, subject)
    if not has_guard(server):
        for id_ in IDS:
            yield skipped(id_, _NO_GUARD, subject)
        return
    if not is_local:
        host = server.manifest.host
        for id_ in (*IDS, *(VENDOR_IDS if asks_vendors(server.manifest) else ())):
            yield skipped(
                id_, f"this machine is not host {host}", subject, f"run this on that host, or add --host {host}"
            )
        return
    yield from secrets(server.manifest, subject)
    yield from _ready(environment, server)
    yield _audit(Path(audit_file(server.stack)).parent, subject)
    if isinstance(server, ServerStack):
        yield _server(server.manifest, subject)
    else:
        yield skipped("server.reachable", "its models are behind the gateway, whose checks stand above", subject)


_NO_GUARD = "this model route has no guard: Kong, whose checks stand above, is before its models"
_NO_LOCK = "a model route has no tools of its own, and so no lock"


def _lock(server: ServerStack, subject: str) -> Check:
    tools = len(server.lock.tools)
    left_out = f", leaves out {len(server.lock.left_out)} (see `ringwall check`)" if server.lock.left_out else ""
    return ok(
        "server.lock",
        f"pins {counted(tools, 'tool')}, {counted(len(server.lock.prompts), 'prompt')}{left_out}",
        subject,
    )


def references(manifest: PerimeterManifest) -> Iterator[tuple[str, SecretRef]]:
    """Every secret that the guard's process reads, with its purpose."""
    if (guard := manifest.guard) is None:
        return
    anchor, redis = guard.audit_anchor, guard.redis
    for service in guard.engines.services:
        if service.secret:
            yield f"{service.title} {service.secret_title}", service.secret
    if anchor and anchor.token:
        yield "token for the audit log's anchor", anchor.token
    traces = guard.traces
    for name, header in sorted(traces.headers.items() if traces else ()):
        yield f"header {name} for the collector of traces", header
    if redis and redis.password:
        yield "Redis password", redis.password
    if isinstance(manifest, ModelRoute):
        if leg := manifest.leg:
            yield "key of the gateway's inner routes", leg.key
        return
    for variable, reference in sorted(manifest.origin.environment.items()):
        yield f"the server's {variable}", reference


def secrets(manifest: PerimeterManifest, subject: str, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Check that each secret can be read. Its value is dropped at once and never shown."""
    id_, secret_references = "guard.secrets", list(references(manifest))
    if not secret_references:
        yield ok(id_, "the guard needs no secret", subject)
    for purpose, reference in secret_references:
        if reference.env is not None and reference.env not in environ:
            text = f"{purpose}: the variable {reference.env} belongs to the guard's service and is not visible here"
            yield skipped(id_, text, subject, f"see that the service sets {reference.env}")
            continue
        if reference.file is not None and _closed_to_us(reference.file):
            text = f"{purpose}: {reference.file} is not readable for this user"
            yield skipped(id_, text, subject, "run this as the guard's user")
            continue
        try:
            read_secret(reference, environ)
        except InputError as error:
            yield Check(id_, "error", f"{purpose}: {error.problem}", error.remedy, subject)
        else:
            source = reference.env or reference.file
            yield ok(id_, f"{purpose} can be read from {source}", subject)


def asks_vendors(manifest: PerimeterManifest) -> bool:
    return manifest.guard is not None and bool(manifest.guard.engines.services)


def vendors(manifest: PerimeterManifest, subject: str, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Check that each vendor's engine accepts the guard's own credentials, by a scan of one harmless word."""
    id_, services = "guard.engines", manifest.guard.engines.services if manifest.guard else ()
    try:
        keys = [read_secret(service.secret, environ) if service.secret else "" for service in services]
    except InputError:
        yield skipped(
            id_,
            "needs the engine's key, which cannot be read: see guard.secrets",
            subject,
            "run this as the guard's user, with its environment",
        )
        return
    engines: list[HttpEngine] = []
    keyed: set[str] = set()
    for service, key in zip(services, keys, strict=True):
        try:
            engine = make_engine(service, key)
        except InputError as error:
            yield Check(id_, "error", f"{service.title}: {error.problem}", error.remedy, subject)
            continue
        engines.append(engine)
        if key:
            keyed.add(engine.name)
    for engine, verdict in zip(engines, asyncio.run(_verdicts(engines, subject)), strict=True):
        if verdict.outcome is Outcome.NO_VERDICT:
            reason = visible(verdict.error or "no reason")[:200]
            text = f"{engine.name} reaches no verdict ({reason}): the guard blocks everything"
            yield Check(id_, "error", text, "correct its key, project or address, or allow connections to it", subject)
        elif verdict.outcome is Outcome.BLOCK:
            text = f"{engine.name} blocks a harmless word: it would block every call"
            yield Check(id_, "error", text, "look at its policy in the vendor's console", subject)
        else:
            accepts = "takes the key and " if engine.name in keyed else ""
            yield ok(id_, f"{engine.name} {accepts}answered in {verdict.milliseconds:.0f} ms", subject)


async def _verdicts(engines: Sequence[HttpEngine], subject: str) -> list[Verdict]:
    item = ScanItem(
        leg=Leg.ARGUMENTS,
        server=subject,
        method="tools/call",
        name="doctor",
        texts=(Text("/text", "hello"),),
        document='{"text":"hello"}',
        principal="0" * 16,
        correlation_id="ringwall-doctor",
    )
    try:
        return list(
            await asyncio.gather(*(engine.scan(item, time.monotonic() + VERDICT_SECONDS) for engine in engines))
        )
    finally:
        for engine in engines:
            await engine.close()


def _closed_to_us(file: str) -> bool:
    try:
        with open(file, "rb"):
            return False
    except PermissionError:
        return True
    except OSError:
        return False


def _ready(environment: EnvironmentStack, server: PerimeterStack) -> Iterator[Check]:
    """Check that the guard reports itself ready and enforces the tool lock of the stack."""
    id_, subject, port = "guard.ready", server.stack, server.manifest.admin_port
    try:
        with ReadyzClient(f"http://127.0.0.1:{port}") as guard:
            state = guard.read()
    except Silent as error:
        yield Check(id_, "error", f"the guard's readiness port: {error}", "start the guard's service", subject)
        return
    except NotAGuard:
        text = f"port {port} is answered by something that is no guard"
        yield Check(id_, "error", text, "free the port, or set guard_admin_port", subject)
        return
    if state.get("server") != server.stack:
        text = f"port {port} is the guard of {visible(str(state.get('server')))[:80]}"
        yield Check(id_, "error", text, "give each guard its own ports", subject)
        return
    problems = list(_judge(environment, server, state))
    yield from problems or [ok(id_, _READY if isinstance(server, ServerStack) else "ready", subject)]


_READY = "ready, and enforces this tool lock"


def _judge(environment: EnvironmentStack, server: PerimeterStack, state: Mapping[str, Any]) -> Iterator[Check]:
    id_, subject = "guard.ready", server.stack
    problems = state.get("problems")
    if state.get("ready") is not True:
        shown = "; ".join(map(str, problems)) if isinstance(problems, list) else "no reason given"
        yield Check(id_, "error", f"not ready: {visible(shown)[:300]}", "see the guard's log", subject)
    if state.get("identity") == "demo":
        status = "error" if environment.settings.production else "warning"
        text = "it runs with a demo identity: nobody is verified"
        yield Check(id_, status, text, "run it with the signed bundle of the stack", subject)  # type: ignore[arg-type]
    if isinstance(server, ServerStack) and state.get("tool_lock_sha256") != digest(server.lock.dump()):
        text = "it enforces a tool lock that is not the one in the file"
        yield Check(id_, "error", text, f"run `ringwall up {server.stack}`, and see that it pulls its bundle", subject)


def _audit(folder: Path, subject: str) -> Check:
    id_ = "guard.audit"
    if not folder.is_dir():
        text = f"{folder} does not exist: a guard that cannot write its log refuses every call"
        return Check(id_, "error", text, f"make it, writable for the guard alone: install -d -m 0750 {folder}", subject)
    if folder.stat().st_mode & 0o002:
        text = f"{folder} may be written by every user: records can be removed"
        return Check(id_, "error", text, f"chmod o-w {folder}", subject)
    return ok(id_, f"{folder} is there", subject)


def _server(manifest: Server, subject: str) -> Check:
    id_, origin = "server.reachable", manifest.origin
    if origin.command is not None:
        program = origin.command[0]
        if shutil.which(program) is None:
            return Check(id_, "error", f"there is no program {program}", "install it, or give its full path", subject)
        return ok(id_, f"{program} is there; the guard starts it", subject)
    if origin.socket is not None:
        if not Path(origin.socket).is_socket():
            return Check(
                id_, "error", f"{origin.socket} is no socket", "start the server, or correct the path", subject
            )
        return ok(id_, f"{origin.socket} is there", subject)
    if origin.url is None or origin.port is None:
        return skipped(id_, "its address has no port", subject)
    binding = exposure(origin.port)
    if binding.state == "exposed":
        addresses = ", ".join(binding.addresses)
        text = f"port {origin.port} is bound beyond loopback, on {addresses}: clients can reach it past the rings"
        return Check(id_, "error", text, "bind it to 127.0.0.1, then look again with `ringwall scan`", subject)
    try:
        socket.create_connection((urlsplit(origin.url).hostname, origin.port), timeout=2).close()
    except OSError as error:
        text = f"nothing answers on port {origin.port} ({type(error).__name__})"
        return Check(id_, "error", text, "start the server, or correct origin.url", subject)
    return ok(id_, f"listens on port {origin.port}, on loopback only", subject)
