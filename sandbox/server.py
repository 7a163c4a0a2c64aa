"""The running sandbox: its providers on loopback ports, and the environment that makes an engine use them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2_grpc

from model.errors import InputError, RingwallError
from sandbox import cloudflare, kong
from sandbox.faults import Faults
from sandbox.provider import Provider
from sandbox.state import Record, Store

PACKAGES = [cloudflare.PACKAGE, kong.PACKAGE]
_MAX_MESSAGE = 64 * 1024 * 1024
_SERVING = "serving"


def served_by(state_dir: Path) -> str | None:
    """PULUMI_DEBUG_PROVIDERS of the sandbox that serves this folder, or did until it was killed; None without one."""
    try:
        return (state_dir / _SERVING).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


class Sandbox:
    """Stand-in providers, from `with` until its end. What they made stays in `state_dir` and is there the next time."""

    def __init__(self, state_dir: Path, *, faults: Faults | None = None) -> None:
        self.store = Store(state_dir)
        self.faults = faults if faults is not None else Faults()
        self._servers: list[Any] = []
        self._ports: dict[str, int] = {}

    def __enter__(self) -> Sandbox:
        for package in PACKAGES:
            options = [("grpc.max_receive_message_length", _MAX_MESSAGE), ("grpc.so_reuseport", 0)]
            server = grpc.server(ThreadPoolExecutor(max_workers=32), options=options)
            provider = Provider(package, PACKAGES, self.store, self.faults, version(f"pulumi-{package.name}"))
            provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
            port = server.add_insecure_port("127.0.0.1:0")
            if not port:
                raise RingwallError("sandbox: no free port on 127.0.0.1; close something that listens there")
            server.start()
            self._servers.append(server)
            self._ports[package.name] = port
        self.announce()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if served_by(self.store.folder) == self.environment()["PULUMI_DEBUG_PROVIDERS"]:
            (self.store.folder / _SERVING).unlink(missing_ok=True)
        for stopping in [server.stop(grace=1) for server in self._servers]:
            stopping.wait()
        self._servers.clear()
        self._ports.clear()

    def announce(self) -> None:
        """Note in the state folder who serves it; again, where a copy of another time was put in its place."""
        (self.store.folder / _SERVING).write_text(self.environment()["PULUMI_DEBUG_PROVIDERS"], encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """Variables for the engine's process: use these providers, fetch nothing."""
        if not self._ports:
            raise RingwallError("sandbox: not running; enter it first")
        return {
            "PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name, port in self._ports.items()),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def resources(self, type_: str = "*") -> list[Record]:
        """What the services hold, by a glob over type tokens; secrets are hashes."""
        with self.store.transaction() as world:
            return [record for record in world.records if fnmatchcase(record.type, type_)]

    def change(self, id_: str, **outputs: Any) -> None:
        """Change a resource behind the engine's back (drift). None removes a property."""
        with self.store.transaction() as world:
            record = _only(world.records, id_)
            merged = {**record.outputs, **outputs}
            record.outputs = {name: value for name, value in merged.items() if value is not None}

    def remove(self, id_: str) -> None:
        """Delete a resource behind the engine's back, without asking who uses it."""
        with self.store.transaction() as world:
            world.records.remove(_only(world.records, id_))


def _only(records: list[Record], id_: str) -> Record:
    matches = [record for record in records if record.id == id_]
    if len(matches) != 1:
        raise InputError(f"{len(matches)} sandbox resources have the id {id_}", remedy="name one that exists once")
    return matches[0]
