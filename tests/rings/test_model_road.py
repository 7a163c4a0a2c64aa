"""The road of a prompt as planned: cloudflared's check, Kong's public route, the guard, Kong's inner route, a provider, and
before them the official client of OpenAI's API."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from components.gateway.names import GUARD_KEY_HEADER
from guard.bundle.bundle import Opened
from guard.listening import serve
from guard.models.service import ModelGuardService
from model.model_guard_config import ModelGuardConfig
from model.project import load_environment, open_project
from plan.graph import Graph
from plan.offline import plan_stack
from tests.rings.conftest import TUNNEL_CONFIG, credential
from tests.support.cloudflared import Cloudflared, cloudflared
from tests.support.issued_tokens import CLIENT_ID, EMAIL, PERSON, SERVICE_TOKEN
from tests.support.kong_gateway.planned import planned_configuration
from tests.support.kong_gateway.server import KongGateway
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.model_provider import CREDENTIAL, Provider, listening
from tests.support.model_routes import FILE
from tests.support.ports import free_port
from tests.support.projects import write_project
from tests.support.token_issuer import TokenIssuer

HOST, AUDIENCE, KEY = "models.example.com", "7" * 64, "k" * 43 + "="
#: The provider's address in the plan.
PLACE = "http://127.0.0.1:1"
KNOWN = {"${models-edge-application.aud}": AUDIENCE, "${dev-edge-agent-ci.clientId}": CLIENT_ID}
ROUTE = """\
config:
  ringwall:model:
    version: 1
    host: dev-1
    hostname: models.example.com
    guard_port: 9040
    guard_key: {{file: /etc/ringwall/dev.models/guard-key}}
    models:
      small:
        targets:
          - {{provider: openai, model: gpt-x, credential: "{{vault://env/provider-key}}", url: "{url}/v1/chat/completions"}}
      large:
        targets:
          - {{provider: openai, model: gpt-y, credential: "{{vault://env/provider-key}}", url: "{url}/v1/chat/completions"}}
    access:
      people: {{emails: [{email}]}}
      agents: [ci]
    grants:
      - to: {{all: true}}
        models: [small]
    limits:
      principal: {{requests_per_minute: 60, tokens_per_day: 100000}}
      all: {{tokens_per_minute: 5000}}
    prompt_policy:
      system: Be brief.
      deny: ["(?i)internal use only"]
"""
ASK: Any = [{"role": "user", "content": "How are you today?"}]


@dataclass
class Road:
    issuer: TokenIssuer
    issuer_name: str
    front: Cloudflared
    gateway: KongGateway
    config: ModelGuardConfig
    provider: Provider

    def person(self) -> dict[str, str]:
        return {"host": HOST, "cf-access-jwt-assertion": self.issuer.sign(PERSON.claims(self.issuer_name, AUDIENCE))}

    def agent(self) -> dict[str, str]:
        claims = SERVICE_TOKEN.claims(self.issuer_name, AUDIENCE)
        return {"host": HOST, "cf-access-jwt-assertion": self.issuer.sign(claims)}

    def client(self, headers: dict[str, str]) -> openai.AsyncOpenAI:
        url = f"http://127.0.0.1:{self.front.port}/v1"
        return openai.AsyncOpenAI(base_url=url, api_key="none", default_headers=headers, max_retries=0)


@contextlib.asynccontextmanager
async def guard_at_work(config: ModelGuardConfig, state: Path) -> AsyncIterator[None]:
    service = await ModelGuardService.open(Opened(config, "sha256:" + "1" * 64, 1, frozenset(), None), state)
    started, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.get_running_loop().create_task(serve(service, stop, started=started.set))
    waiting = asyncio.ensure_future(started.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        yield
    finally:
        service.runtime.end_work()
        stop.set()
        await asyncio.gather(running, return_exceptions=True)
        await service.close()


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Graph, str]:
    """The environment's plan and the route's, and the issuer of Access; `PLACE` stands for the provider's address."""
    root = write_project(tmp_path_factory.mktemp("road"))
    (root / FILE).write_text(ROUTE.format(url=PLACE, email=EMAIL))
    project = open_project(root)
    environment = load_environment(project, "dev")
    issuer = environment.settings.cloudflare.issuer
    return plan_stack(project, environment), plan_stack(project, environment.models["models"]), issuer


@contextlib.asynccontextmanager
async def road_of(folder: Path, plans: tuple[Graph, Graph, str]) -> AsyncIterator[Road]:
    shared, graph, name = plans
    provider, key, port = Provider(), folder / "guard-key", free_port()
    key.write_text(KEY)
    key.chmod(0o600)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(listening(provider.handle))
        issuer = stack.enter_context(TokenIssuer())
        gateway = stack.enter_context(
            KongGateway(
                planned_configuration(
                    [shared, graph],
                    known={**KNOWN, PLACE: url},
                    targets={"127.0.0.1:9040": f"127.0.0.1:{port}"},
                    keys={"dev-issuer-access": credential("one", 0)},
                    guard_keys={"dev-models-guard-key": KEY},
                    environment={"PROVIDER_KEY": CREDENTIAL},
                )
            )
        )
        text = str(graph.outputs["guard_config"])
        for symbol, value in KNOWN.items():
            text = text.replace(symbol, value)
        planned = json.loads(text)
        planned["identity"]["access"]["jwks_uri"] = issuer.jwks_uri
        planned["inner"] |= {"url": gateway.url, "key": {"file": str(key)}}
        planned["listen"]["port"], planned["admin_port"] = port, None
        planned["audit"]["path"] = str(folder / "audit.jsonl")
        config = ModelGuardConfig.model_validate(planned)
        await stack.enter_async_context(guard_at_work(config, folder / "state"))
        (tunnel,) = graph.by_type(TUNNEL_CONFIG)
        ingresses: Any = tunnel.inputs["config"]
        rules = {rule["hostname"]: [AUDIENCE] for rule in ingresses["ingresses"][:-1]}
        front = stack.enter_context(cloudflared(Cloudflared(name, issuer.keys, rules, gateway.port)))
        yield Road(issuer, name, front, gateway, config, provider)


@pytest.fixture
async def road(tmp_path: Path, plans: tuple[Graph, Graph, str]) -> AsyncIterator[Road]:
    async with road_of(tmp_path, plans) as whole:
        yield whole


async def test_a_person_and_an_agent_are_answered_and_the_provider_sees_neither(road: Road) -> None:
    for headers in (road.person(), road.agent()):
        async with road.client(headers) as client:
            answer = await client.chat.completions.create(model="small", messages=ASK)
        assert answer.choices[0].message.content == "Good morning."
    for sent, body in road.provider.seen:
        assert sent["authorization"] == CREDENTIAL
        assert body["model"] == "gpt-x"
        assert body["messages"] == [{"role": "system", "content": "Be brief."}, *ASK]
        told = {name for name in sent if name.startswith(("x-consumer", "x-credential", "x-ringwall", "cf-", "cookie"))}
        assert told == set()


async def test_a_stream_comes_through_all_rings_whole(road: Road) -> None:
    async with road.client(road.person()) as client:
        stream = await client.chat.completions.create(model="small", messages=ASK, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(pieces) == "Good morning."


async def test_models_are_listed_and_one_that_nobody_granted_does_not_exist(road: Road) -> None:
    async with road.client(road.person()) as client:
        assert [model.id async for model in client.models.list()] == ["small"]
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="large", messages=ASK)
    assert road.provider.seen == []


async def test_the_gateway_counts_the_tokens_that_the_provider_billed(road: Road) -> None:
    left = []
    async with road.client(road.person()) as client:
        for _ in range(2):
            raw = await client.chat.completions.with_raw_response.create(model="small", messages=ASK)
            left.append(int(raw.headers["x-ratelimit-remaining-tokens-minute"]))
    first, second = (sum(tokens) for tokens in road.provider.billed)
    assert left == [5000 - first, 5000 - first - second]


async def test_a_pattern_of_the_prompt_policy_stops_a_prompt_before_the_provider(road: Road) -> None:
    messages: Any = [{"role": "user", "content": "Internal use only: the plan"}]
    async with road.client(road.person()) as client:
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="small", messages=messages)
    assert road.provider.seen == []


async def test_no_road_leads_past_the_guard(road: Road) -> None:
    inner = road.config.models[1]
    assert inner.name == "small"
    body = {"model": inner.provider_model, "messages": ASK}
    async with httpx.AsyncClient(timeout=60, trust_env=False, verify=NO_AUTHORITIES) as client:

        async def status(port: int, host: str, **headers: str) -> int:
            sent = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
            answer = await client.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, headers=sent)
            return answer.status_code

        token = road.person()["cf-access-jwt-assertion"]
        assert await status(road.front.port, inner.inner_host, cf_access_jwt_assertion=token) == 404
        assert await status(road.gateway.port, inner.inner_host) == 401
        assert await status(road.gateway.port, inner.inner_host, x_ringwall_key="guess") == 401
        assert await status(road.gateway.port, inner.inner_host, cf_access_jwt_assertion=token) == 401
        # A key that a client sends to the public name opens nothing, whether it is right or wrong.
        assert await status(road.front.port, HOST, x_ringwall_key=KEY) in (401, 403)
        assert road.provider.seen == []
        assert await status(road.gateway.port, inner.inner_host, **{GUARD_KEY_HEADER.replace("-", "_"): KEY}) == 200
