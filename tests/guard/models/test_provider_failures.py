"""What becomes of a provider that refuses, is slow, breaks off or answers nonsense, as the official client sees it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.responses import JSONResponse, Response

from tests.support.model_guard import ASK, route_guarded
from tests.support.model_provider import Provider, Said, provider_error
from tests.support.ports import free_port
from tests.support.route_guard import small
from tests.support.waiting import eventually

ACCOUNT = "Rate limit reached for gpt-x in organization org-Ab12Cd34 on tokens per min"


@pytest.mark.parametrize(
    ("answer", "kind", "status", "code", "shown"),
    [
        (
            provider_error(400, "Unsupported value: 'temperature' does not support 7 with gpt-x."),
            openai.BadRequestError,
            400,
            "invalid_request",
            "'temperature' does not support 7 with small",
        ),
        (
            provider_error(401, "Incorrect API key provided: sk-live1234."),
            openai.InternalServerError,
            500,
            "provider_refused",
            "",
        ),
        (provider_error(403, "Country not supported"), openai.InternalServerError, 500, "provider_refused", ""),
        (
            provider_error(404, "The model `gpt-x` does not exist"),
            openai.InternalServerError,
            500,
            "provider_refused",
            "",
        ),
        (provider_error(429, ACCOUNT, retry_after="7"), openai.RateLimitError, 429, "provider_rate_limited", ""),
        (
            provider_error(429, ACCOUNT, "insufficient_quota"),
            openai.RateLimitError,
            429,
            "provider_rate_limited",
            "quota",
        ),
        (provider_error(500, "boom at sk-live1234"), openai.InternalServerError, 500, "provider_failed", ""),
        (provider_error(503, "overloaded", retry_after="3"), openai.InternalServerError, 500, "provider_failed", ""),
        (provider_error(504, "late"), openai.InternalServerError, 504, "provider_timeout", ""),
        (Response("<html>", 200, media_type="text/html"), openai.InternalServerError, 500, "answer_unusable", ""),
        (JSONResponse({"choices": {}}), openai.InternalServerError, 500, "answer_unusable", ""),
        (JSONResponse({"choices": [{"index": 0}]}), openai.InternalServerError, 500, "answer_unusable", ""),
    ],
)
async def test_a_providers_failure_is_told_in_the_same_form_and_leaks_no_account(
    tmp_path: Path, answer: Response, kind: type[openai.APIStatusError], status: int, code: str, shown: str
) -> None:
    async with route_guarded(tmp_path, Provider(lambda body: answer)) as guard, guard.client() as client:
        with pytest.raises(kind) as failed:
            await client.chat.completions.create(model="small", messages=ASK)
        error = failed.value
        assert (error.status_code, error.code) == (status, code)
        assert shown in error.message
        for secret in ("sk-live", "org-Ab12", "gpt-x"):
            assert secret not in error.message
        assert error.response.headers.get("retry-after") == answer.headers.get("retry-after")
        # Neither status opens Kong's circuit breaker for everybody (components.gateway.entities).
        assert error.status_code not in (502, 503)
        assert guard.records()[-1]["decision"] == "error"


async def test_the_official_client_comes_again_after_the_providers_retry_after(tmp_path: Path) -> None:
    answers: list[Any] = [provider_error(429, ACCOUNT, retry_after="1"), Said()]
    provider = Provider(lambda body: answers.pop(0))
    async with route_guarded(tmp_path, provider) as guard, guard.client(max_retries=1) as client:
        started = asyncio.get_running_loop().time()
        answer = await client.chat.completions.create(model="small", messages=ASK)
        assert answer.choices[0].message.content == "Good morning."
        assert asyncio.get_running_loop().time() - started >= 1


async def test_what_only_an_operator_can_mend_is_not_repeated(tmp_path: Path) -> None:
    provider = Provider(lambda body: provider_error(401, "Incorrect API key"))
    async with route_guarded(tmp_path, provider) as guard, guard.client(max_retries=2) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="small", messages=ASK)
        assert len(guard.provider.seen) == 1


async def test_a_second_target_that_answers_is_a_success(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    async with route_guarded(tmp_path, targets=[dead]) as guard, guard.client() as client:
        answer = await client.chat.completions.create(model="small", messages=ASK)
        assert answer.choices[0].message.content == "Good morning."


async def test_a_provider_that_is_silent_for_too_long_is_told_as_slow(tmp_path: Path) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    provider = Provider(lambda body: Said(["one ", "two"], pause=never))
    async with route_guarded(tmp_path, provider, timeouts={"read": "1s"}) as guard, guard.client() as client:
        stream: Any = await client.chat.completions.create(model="small", messages=ASK, stream=True)
        with pytest.raises(openai.APIError) as slow:
            [chunk async for chunk in stream]
        assert slow.value.code == "provider_timeout"
        record = guard.records()[-1]
        assert (record["decision"], record["usage"]["estimated"]) == ("error", True)


async def test_a_stream_that_is_cut_ends_with_an_error_after_what_was_judged(tmp_path: Path) -> None:
    pieces = [f"word{number} " for number in range(300)]
    text: list[str] = []
    heard, sent = asyncio.Event(), iter(range(300))

    async def wait() -> None:
        if next(sent) == 198:
            await heard.wait()

    async def listen(stream: Any) -> None:
        async for chunk in stream:
            text.append(chunk.choices[0].delta.content or "")
            if len("".join(text)) > 500:
                heard.set()

    provider = Provider(lambda body: Said(pieces, cut_after=200, pause=wait))
    async with route_guarded(tmp_path, provider, guard={"hold_back": 64}) as guard, guard.client() as client:
        stream: Any = await client.chat.completions.create(model="small", messages=ASK, stream=True)
        with pytest.raises(openai.APIError) as cut:
            await listen(stream)
        assert cut.value.code == "provider_failed"
        assert "".join(pieces).startswith("".join(text))
        assert guard.records()[-1]["usage"]["estimated"] is True


async def test_a_slow_stream_is_kept_open_with_comments_and_then_answered(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def wait() -> None:
        await go.wait()

    provider = Provider(lambda body: Said(["one ", "two"], pause=wait))
    async with route_guarded(tmp_path, provider, keep_alive=0.05) as guard:
        body = {"model": "small", "messages": ASK, "stream": True}
        async with guard.raw.stream("POST", "/v1/chat/completions", json=body) as answer:
            text = ""
            async for chunk in answer.aiter_text():
                text += chunk
                if text.count(":\n\n") >= 2:
                    go.set()
        assert text.endswith("data: [DONE]\n\n")
        assert '"content":"one two"' in text


async def test_a_client_that_goes_away_ends_the_providers_stream_and_pays_for_it(tmp_path: Path) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    provider = Provider(lambda body: Said(["word " * 100, "two"], pause=never))
    async with route_guarded(tmp_path, provider, guard={"hold_back": 64}) as guard:
        body = {"model": "small", "messages": ASK, "stream": True}
        async with guard.raw.stream("POST", "/v1/chat/completions", json=body) as answer:
            async for chunk in answer.aiter_text():
                if "word" in chunk:
                    break
        await eventually(lambda: provider.closed, "the provider's stream ends")
        await eventually(lambda: len(guard.records()) == 2, "the record of the answer")
        record = guard.records()[-1]
        assert (record["decision"], record["reason"]) == ("error", "answer_cut")
        assert record["usage"]["output"] == 125
        assert guard.service.runtime.streaming == 0


async def test_a_model_that_fails_again_and_again_is_left_alone_for_a_moment(tmp_path: Path) -> None:
    models = [small(), small(name="large", inner_host="large.models.internal", provider_model="gpt-y")]
    provider = Provider(lambda body: provider_error(500, "boom") if body["model"] == "gpt-x" else Said())
    grants = [{"to": {"all": True}, "models": ["small", "large"]}]
    async with route_guarded(tmp_path, provider, models=models, grants=grants) as guard:
        breaker = guard.service.runtime.breaker(guard.config.models[0])
        for number in range(5):
            breaker.failed(f"person:{number}", reached=True)
        answer = await guard.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "provider_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert guard.provider.seen == []
        assert (await guard.ask(model="large")).status_code == 200
        assert guard.service.readiness()["models_unavailable"] == ["small"]
        await eventually(lambda: not breaker.is_open, "the breaker closes")


async def test_an_inner_route_that_is_not_there_is_told_without_its_address(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        guard.inner.routes = {}
        answer = await guard.ask()
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "provider_refused")
        assert "internal" not in answer.text
