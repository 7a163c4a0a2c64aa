"""A complete guard: made from a configuration, served, and stopped without dropping requests that are under way.

The command line around it is in `cli.guard`, its applications in `guard.app`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from guard.app import admin_app, traffic_app
from guard.audit.keys import load_or_create_key
from guard.audit.log import AuditLog
from guard.bundle.bundle import Opened
from guard.bundle.source import NeedsRestart
from guard.decide.cache import ResultCache
from guard.decide.counters import Counters, MemoryCounters
from guard.decide.pins import Refusal
from guard.decide.policy import Policy
from guard.decide.taint import Taints
from guard.decide.term import Term
from guard.decide.watch import Watch
from guard.free_memory import give_back
from guard.http.bounded_reader import BoundedReader
from guard.http.connection import upstream_of
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.identity.caller_token import CallerTokens
from guard.identity.introduction import CallerIntroduction
from guard.identity.signing_keys import FILE, IdentityKeys
from guard.runtime import Runtime
from model.base import SecretRef
from model.errors import InputError, RingwallError
from model.guard_config import GuardConfig
from model.loopback import is_loopback
from wire.http import HttpPolicy
from wire.secrets import read_secret
from wire.sse import KEEP_ALIVE_SECONDS

log = logging.getLogger("ringwall.guard")

#: Seconds that calls under way get to end after SIGTERM or SIGINT.
DRAIN_SECONDS = 10.0


class GuardService:
    """One guard. `open` it inside the event loop, `apply` each new configuration, and `close` it."""

    def __init__(self, runtime: Runtime, state: Path, counters: Counters, client: httpx.AsyncClient) -> None:
        self.runtime = runtime
        self._state = state
        self._counters = counters
        self._client = client

    @classmethod
    async def open(
        cls,
        opened: Opened,
        state: Path,
        *,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        bounds: RequestBounds = DEFAULT_BOUNDS,
    ) -> GuardService:
        """Make everything but the sockets. `state` is a directory that only the guard may write. A stream that is silent
        for `keep_alive` seconds gets a comment.

        Raises:
            RingwallError: a secret, schema, log or state file cannot be used, so the guard does not start.
        """
        config = opened.for_server
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"the guard's state directory cannot be made ({error.strerror})", file=state, remedy="give --state"
            ) from None
        # For issuers' keys, which are never fetched from where a redirect points.
        client = HttpPolicy(None, proxies=True).async_client(timeout=5.0)
        counters = _counters(config)
        introduction = _introduction(config, state)
        policy = _policy(opened, state, counters, client, lambda _: None, introduction)
        audit = AuditLog.open(
            config.audit,
            server=policy.server,
            key=load_or_create_key(state / "audit.key"),
            anchor_token=_token(config),
        )
        upstream = upstream_of(config.origin, introduction=introduction)
        watch = Watch(upstream, lambda: policy)
        runtime = Runtime(
            policy,
            upstream,
            audit,
            watch,
            Taints(config.guard.taint, time.monotonic),
            ResultCache(config.tool_lock, opened.sha256, time.monotonic),
            keep_alive=keep_alive,
            bounds=bounds.within(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        )
        watch.follow(lambda: runtime.policy)
        runtime.watch_term()
        service = cls(runtime, state, counters, client)
        policy.pins.report_to(runtime.refused)
        audit.event(
            "open",
            {
                "bundle": opened.sha256,
                "sequence": opened.sequence,
                "identity": "demo" if config.identity.demo else "verified",
                "denied": sorted(opened.denied),
            },
        )
        watch.refresh()
        runtime.judge_definitions()
        # Starts to fetch the issuers' keys, so that the first caller need not wait for them.
        policy.verifier.problems()
        return service

    async def apply(self, opened: Opened) -> None:
        """Put another configuration in force.

        Raises RingwallError when that is impossible. Then nothing changes, except that whom it denies is denied at once:
        a revoked caller must not wait for a restart, nor for the rest of the configuration to be corrected.
        """
        self.runtime.deny(opened.denied)
        old, new = self.runtime.policy.config, opened.for_server
        fixed = ("listen", "path", "admin_port", "audit", "server")
        changed = [key for key in fixed if getattr(old, key) != getattr(new, key)]
        if changed or old.guard.redis != new.guard.redis:
            fields = ", ".join(changed) or "guard.redis"
            raise NeedsRestart(
                f"{fields} differs from what this guard was started with (its deny list is in force)",
                remedy="restart the guard",
            )
        introduction = _introduction(new, self._state)
        policy = _policy(
            opened, self._state, self._counters, self._client, self.runtime.refused, introduction, self.runtime.policy
        )
        moved = new.origin != old.origin
        upstream = upstream_of(new.origin, introduction=introduction) if moved else None
        await self.runtime.apply(policy, upstream)
        policy.verifier.problems()
        if upstream is not None:
            self.runtime.watch.aim(upstream)
        log.info("configuration %d (%s) is in force", opened.sequence, opened.sha256)

    async def close(self) -> None:
        await self.runtime.close()
        for keys in self.runtime.policy.verifier.key_sets:
            await keys.close()
        await self._counters.close()
        await self._client.aclose()


def _policy(
    opened: Opened,
    state: Path,
    counters: Counters,
    client: httpx.AsyncClient,
    report: Callable[[Refusal], None],
    introduction: CallerIntroduction | None,
    previous: Policy | None = None,
) -> Policy:
    return Policy(
        opened.for_server,
        sha256=opened.sha256,
        sequence=opened.sequence,
        denied=opened.denied,
        term=Term(opened.issued, opened.expires),
        client=client,
        counters=counters,
        report=report,
        state=state,
        introduction=introduction,
        previous=previous,
    )


def _introduction(config: GuardConfig, state: Path) -> CallerIntroduction | None:
    """The keys are read anew for each configuration, so one that pins others is refused; raises InputError."""
    place = config.origin.identity
    if place == "none":
        return None
    tokens = CallerTokens(IdentityKeys(state / FILE), f"{config.server.environment}.{config.server.name}")
    tokens.pin(config.origin.identity_keys)
    return CallerIntroduction(place, tokens)


def _counters(config: GuardConfig) -> Counters:
    redis = config.guard.redis
    if redis is None:
        return MemoryCounters(time.monotonic)
    from guard.decide.redis_counters import RedisCounters  # 0.1 s and 8 MB that most guards do without

    password = read_secret(redis.password) if redis.password else None
    return RedisCounters(redis.url, password, f"{config.server.environment}.{config.server.name}")


def _token(config: GuardConfig) -> str | None:
    anchor = config.audit.anchor
    return read_secret(anchor.token) if anchor and anchor.token else None


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to `serve`: two servers would each install handlers of their own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


async def serve(service: GuardService, *, started: Callable[[], None] = lambda: None) -> None:
    """Listen until SIGTERM or SIGINT, then drain: probes fail at once, calls under way may end, streams are ended last.

    Raises:
        RingwallError: an address is in use, or the configuration does not allow to listen there.
    """
    runtime, config = service.runtime, service.runtime.policy.config
    servers = [_Server(_traffic(runtime))]
    if config.admin_port is not None:
        servers.append(_Server(_plain(runtime, admin_app(runtime), "127.0.0.1", config.admin_port)))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = [loop.create_task(_run(server)) for server in servers]
    stopping = loop.create_task(stop.wait())
    try:
        if await _all_started(servers, running):
            # What exists now stays for ever: the garbage collector need not walk it every few thousand messages.
            gc.collect()
            gc.freeze()
            give_back()
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
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def _run(server: _Server) -> None:
    try:
        await server.serve()
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


async def _drained(runtime: Runtime) -> None:
    """Wait for requests under way. Open streams do not end by themselves, so they are not waited for."""
    until = time.monotonic() + DRAIN_SECONDS
    while runtime.busy > runtime.streaming and time.monotonic() < until:
        await asyncio.sleep(0.05)


def _traffic(runtime: Runtime) -> uvicorn.Config:
    listen = runtime.policy.config.listen
    demo = runtime.policy.config.identity.demo is not None
    if demo and not is_loopback(listen.address):
        raise InputError("a demo identity verifies nobody, so it serves loopback only", key="listen.address")
    if listen.tls_certificate is None:
        if not is_loopback(listen.address):
            raise InputError(f"{listen.address} is beyond loopback, and the listener has no TLS", key="listen")
        return _plain(runtime, traffic_app(runtime), listen.address, listen.port)
    return _plain(
        runtime,
        traffic_app(runtime),
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


def _plain(runtime: Runtime, app: Any, host: str, port: int, **tls: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=partial(BoundedReader, bounds=runtime.bounds, note=partial(runtime.note_refusal, None)),  # type: ignore[arg-type]
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


@contextlib.asynccontextmanager
async def running(opened: Opened, state: Path) -> AsyncIterator[GuardService]:
    """An open service, which is closed when the context ends."""
    service = await GuardService.open(opened, state)
    try:
        yield service
    finally:
        await service.close()
