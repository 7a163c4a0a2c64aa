"""`ringwall guard run`: the third ring's process, for one server or for all of a host."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from cli.guard_serving import serve_demo, serve_host, serve_signed
from guard.bundle.bundle import MOST_BYTES
from guard.bundle.keys import load_public_keys
from guard.bundle.source import BundleSource, open_demo_config
from guard.logs import to_stderr
from model.base import seconds
from model.errors import InputError
from model.files import read_bytes
from model.problems import Wrong
from model.stack_names import environment_of, server_of


def run(
    config: str | None,
    *,
    host: Path | None,
    public_key: list[Path] | None,
    server: str | None,
    state: Path,
    poll: str,
    token_file: Path | None,
    admin_port: int | None,
    command_sockets: Path | None,
    workers: int,
    memory: int | None,
    debug: bool,
) -> None:
    """What `ringwall guard run` does; its flags and help are in `cli.flags.guard`."""
    try:
        interval = seconds(poll)
    except Wrong as error:
        raise InputError(str(error), key="--poll") from None
    if command_sockets is not None and not command_sockets.is_dir():
        raise InputError(
            "is no folder", key="--command-sockets", remedy="name the one that holds ENV.SERVER/stdio, or leave it out"
        )
    if workers > 1:
        together = {"--host": host, "--command-sockets": command_sockets}
        _require_none(together, "is for a guard of one process", "leave it out, or --workers")
    to_stderr(debug=debug, servers=host is not None)
    if host is not None:
        alone = {"--config": config, "--public-key": public_key, "--server": server, "--token-file": token_file}
        _require_none(alone, "is for one server", "leave it out, or --host")
        _until_done(serve_host(host, state, interval, admin_port, command_sockets, memory))
        return
    if config is None:
        raise InputError(
            "names no configuration", key="--config", remedy="give --config for one server, or --host for all of a host"
        )
    _require_none({"--admin-port": admin_port}, "is the host's own", "give --host, or leave it out")
    if public_key:
        expected = (environment_of(server), server_of(server)) if server else None
        if expected and not all(expected):
            raise InputError(f"{server} is no server", key="--server", remedy="name one such as dev.github")
        keys = load_public_keys(public_key)
        source = BundleSource(config, keys, state, expected_server=expected, token_file=token_file)
        if workers > 1:
            from cli.guard_workers import serve_signed_by_workers  # noqa: PLC0415 - 0.7 s, as the service

            serve_signed_by_workers(source, public_key, state, interval, workers, _until_done, memory, debug=debug)
            return
        work = serve_signed(source, state, interval, command_sockets, memory)
    else:
        signed = {"--server": server, "--token-file": token_file, "--command-sockets": command_sockets}
        _require_none(signed, "is for a signed bundle", "give --public-key, or leave it out")
        if "://" in config:
            raise InputError("a URL serves signed bundles", key="--config", remedy="give --public-key")
        path = Path(config)
        if not path.is_file():
            raise InputError(
                "is not a file", file=path, remedy="name a configuration, or give --public-key for a bundle"
            )
        demo = open_demo_config(read_bytes(path, MOST_BYTES), path)
        if workers > 1:
            from cli.guard_workers import serve_demo_by_workers  # noqa: PLC0415 - 0.7 s, as the service

            serve_demo_by_workers(demo, state, workers, _until_done, memory, debug=debug)
            return
        work = serve_demo(demo, state, memory=memory)
    _until_done(work)


def _require_none(options: Mapping[str, object], problem: str, remedy: str) -> None:
    """Refuse an option that is given and means nothing here."""
    for option, value in options.items():
        if value is not None:
            raise InputError(problem, key=option, remedy=remedy)


def _until_done(work: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415 - not there on every platform; 0.02 s
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)
