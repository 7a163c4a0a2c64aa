"""All rings of one project, each as planned: cloudflared's check, Kong's data plane, three guards, one MCP server."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from model.project import load_environment, open_project
from plan.graph import Graph
from plan.offline import plan_stack
from tests.support.cloudflared import Cloudflared, cloudflared
from tests.support.command_line import serve_desk
from tests.support.edge_stand_in import signed_guard
from tests.support.guard_process import GuardProcess, Upstream, lock_of
from tests.support.issued_tokens import CLIENT_ID
from tests.support.kong_gateway.configuration import JwtCredential
from tests.support.kong_gateway.planned import planned_configuration
from tests.support.kong_gateway.server import KongGateway
from tests.support.projects import write_project
from tests.support.token_issuer import TokenIssuer, private_key, public_jwk

SERVERS = ("one", "hosted", "external")
#: What the cloud answers when the stacks are deployed, by the symbols that stand for it in a plan.
DEPLOYED = {
    "${one-edge-application.aud}": "1" * 64,
    "${hosted-edge-application.aud}": "2" * 64,
    "${hosted-edge-application-claude-ai.aud}": "3" * 64,
    "${external-edge-application.aud}": "4" * 64,
    "${dev-edge-agent-ci.clientId}": CLIENT_ID,
    "${dev-edge-agent-nightly.clientId}": "nightly.access",
}
TUNNEL_CONFIG = "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig"
EXTERNAL_KID = "external-one"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "rings", "version": "1"},
    },
}

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


@dataclass
class Rings:
    """`access` and `external` mint; `audiences` is each public name's. A call goes in at one ring."""

    access: TokenIssuer
    external: TokenIssuer
    access_issuer: str
    external_issuer: str
    front: Cloudflared
    gateway: KongGateway
    guards: Mapping[str, GuardProcess]

    @property
    def audiences(self) -> dict[str, str]:
        return {host: tags[0] for host, tags in self.front.rules.items()}

    def call(self, ring: str, host: str, headers: Headers) -> Answer:
        """`initialize`, sent to cloudflared, to Kong or to the guard."""
        guard = self.guards["hosted" if host.startswith("hosted") else host.partition(".")[0]]
        port = {"cloudflared": self.front.port, "kong": self.gateway.port, "guard": guard.port}[ring]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = json.dumps(INITIALIZE).encode()
        try:
            connection.putrequest("POST", "/mcp", skip_host=True)
            sent = [("host", host), ("content-type", "application/json"), ("content-length", str(len(body)))]
            for name, value in [*sent, ("accept", "application/json, text/event-stream"), *headers]:
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())
        finally:
            connection.close()

    def stops_at(self, host: str, headers: Headers) -> str | None:
        """The ring that refuses a request that comes in from the edge; None when the MCP server answers it."""
        refused, proxied = len(self.front.refused), len(self.gateway.proxied)
        answer = self.call("cloudflared", host, headers)
        if answer.status == 200:
            assert '"serverInfo"' in answer.body
            return None
        if len(self.front.refused) > refused:
            return "cloudflared"
        return "guard" if len(self.gateway.proxied) > proxied else "kong"

    def refuses(self, ring: str, host: str, headers: Headers) -> bool:
        """Whether a ring alone refuses; Kong alone is Kong without the guard's verdict."""
        proxied = len(self.gateway.proxied)
        status = self.call(ring, host, headers).status
        if ring == "kong":
            return len(self.gateway.proxied) == proxied
        # 400: a header that must be there once came twice.
        return status in (400, 401, 403)


def deployed(value: Any) -> Any:
    """A value of the plan with what the cloud answered in it."""
    text = json.dumps(value)
    for symbol, real in DEPLOYED.items():
        text = text.replace(symbol, real)
    return json.loads(text)


def credential(kid: str, number: int) -> tuple[JwtCredential, ...]:
    key = private_key("rsa", number).public_key()
    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return (JwtCredential(kid, pem.decode()),)


@contextlib.contextmanager
def planned_guard(graph: Graph, upstream: Upstream, folder: Path, jwks: Mapping[str, str]) -> Iterator[GuardProcess]:
    """`ringwall guard run` with the planned configuration; only ports, files and where keys are fetched differ."""
    planned = deployed(json.loads(str(graph.outputs["guard_config"])))
    identity = planned["identity"]
    for kind in ("access", "external"):
        if identity[kind]:
            identity[kind]["jwks_uri"] = jwks[kind]
    kept = {name: planned[name] for name in ("server", "identity", "grants", "limits")}
    with signed_guard(upstream, folder, lock_of(upstream), **kept) as running:
        yield running


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rings]:
    folder = tmp_path_factory.mktemp("rings")
    project = open_project(write_project(folder / "project", every_shape=True))
    environment = load_environment(project, "dev")
    graphs = {name: plan_stack(project, environment.servers[name]) for name in SERVERS}
    with contextlib.ExitStack() as stack:
        access, external = stack.enter_context(TokenIssuer()), stack.enter_context(TokenIssuer())
        external.keys = [public_jwk("rsa", 2, kid=EXTERNAL_KID, alg="RS256")]
        jwks = {"access": access.jwks_uri, "external": external.jwks_uri}
        desk = serve_desk("--port", "0")
        stack.callback(desk.close)  # type: ignore[attr-defined]
        upstream = Upstream(url=next(desk))
        guards, targets, rules = {}, {}, {}
        for name, graph in graphs.items():
            guards[name] = stack.enter_context(planned_guard(graph, upstream, folder / name, jwks))
            (target,) = graph.by_type("kong:index/target:Target")
            targets[str(target.inputs["target"])] = f"127.0.0.1:{guards[name].port}"
            (config,) = graph.by_type(TUNNEL_CONFIG)
            for rule in deployed(config.inputs["config"])["ingresses"][:-1]:
                assert rule["originRequest"]["access"]["required"] is True
                rules[rule["hostname"]] = rule["originRequest"]["access"]["audTags"]
        configuration = planned_configuration(
            [plan_stack(project, environment), *graphs.values()],
            known=DEPLOYED,
            targets=targets,
            keys={"dev-issuer-access": credential("one", 0), "dev-issuer-keycloak": credential(EXTERNAL_KID, 2)},
        )
        gateway = stack.enter_context(KongGateway(configuration))
        issuers = environment.settings.issuers
        issuer = environment.settings.cloudflare.issuer
        front = stack.enter_context(cloudflared(Cloudflared(issuer, access.keys, rules, gateway.port)))
        yield Rings(access, external, issuer, issuers["keycloak"].issuer, front, gateway, guards)
