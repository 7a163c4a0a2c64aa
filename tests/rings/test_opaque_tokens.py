"""Tokens that are no JWTs over the whole road as planned: the official SDK's client in both eras, cloudflared's check,
Kong's openid-connect, the guard, and the MCP server."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from model.project import load_environment, open_project
from plan.offline import plan_stack
from tests.rings.conftest import DEPLOYED, INITIALIZE, TUNNEL_CONFIG, deployed
from tests.support.cloudflared import Cloudflared, cloudflared
from tests.support.command_line import serve_desk
from tests.support.edge_stand_in import signed_guard
from tests.support.guard_process import GuardProcess, Upstream, lock_of
from tests.support.introspecting_issuer import CLIENT, SECRET, IntrospectingIssuer
from tests.support.issued_tokens import EMAIL, PERSON
from tests.support.kong_gateway.planned import planned_configuration
from tests.support.kong_gateway.server import KongGateway
from tests.support.projects import write_project
from tests.support.token_issuer import TokenIssuer
from tests.support.waiting import eventually

HOST, RESOURCE = "external.example.com", "https://external.example.com/mcp"
ERAS = ("legacy", "auto")
ISSUER = """\
        introspection:
          endpoint: {endpoint}
          client_id: {client}
          client_secret: {{file: /etc/ringwall/idp-secret}}
          gateway_secret: "{{vault://env/idp-secret}}"
          cache: 1s
"""


@dataclass
class Road:
    access: TokenIssuer
    issuer: IntrospectingIssuer
    access_issuer: str
    token_issuer: str
    front: Cloudflared
    gateway: KongGateway
    guard: GuardProcess

    def give(self, token: str, **changes: Any) -> str:
        """An active token of the person whom Access admits, but for the changes."""
        claims = {"iss": self.token_issuer, "sub": "u1", "aud": RESOURCE, "scope": "tickets.read", "email": EMAIL}
        return self.issuer.give(token, **{**claims, "exp": int(time.time()) + 600, **changes})

    def headers(self, token: str) -> dict[str, str]:
        (audience,) = self.front.rules[HOST]
        assertion = self.access.sign(PERSON.claims(self.access_issuer, audience))
        return {"host": HOST, "cf-access-jwt-assertion": assertion, "authorization": f"Bearer {token}"}

    async def listed(self, token: str, era: str) -> list[str] | int:
        """The names of the tools that an SDK client lists, or the status that it is refused with."""
        statuses: list[int] = []

        async def note(answer: httpx2.Response) -> None:
            statuses.append(answer.status_code)

        url = f"http://127.0.0.1:{self.front.port}/mcp"
        async with httpx2.AsyncClient(headers=self.headers(token), event_hooks={"response": [note]}) as http:
            try:
                async with Client(streamable_http_client(url, http_client=http), mode=era) as client:
                    return sorted(tool.name for tool in (await client.list_tools()).tools)
            except Exception:
                refused = [status for status in statuses if status >= 400]
                if not refused:
                    raise
                return refused[-1]

    async def at_the_guard(self, token: str) -> int:
        """The status of an initialize that comes past Kong."""
        accept = {"accept": "application/json, text/event-stream"}
        async with httpx2.AsyncClient(headers={**self.headers(token), **accept}) as http:
            return (await http.post(self.guard.url, json=INITIALIZE, timeout=60)).status_code


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("opaque")
    root = write_project(folder / "project", every_shape=True)
    secret = folder / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET, encoding="utf-8")
    with contextlib.ExitStack() as stack:
        access, issuer = stack.enter_context(TokenIssuer()), stack.enter_context(IntrospectingIssuer())
        _let_the_issuer_be_asked(root, issuer.endpoint)
        project = open_project(root)
        environment = load_environment(project, "dev")
        graph = plan_stack(project, environment.servers["external"])
        desk = serve_desk("--port", "0")
        stack.callback(desk.close)  # type: ignore[attr-defined]
        upstream = Upstream(url=next(desk))
        planned = deployed(json.loads(str(graph.outputs["guard_config"])))
        planned["identity"]["access"]["jwks_uri"] = access.jwks_uri
        planned["identity"]["external"]["introspection"]["client_secret"] = {"file": str(secret)}
        kept = {name: planned[name] for name in ("server", "identity", "grants", "limits")}
        guard = stack.enter_context(signed_guard(upstream, folder / "guard", lock_of(upstream), **kept))
        (target,) = graph.by_type("kong:index/target:Target")
        configuration = planned_configuration(
            [plan_stack(project, environment), graph],
            known=DEPLOYED,
            targets={str(target.inputs["target"]): f"127.0.0.1:{guard.port}"},
            keys={},
            environment={"IDP_SECRET": SECRET},
        )
        gateway = stack.enter_context(KongGateway(configuration))
        (config,) = graph.by_type(TUNNEL_CONFIG)
        rules = {
            rule["hostname"]: rule["originRequest"]["access"]["audTags"]
            for rule in deployed(config.inputs["config"])["ingresses"][:-1]
        }
        name = environment.settings.cloudflare.issuer
        front = stack.enter_context(cloudflared(Cloudflared(name, access.keys, rules, gateway.port)))
        yield Road(access, issuer, name, environment.settings.issuers["keycloak"].issuer, front, gateway, guard)


def _let_the_issuer_be_asked(root: Path, endpoint: str) -> None:
    file = root / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text(encoding="utf-8")
    server = root / "stacks" / "Pulumi.dev.external.yaml"
    # A fast machine asks often until an answer has ended.
    limits = "    limits:\n      requests_per_minute: 5000\n      requests_per_hour: 50000\n"
    server.write_text(server.read_text(encoding="utf-8") + limits, encoding="utf-8")
    for before, after in (
        (
            "        jwks_uri: https://login.example.org/realms/tools/certs\n",
            ISSUER.format(endpoint=endpoint, client=CLIENT),
        ),
        ("    gateway:\n", '    gateway:\n      edition: enterprise\n      version: "3.15.0.4"\n'),
    ):
        assert text.count(before) == 1
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_of_the_sdk_lists_tools_by_a_token_that_only_its_issuer_can_read(road: Road, era: str) -> None:
    token = road.give(f"of-ada-{era}")
    assert await road.listed(token, era) == ["list_tickets"]
    # Kong asked, and the guard did not rely on its word.
    assert road.issuer.asked.count(token) >= 2


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("changes", "kong", "guard"),
    [
        ({"exp": 1}, 401, 401),
        ({"aud": "https://other.example.com/mcp"}, 403, 401),
        ({"scope": "tickets"}, 403, 403),
        ({"active": False}, 401, 401),
    ],
    ids=["expired", "of another server", "without the scope", "not active"],
)
async def test_a_token_that_is_not_for_this_is_refused_by_kong_and_by_the_guard_alone(
    road: Road, era: str, changes: dict[str, Any], kong: int, guard: int, request: pytest.FixtureRequest
) -> None:
    token = road.give(f"bent-{request.node.name.encode().hex()[-40:]}", **changes)
    proxied = len(road.gateway.proxied)
    assert await road.listed(token, era) == kong
    assert len(road.gateway.proxied) == proxied
    assert await road.at_the_guard(token) == guard


@pytest.mark.parametrize("fault", [500, b"{"], ids=["a fault", "half an answer"])
async def test_an_issuer_that_does_not_answer_opens_nothing(road: Road, fault: int | bytes) -> None:
    token = road.give(f"unasked-{fault!r}".encode().hex())
    road.issuer.fault = fault
    try:
        assert [await road.listed(token, era) for era in ERAS] == [401, 401]
        assert await road.at_the_guard(token) == 503
    finally:
        road.issuer.fault = None


async def test_a_withdrawn_token_opens_nothing_once_the_answers_about_it_have_ended(road: Road) -> None:
    token = road.give("withdrawn")
    assert isinstance(await road.listed(token, "auto"), list)
    assert await road.at_the_guard(token) == 200
    del road.issuer.tokens[token]

    async def is_refused() -> bool:
        return await road.listed(token, "auto") == 401 and await road.at_the_guard(token) == 401

    await eventually(is_refused, "the withdrawn token to be refused")
