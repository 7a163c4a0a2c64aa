"""What `ringwall guard run` serves: a demo, one server's signed bundles, or all servers of a host; and what it says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from cli import console, invocation
from operations.ports import require_free

if TYPE_CHECKING:
    from guard.bundle.bundle import Opened
    from guard.bundle.source import BundleSource
    from model.guard_bundle import AnyGuardConfig


async def serve_demo(opened: Opened, state: Path, sockets: Path | None = None, memory: int | None = None) -> None:
    """Serve a configuration that verifies nobody, and say so. `sockets` is the folder of the commands' sockets, `memory` the
    MiB that messages may take."""
    from guard.host_memory import message_memory  # noqa: PLC0415 - signing does without its 0.6 s
    from guard.listening import serve, settle, signals  # noqa: PLC0415 - signing does without its 0.6 s
    from guard.running import running  # noqa: PLC0415

    require_free_ports(opened)
    warn_of_demo(opened)

    def started() -> None:
        settle()
        say_started(opened.config)

    with signals() as stop:
        async with running(opened, state, sockets=sockets, memory=message_memory(memory)) as service:
            await serve(service, stop, started=started)


def warn_of_demo(opened: Opened) -> None:
    """Say that a configuration with a demo identity verifies nobody."""
    principal = opened.config.identity.demo.principal if opened.config.identity.demo else ""
    show = console.note if invocation.current().json else console.say  # a warning is never left out
    show(f"warning: DEMO IDENTITY: nobody is verified, everyone who reaches this guard is {principal}.")
    show("warning: It listens on loopback only, and is never to be reached from beyond this machine.")


async def serve_signed(
    source: BundleSource, state: Path, every: float, sockets: Path | None, memory: int | None
) -> None:
    """Serve the bundles of one source until SIGTERM; SIGHUP has it look for a new one at once."""
    from guard.host_memory import message_memory  # noqa: PLC0415 - signing does without its 0.6 s
    from guard.listening import serve, settle, signals  # noqa: PLC0415 - signing does without its 0.6 s
    from guard.running import running  # noqa: PLC0415

    opened = (await source.load_first()).opened
    require_free_ports(opened)
    nudge = asyncio.Event()

    def started() -> None:
        settle()
        say_started(opened.config)

    with signals(nudge.set) as stop:
        async with running(opened, state, sockets=sockets, memory=message_memory(memory)) as service:
            service.runtime.source_status = source.members
            watching = asyncio.get_running_loop().create_task(
                source.watch(lambda loaded: service.apply(loaded.opened), every, nudge)
            )
            try:
                await serve(service, stop, started=started)
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)


async def serve_host(
    folder: Path, state: Path, every: float, admin_port: int | None, sockets: Path | None, memory: int | None
) -> None:
    """Serve every server of a host until SIGTERM; SIGHUP has it look for new folders and bundles at once."""
    from guard.host import GuardHost, host_admin  # noqa: PLC0415 - signing does without its 0.6 s
    from guard.host_memory import message_memory  # noqa: PLC0415
    from guard.listening import signals  # noqa: PLC0415

    if admin_port is not None:
        require_free(admin_port, key="--admin-port", remedy="end it, or name another port")
    room = message_memory(memory, several=True)
    host = GuardHost(folder, state, every, check=require_free_ports, sockets=sockets, memory=room)

    def started() -> None:
        configs = [service.runtime.policy.config for service in host.services.values()]
        if invocation.current().json:
            servers = [addresses(config) for config in configs]
            console.print_json({"version": 1, "servers": servers, "refused": dict(host.refused)})
        for config in configs:
            say_addresses(config)
        for name in host.refused:
            console.say(f"error: the guard of {name} does not listen; the reason is above")

    with signals(host.hurry) as stop:
        async with host_admin(host, admin_port):
            await host.run(stop, started=started)


def require_free_ports(opened: Opened) -> None:
    """Refuse ports that others hold before anything is said or opened."""
    listen = opened.config.listen
    ports = {"guard_port": (listen.address, listen.port), "guard_admin_port": ("127.0.0.1", opened.config.admin_port)}
    for key, (address, port) in ports.items():
        if port is not None:
            remedy = f"end it, or give the server another {key} and deploy it"
            require_free(port, key=key, address=address, remedy=remedy)


def addresses(config: AnyGuardConfig) -> dict[str, str | None]:
    """Where a guard listens, as the members of its line with --json."""
    scheme = "http" if config.listen.tls_certificate is None else "https"
    return {
        "server": f"{config.server.environment}.{config.server.name}",
        "listens": f"{scheme}://{config.listen.address}:{config.listen.port}{config.path}",
        "admin": f"http://127.0.0.1:{config.admin_port}" if config.admin_port else None,
    }


def say_started(config: AnyGuardConfig, workers: int = 1) -> None:
    """Say that a guard serves, and by how many workers where there are several."""
    if invocation.current().json:
        console.print_json({"version": 1, **addresses(config), **({"workers": workers} if workers > 1 else {})})
    say_addresses(config)
    if workers > 1:
        console.say(f"{workers} workers serve, each with an audit log of its own beside that one")


def say_addresses(config: AnyGuardConfig) -> None:
    """Where a guard listens and logs, for people."""
    places = addresses(config)
    console.say(f"guard of {places['server']} listens on {places['listens']}")
    if config.admin_port:
        console.say(f"readiness and metrics on {places['admin']}")
    console.say(f"audit log in {config.audit.path}")
