"""Where a guard listens: its port for traffic, its port for the operator, and how both end without dropping a request.

The guard itself is in `guard.service`, its applications in `guard.app`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from guard.decide.answers import new_incident
from guard.free_memory import give_back
from guard.http.bounded_reader import Note
from guard.http.bounded_writer import BoundedWriter
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.running import AnyGuardService
from guard.work import GuardWork
from model.base import SecretRef
from model.errors import InputError, RingwallError
from model.loopback import is_loopback

#: Seconds that calls under way get to end after SIGTERM or SIGINT.
DRAIN_SECONDS = 10.0


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `serve`: two servers would each install handlers of their own.

    With `inherited` it listens on that socket, which another process opened.
    """

    def __init__(self, config: uvicorn.Config, inherited: socket.socket | None = None) -> None:
        super().__init__(config)
        self.inherited = inherited

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.contextmanager
def signals(hurry: Callable[[], None] | None = None) -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set; SIGHUP calls `hurry`, which looks for new configurations at once. Without it
    SIGHUP ends the process, as it does where a terminal is closed."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    handlers: dict[signal.Signals, Callable[[], None]] = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set}
    if hurry is not None:
        handlers[signal.SIGHUP] = hurry
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield stop
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def settle() -> None:
    """Keep what exists now out of the garbage collector's walks, as it stays for ever, and give back what is free."""
    gc.collect()
    gc.freeze()
    give_back()


@dataclass(frozen=True)
class Doors:
    """Where a worker serves, in place of ports of its own: sockets that it inherited, and the application behind each.

    `traffic` is the port that all workers share, `room` the worker's own door for what others hand to it.
    """

    traffic: socket.socket
    traffic_app: ASGIApp
    room: socket.socket
    room_app: ASGIApp


async def serve(
    service: AnyGuardService,
    stop: asyncio.Event,
    *,
    started: Callable[[], None] = lambda: None,
    doors: Doors | None = None,
) -> None:
    """Listen until `stop`, then drain: probes fail at once, calls under way may end, streams are ended last. Behind `doors`
    no port is opened, nor the operator's.

    Raises:
        RingwallError: an address is in use, or the configuration does not allow to listen there.
    """
    runtime, config = service.runtime, service.runtime.policy.config
    servers = [_Server(_traffic(service))]
    if doors is not None:
        servers = [
            _Server(_traffic(service, doors.traffic_app), doors.traffic),
            _Server(_plain(runtime, doors.room_app, "127.0.0.1", 0), doors.room),
        ]
    elif config.admin_port is not None:
        servers.append(_Server(_plain(runtime, service.admin_app(), "127.0.0.1", config.admin_port)))
    loop = asyncio.get_running_loop()
    running = [loop.create_task(_run(server)) for server in servers]
    stopping = loop.create_task(stop.wait())
    try:
        if await _all_started(servers, running):
            runtime.look_again()
            started()
        await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
        runtime.draining = True
        await _drained(runtime)
        runtime.end_work()
    finally:
        stopping.cancel()
        for server in servers:
            server.should_exit = True
        results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


@contextlib.asynccontextmanager
async def listening_on(app: Any, port: int) -> AsyncIterator[None]:
    """Serve an application that belongs to no one guard on a loopback port.

    Raises:
        RingwallError: the port is in use.
    """
    server = _Server(_config(app, "127.0.0.1", port, DEFAULT_BOUNDS, lambda *_: new_incident()))
    running = asyncio.get_running_loop().create_task(_run(server))
    try:
        if not await _all_started([server], [running]):
            await running
        yield
    finally:
        server.should_exit = True
        await running


async def _run(server: _Server) -> None:
    try:
        await server.serve(None if server.inherited is None else [server.inherited])
    except SystemExit:
        address = f"{server.config.host}:{server.config.port}"
        raise RingwallError(f"cannot listen on {address}; end what listens there, or choose another port") from None


async def _all_started(servers: list[_Server], running: list[asyncio.Task[None]]) -> bool:
    """Wait until every server listens; False as soon as one cannot."""
    while not all(server.started for server in servers):
        if any(task.done() for task in running):
            return False
        await asyncio.sleep(0.005)
    return True


async def _drained(runtime: GuardWork[Any]) -> None:
    """Wait for requests under way. Open streams do not end by themselves, so they are not waited for."""
    until = time.monotonic() + DRAIN_SECONDS
    while runtime.busy > runtime.streaming and time.monotonic() < until:
        await asyncio.sleep(0.05)


def _traffic(service: AnyGuardService, app: ASGIApp | None = None) -> uvicorn.Config:
    runtime, app = service.runtime, app or service.traffic_app()
    listen = runtime.policy.config.listen
    demo = runtime.policy.config.identity.demo is not None
    if demo and not is_loopback(listen.address):
        raise InputError("a demo identity verifies nobody, so it serves loopback only", key="listen.address")
    if listen.tls_certificate is None:
        if not is_loopback(listen.address):
            raise InputError(f"{listen.address} is beyond loopback, and the listener has no TLS", key="listen")
        return _plain(runtime, app, listen.address, listen.port)
    return _plain(
        runtime,
        app,
        listen.address,
        listen.port,
        ssl_certfile=_file(listen.tls_certificate, "listen.tls_certificate"),
        ssl_keyfile=_file(listen.tls_key, "listen.tls_key"),
        ssl_ca_certs=_file(listen.client_ca, "listen.client_ca"),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )


def _file(reference: SecretRef | None, key: str) -> str:
    if reference is None or reference.file is None:
        raise InputError("must name a file on this host", key=key, remedy="write {file: /path}")
    if not Path(reference.file).is_file():
        raise InputError(f"{reference.file} does not exist", key=key, remedy="put the file on this host")
    return reference.file


def _plain(runtime: GuardWork[Any], app: Any, host: str, port: int, **tls: Any) -> uvicorn.Config:
    return _config(app, host, port, runtime.bounds, lambda reason, sender: runtime.note_refusal(sender, reason), **tls)


def _config(app: Any, host: str, port: int, bounds: RequestBounds, note: Note, **tls: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=partial(BoundedWriter, bounds=bounds, note=note),  # type: ignore[arg-type]
        interface="asgi3",  # which uvicorn does not see of a method
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        **tls,
    )
