"""A running sandbox, a provider client that speaks its protocol, and stacks on the real engine."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from pulumi import automation as auto
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from engine import locate
from engine.command import pulumi_command
from sandbox import Sandbox
from sandbox.wire import Props, decode, encode

PASSPHRASE = "only for tests"


class Client:
    """Calls one provider as the engine would, with plain dictionaries."""

    def __init__(self, package: str, port: str) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)
        self.package = package

    def token(self, name: str) -> str:
        return f"{self.package}:index/{name[0].lower()}{name[1:]}:{name}"

    def urn(self, name: str) -> str:
        return f"urn:pulumi:dev::p::ringwall:index:Ring${self.token(name)}::one"

    def check(self, name: str, olds: Props | None = None, /, **news: Any) -> list[tuple[str, str]]:
        """Failures as (property, reason without its repeated path)."""
        answer = self.checked(name, olds, **news)
        return [(failure.property, failure.reason.removeprefix(f"{failure.property}: ")) for failure in answer.failures]

    def checked(self, name: str, olds: Props | None = None, /, **news: Any) -> provider_pb2.CheckResponse:
        request = provider_pb2.CheckRequest(
            urn=self.urn(name), olds=encode(olds or {}), news=encode(news), randomSeed=b"seed"
        )
        answer: provider_pb2.CheckResponse = self.stub.Check(request)
        return answer

    def diff(self, name: str, olds: Props, /, **news: Any) -> provider_pb2.DiffResponse:
        answer: provider_pb2.DiffResponse = self.stub.Diff(
            provider_pb2.DiffRequest(urn=self.urn(name), id="x", olds=encode(olds), news=encode(news))
        )
        return answer

    def create(self, name: str, /, *, preview: bool = False, **inputs: Any) -> tuple[str, Props]:
        answer = self.stub.Create(
            provider_pb2.CreateRequest(urn=self.urn(name), properties=encode(inputs), preview=preview)
        )
        return answer.id, decode(answer.properties)

    def update(self, name: str, id_: str, olds: Props, /, **news: Any) -> Props:
        request = provider_pb2.UpdateRequest(urn=self.urn(name), id=id_, olds=encode(olds), news=encode(news))
        return decode(self.stub.Update(request).properties)

    def read(self, name: str, id_: str, held: Props | None = None, inputs: Props | None = None) -> tuple[Props, Props]:
        answer = self.stub.Read(
            provider_pb2.ReadRequest(
                urn=self.urn(name), id=id_, properties=encode(held or {}), inputs=encode(inputs or {})
            )
        )
        return decode(answer.properties), decode(answer.inputs)

    def delete(self, name: str, id_: str) -> None:
        self.stub.Delete(provider_pb2.DeleteRequest(urn=self.urn(name), id=id_))


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "world") as running:
        yield running


def clients(running: Sandbox) -> dict[str, Client]:
    pairs = (entry.split(":") for entry in running.environment()["PULUMI_DEBUG_PROVIDERS"].split(","))
    return {name: Client(name, port) for name, port in pairs}


@pytest.fixture
def kong(sandbox: Sandbox) -> Iterator[Client]:
    client = clients(sandbox)["kong"]
    with client.channel:
        yield client


@pytest.fixture
def cloudflare(sandbox: Sandbox) -> Iterator[Client]:
    client = clients(sandbox)["cloudflare"]
    with client.channel:
        yield client


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[Callable[[Sandbox, Callable[[], None]], auto.Stack]]:
    """(sandbox, program) → a stack on the real engine, its state in the test's own folder."""
    engine = locate.require()
    backend = tmp_path / "backend"
    backend.mkdir()

    def make(running: Sandbox, program: Callable[[], None]) -> auto.Stack:
        settings = auto.ProjectSettings(name="p", runtime="python", backend=auto.ProjectBackend(f"file://{backend}"))
        options = auto.LocalWorkspaceOptions(
            pulumi_command=pulumi_command(engine),
            pulumi_home=str(tmp_path / "home"),
            project_settings=settings,
            env_vars={**running.environment(), "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE},
        )
        return auto.create_or_select_stack("dev", project_name="p", program=program, opts=options)

    yield make
    # After a failed run Pulumi's language server leaves its event loop open: let it be found here, where that is expected.
    gc.collect()
