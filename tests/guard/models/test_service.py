"""The guard of a model route at work: whom it knows, what ends when a configuration changes, and what it tells operators."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from components.gateway.inner_entities import INNER_BASE
from components.gateway.names import REMAINING_HEADER
from guard.audit.reader import verify
from guard.bundle.bundle import Opened
from guard.bundle.source import NeedsRestart
from guard.http.request_bounds import RequestBounds
from guard.models.inner import BASE
from guard.models.requests import FORMATS
from model.errors import InputError
from tests.support.guard_host import HostFolder, guard_host
from tests.support.guard_process import COMMAND, await_http, end
from tests.support.issued_tokens import PERSON, SERVICE_TOKEN
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.model_guard import ASK, ME, RouteGuard, route_guarded
from tests.support.model_provider import KEY, InnerStandIn, Provider, Said, listening
from tests.support.ports import free_port
from tests.support.route_guard import route_config, route_document, small
from tests.support.token_issuer import TokenIssuer
from tests.support.waiting import eventually

HOST = "models.example.com"
AUDIENCE = "a" * 64


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer() as issuer:
        yield issuer


def identity(issuer: TokenIssuer) -> dict[str, Any]:
    doors = [{"hostname": HOST, "audience": AUDIENCE}]
    access = {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, "front_doors": doors}
    return {"access": access, "agents": {"ci.access": "ci"}}


def person(issuer: TokenIssuer, name: str) -> dict[str, str]:
    claims = PERSON.claims(issuer.url, AUDIENCE, sub=name, email=f"{name}@example.com")
    return {"host": HOST, "cf-access-jwt-assertion": issuer.sign(claims)}


def agent(issuer: TokenIssuer) -> dict[str, str]:
    claims = SERVICE_TOKEN.claims(issuer.url, AUDIENCE, common_name="ci.access")
    return {"host": HOST, "cf-access-jwt-assertion": issuer.sign(claims)}


async def ask(guard: RouteGuard, headers: dict[str, str], **members: Any) -> httpx.Response:
    body = {"model": "small", "messages": ASK, **members}
    return await guard.raw.post("/v1/chat/completions", json=body, headers=headers)


async def test_only_verified_callers_reach_a_model_and_each_has_its_own(tmp_path: Path, issuer: TokenIssuer) -> None:
    models = [small(), small(name="large", inner_host="large.models.internal")]
    grants = [
        {"to": {"emails": ["ada@example.com"]}, "models": ["small", "large"]},
        {"to": {"agents": ["ci"]}, "models": ["small"]},
    ]
    async with route_guarded(tmp_path, models=models, grants=grants, identity=identity(issuer)) as guard:
        stranger = await ask(guard, {"host": HOST, "authorization": "Bearer sk-x"})
        assert (stranger.status_code, stranger.json()["error"]["code"]) == (401, "unauthenticated")
        assert guard.provider.seen == []
        callers = {"ada": person(issuer, "ada"), "bob": person(issuer, "bob"), "ci": agent(issuer)}
        may = {
            (name, model): (await ask(guard, headers, model=model)).status_code
            for name, headers in callers.items()
            for model in ("small", "large")
        }
        allowed = [pair for pair, status in may.items() if status == 200]
        assert allowed == [("ada", "small"), ("ada", "large"), ("ci", "small")]
        assert set(may.values()) == {200, 404}
        # Nothing of who calls goes on, beside what ada said.
        assert not any("assertion" in name or "cookie" in name for seen in guard.inner.seen for name in seen)


async def test_answers_are_kept_for_their_sender_alone_unless_shared(tmp_path: Path, issuer: TokenIssuer) -> None:
    for shared, hits in ((False, 0), (True, 1)):
        (tmp_path / str(shared)).mkdir()
        cache = {"lifetime": "5m", "shared": shared}
        async with route_guarded(tmp_path / str(shared), cache=cache, identity=identity(issuer)) as guard:
            answers = [await ask(guard, person(issuer, name), temperature=0) for name in ("ada", "bob")]
            assert sum("ringwall-cache" in answer.headers for answer in answers) == hits


async def test_the_gateways_count_of_the_routes_tokens_refuses_too(tmp_path: Path, issuer: TokenIssuer) -> None:
    async with route_guarded(tmp_path, identity=identity(issuer)) as guard:
        ada = person(issuer, "ada")
        assert (await ask(guard, {**ada, REMAINING_HEADER: "100"})).headers["x-kong-limit"] == "tokens=6"
        spent = await ask(guard, {**ada, REMAINING_HEADER: "-4"})
        assert (spent.status_code, spent.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(spent.headers["retry-after"]) <= 60
        # More than is left is never reported: Kong would make a 429 of an answer that is there.
        assert (await ask(guard, {**ada, REMAINING_HEADER: "2"})).headers["x-kong-limit"] == "tokens=2"


async def streaming(guard: RouteGuard, headers: dict[str, str], begun: asyncio.Event) -> str:
    body = {"model": "small", "messages": ASK, "stream": True}
    text = ""
    async with guard.raw.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        async for chunk in answer.aiter_text():
            text += chunk
            if "word" in text:
                begun.set()
    return text


@pytest.mark.parametrize("change", ["denied", "locked down"])
async def test_an_open_stream_ends_when_its_caller_is_denied_or_the_route_closed(
    tmp_path: Path, issuer: TokenIssuer, change: str
) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    provider = Provider(lambda body: Said(["word " * 100, "two"], pause=never))
    settings = {"hold_back": 64}
    async with route_guarded(tmp_path, provider, identity=identity(issuer), guard=settings) as guard:
        ada, begun = person(issuer, "ada"), asyncio.Event()
        task = asyncio.create_task(streaming(guard, ada, begun))
        await begun.wait()
        config, denied = guard.config, frozenset({"person:ada"})
        if change == "locked down":
            config, denied = guard.config.model_copy(update={"grants": ()}), frozenset()
        await guard.service.apply(Opened(config, "sha256:" + "2" * 64, 2, denied))
        text = await task
        assert "[DONE]" not in text
        assert '"finish_reason":"stop"' not in text
        refused = await ask(guard, ada)
        assert refused.status_code == (403 if change == "denied" else 404)
        await eventually(lambda: provider.closed, "the provider's stream ends")
        assert guard.decisions()[1][:2] == ("error", "answer_cut")


async def test_a_caller_with_as_many_streams_open_as_are_served_is_told_so(tmp_path: Path) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    provider = Provider(lambda body: Said(["word " * 100, "two"], pause=never))
    limits = {"principal": {}, "concurrency": 1}
    bounds = RequestBounds(streams=0)
    async with route_guarded(tmp_path, provider, limits=limits, bounds=bounds, guard={"hold_back": 64}) as guard:
        begun = asyncio.Event()
        task = asyncio.create_task(streaming(guard, {}, begun))
        await begun.wait()
        refused = await guard.ask()
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert "as many streams" in refused.json()["error"]["message"]
        guard.service.runtime.end_work()
        await task


async def test_another_configuration_comes_into_force_without_a_restart(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        values = guard.config.dump()
        values["models"] = [small(), small(name="large", inner_host="large.models.internal")]
        values["grants"] = [{"to": {"all": True}, "models": ["large"]}]
        guard.inner.routes = {**guard.inner.routes, "large.models.internal": "gpt-x"}
        await guard.service.apply(Opened(route_config(**values), "sha256:" + "2" * 64, 2, frozenset()))
        assert (await guard.ask()).status_code == 404
        assert (await guard.ask(model="large")).status_code == 200
        moved = route_config(**{**values, "path": "/v2"})
        with pytest.raises(NeedsRestart, match="path differs"):
            await guard.service.apply(Opened(moved, "sha256:" + "3" * 64, 3, frozenset({"person:ada"})))
        assert (await guard.ask(model="large")).status_code == 403


async def test_readiness_says_what_is_in_force_and_what_is_wrong(tmp_path: Path) -> None:
    async with route_guarded(tmp_path, admin_port=free_port()) as guard:
        admin = f"http://127.0.0.1:{guard.config.admin_port}"
        await eventually(lambda: guard.service.readiness()["ready"], "the guard is ready")
        state = (await guard.raw.get(f"{admin}/readyz")).json()
        assert state["server"] == "dev.models"
        assert state["models"] == ["small"]
        assert state["bundle"] == {"sha256": "sha256:" + "1" * 64, "sequence": 1}
        await guard.ask()
        metrics = (await guard.raw.get(f"{admin}/metrics")).text
        assert 'ringwall_guard_model_decisions_total{decision="allow",leg="prompts",model="small"} 1.0' in metrics
        await guard.ask(model="x" * 2000)
        metrics = (await guard.raw.get(f"{admin}/metrics")).text
        assert 'ringwall_guard_model_decisions_total{decision="refuse",leg="",model="other"} 1.0' in metrics
        assert (await guard.raw.get("/healthz", headers={"host": "probe"})).text == "ok\n"


async def test_a_gateway_that_is_not_there_is_a_problem_until_it_is(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        url = guard.inner.targets and guard.config.inner.url
        gone = guard.config.model_copy(
            update={"inner": guard.config.inner.model_copy(update={"url": f"http://127.0.0.1:{free_port()}"})}
        )
        await guard.service.apply(Opened(gone, "sha256:" + "2" * 64, 2, frozenset()))
        answer = await guard.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "provider_failed")
        [problem] = guard.service.readiness()["problems"]
        assert problem.startswith("gateway: ")
        assert str(url) not in answer.text
        await guard.service.apply(Opened(guard.config, "sha256:" + "3" * 64, 3, frozenset()))
        assert (await guard.ask()).status_code == 200
        assert guard.service.readiness()["problems"] == []


async def test_the_audit_log_is_whole_and_holds_no_text(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        await guard.ask([{"role": "user", "content": "A sentence that nobody shall find."}])
        await guard.ask([{"role": "user", "content": "My key AKIA" + "Z7QX3M5K9P2R4T6W"}])
    text = (tmp_path / "audit.jsonl").read_text()
    assert "nobody shall find" not in text
    assert "AKIA" not in text
    assert "inner-key" not in text
    assert verify(tmp_path / "audit.jsonl").broken is None


async def test_payloads_are_kept_where_they_are_asked_for_without_their_secrets(tmp_path: Path) -> None:
    audit = {"path": str(tmp_path / "audit.jsonl"), "payloads": True}
    async with route_guarded(tmp_path, audit=audit) as guard:
        await guard.ask([{"role": "user", "content": "My key AKIA" + "Z7QX3M5K9P2R4T6W"}])
        assert guard.records()[0]["payload"] == '{"messages":[{"content":"My key [redacted:secret]"}]}'


async def test_a_host_serves_a_route_by_its_signed_bundle_and_says_where(tmp_path: Path, issuer: TokenIssuer) -> None:
    provider, inner = Provider(), InnerStandIn({"small.models.internal": "gpt-x"})
    host, key = HostFolder(tmp_path), tmp_path / "inner.key"
    key.write_text(KEY)
    key.chmod(0o600)
    async with listening(provider.handle) as provider_url, listening(inner.handle) as inner_url:
        inner.targets = [provider_url]
        config = route_config(
            listen={"port": free_port()},
            inner={"url": inner_url, "key": {"file": str(key)}},
            identity=identity(issuer),
            audit={"path": str(tmp_path / "audit.jsonl")},
        )
        host.write("dev.models", config)
        with await asyncio.to_thread(ExitStack().__enter__) as stack:
            running = await asyncio.to_thread(stack.enter_context, guard_host(host))
            said = f"guard of dev.models listens on http://127.0.0.1:{config.listen.port}/v1"
            await eventually(lambda: said in running.out.read_text(), "it says where it listens")
            url = f"http://127.0.0.1:{config.listen.port}/v1"
            async with openai.AsyncOpenAI(
                base_url=url, api_key="x", default_headers=agent(issuer), max_retries=0
            ) as client:
                answer = await client.chat.completions.create(model="small", messages=ASK)
            assert answer.choices[0].message.content == "Good morning."
            assert (
                KEY
                not in running.said
                + running.out.read_text()
                + (tmp_path / "etc/dev.models/guard.bundle.json").read_text()
            )
            await asyncio.to_thread(stack.close)
    await inner.client.aclose()


def test_a_demo_of_a_route_runs_unsigned_on_ones_own_machine(tmp_path: Path) -> None:
    key, file, port = tmp_path / "inner.key", tmp_path / "guard.json", free_port()
    key.write_text(KEY)
    key.chmod(0o600)
    document = route_document(
        listen={"port": port},
        inner={"url": f"http://127.0.0.1:{free_port()}", "key": {"file": str(key)}},
        identity={"demo": {"principal": "person:ada"}},
        audit={"path": str(tmp_path / "audit.jsonl")},
    )
    file.write_text(json.dumps(document))
    with (tmp_path / "guard.log").open("wb") as log:
        command = [*COMMAND, "--config", str(file), "--state", str(tmp_path / "state")]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await_http(f"http://127.0.0.1:{port}/healthz", process, tmp_path / "guard.log")
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/models", trust_env=False, verify=NO_AUTHORITIES)
        assert [row["id"] for row in answer.json()["data"]] == ["small"]
    finally:
        assert end(process) == 0
    assert f"guard of dev.models listens on http://127.0.0.1:{port}/v1" in (tmp_path / "guard.log").read_text()


def test_the_guard_asks_where_the_gateways_inner_routes_are() -> None:
    assert f"{BASE}/{FORMATS['chat'].path}" == f"{INNER_BASE}/chat/completions"


@pytest.mark.parametrize("counts", [True, False])
async def test_the_gateway_learns_a_digest_of_the_principal_only_where_it_counts(tmp_path: Path, counts: bool) -> None:
    provider = Provider()
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    inner = InnerStandIn({"small.models.internal": "gpt-x"})
    async with listening(inner.handle) as url:
        header = {"principal_header": "x-ringwall-principal"} if counts else {}
        async with route_guarded(tmp_path, provider, inner={"url": url, "key": {"file": str(key)}, **header}) as guard:
            await guard.ask()
    await inner.client.aclose()
    (headers,) = inner.seen
    digest = hashlib.sha256(ME.encode()).hexdigest()[:32]
    assert headers.get("x-ringwall-principal") == (digest if counts else None)


async def test_a_guard_without_its_key_does_not_start(tmp_path: Path) -> None:
    from guard.models.service import ModelGuardService

    config = route_config(audit={"path": str(tmp_path / "audit.jsonl")})
    with pytest.raises(InputError, match="RINGWALL_INNER_KEY is not set"):
        await ModelGuardService.open(Opened(config, "sha256:" + "1" * 64, 1, frozenset()), tmp_path / "state")
