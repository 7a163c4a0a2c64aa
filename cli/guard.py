"""`ringwall guard`: the third ring's process, and the signed configuration it runs by."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from cli import console, invocation
from guard.bundle.keys import load_public_keys
from guard.bundle.source import BundleSource, open_demo_config
from guard.logs import to_stderr
from model.base import seconds
from model.errors import InputError
from model.problems import Wrong
from model.stack_names import environment_of, server_of
from operations.sockets import require_free

if TYPE_CHECKING:
    from guard.bundle.bundle import Opened


def run(
    config: str,
    *,
    public_key: list[Path] | None,
    server: str | None,
    state: Path,
    poll: str,
    token_file: Path | None,
    debug: bool,
) -> None:
    """What `ringwall guard run` does; its flags and help are in `cli.flags.guard`."""
    try:
        every = seconds(poll)
    except Wrong as error:
        raise InputError(str(error), key="--poll") from None
    to_stderr(debug=debug)
    if public_key:
        expected = (environment_of(server), server_of(server)) if server else None
        if expected and not all(expected):
            raise InputError(f"{server} is no server", key="--server", remedy="name one such as dev.github")
        keys = load_public_keys(public_key)
        source = BundleSource(config, keys, state, expected_server=expected, token_file=token_file)
        work = _signed(source, state, every)
    else:
        for option, value in (("--server", server), ("--token-file", token_file)):
            if value is not None:
                raise InputError("is for a signed bundle", key=option, remedy="give --public-key, or leave it out")
        if "://" in config:
            raise InputError("a URL serves signed bundles", key="--config", remedy="give --public-key")
        path = Path(config)
        if not path.is_file():
            raise InputError(
                "is not a file", file=path, remedy="name a configuration, or give --public-key for a bundle"
            )
        work = demo(open_demo_config(path.read_bytes(), path), state)
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform; 0.02 s
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


async def demo(opened: Opened, state: Path) -> None:
    """Serve a configuration that verifies nobody, and say so."""
    from guard.service import running, serve  # noqa: PLC0415 - signing does without its 0.9 s

    _require_free(opened)
    principal = opened.config.identity.demo.principal if opened.config.identity.demo else ""
    show = console.note if invocation.current().json else console.say  # a warning is never left out
    show(f"warning: DEMO IDENTITY: nobody is verified, everyone who reaches this guard is {principal}.")
    show("warning: It listens on loopback only, and is never to be reached from beyond this machine.")
    async with running(opened, state) as service:
        await serve(service, started=lambda: _say_started(opened))


async def _signed(source: BundleSource, state: Path, every: float) -> None:
    from guard.service import running, serve  # noqa: PLC0415 - signing does without its 0.9 s

    opened = await source.load_first()
    _require_free(opened.opened)
    async with running(opened.opened, state) as service:
        service.runtime.source_status = source.members

        watching = asyncio.get_running_loop().create_task(
            source.watch(lambda loaded: service.apply(loaded.opened), every)
        )
        try:
            await serve(service, started=lambda: _say_started(opened.opened))
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def _require_free(opened: Opened) -> None:
    """Refuse ports that others hold before anything is said or opened."""
    listen = opened.config.listen
    ports = {"guard_port": (listen.address, listen.port), "guard_admin_port": ("127.0.0.1", opened.config.admin_port)}
    for key, (address, port) in ports.items():
        if port is not None:
            remedy = f"end it, or give the server another {key} and deploy it"
            require_free(port, key=key, address=address, remedy=remedy)


def _say_started(opened: Opened) -> None:
    config = opened.config
    name = f"{config.server.environment}.{config.server.name}"
    scheme = "http" if config.listen.tls_certificate is None else "https"
    address = f"{scheme}://{config.listen.address}:{config.listen.port}{config.path}"
    if invocation.current().json:
        admin = f"http://127.0.0.1:{config.admin_port}" if config.admin_port else None
        console.print_json({"version": 1, "server": name, "listens": address, "admin": admin})
    console.say(f"guard of {name} listens on {address}")
    if config.admin_port:
        console.say(f"readiness and metrics on http://127.0.0.1:{config.admin_port}")
    console.say(f"audit log in {config.audit.path}")
