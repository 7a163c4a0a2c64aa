"""The endpoint over real HTTP, by the official client: what it serves, what it refuses, and how its refusals read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openai
import pytest

from tests.support.model_guard import ASK, route_guarded
from tests.support.model_provider import CREDENTIAL, Provider, Said
from tests.support.route_guard import small


async def test_the_official_client_talks_to_a_model_under_its_public_name(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard, guard.client() as client:
        answer = await client.chat.completions.create(model="small", messages=ASK, temperature=0.2)
        assert answer.choices[0].message.content == "Good morning."
        assert answer.model == "small"
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 2) == guard.provider.billed[0]
        [(headers, body)] = guard.provider.seen
        assert body == {"model": "gpt-x", "messages": ASK, "temperature": 0.2}
        assert headers["authorization"] == CREDENTIAL
        assert "sk-of-the-client" not in str(guard.inner.seen)
        [asked, answered] = guard.records()
        assert (asked["decision"], answered["decision"]) == ("allow", "allow")
        assert answered["usage"] == {"input": 4, "output": 2}
        assert (answered["tokens"], answered["name"], answered["method"]) == (6, "small", "chat/completions")


async def test_a_stream_is_whole_and_shows_usage_to_who_asked_alone(tmp_path: Path) -> None:
    async with route_guarded(tmp_path, Provider(lambda body: Said(["Good ", "mor", "ning."]))) as guard:
        async with guard.client() as client:
            for wants in (False, True):
                options: dict[str, Any] = {"stream_options": {"include_usage": True}} if wants else {}
                stream: Any = await client.chat.completions.create(model="small", messages=ASK, stream=True, **options)
                chunks = [chunk async for chunk in stream]
                text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
                assert text == "Good morning."
                assert {chunk.model for chunk in chunks} == {"small"}
                assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
                used = [chunk.usage for chunk in chunks if chunk.usage]
                assert [(one.prompt_tokens, one.completion_tokens) for one in used] == ([(4, 2)] if wants else [])
        assert all(body["stream_options"] == {"include_usage": True} for body in guard.provider.bodies)
        assert [record["usage"] for record in guard.records() if "usage" in record] == [{"input": 4, "output": 2}] * 2


async def test_a_stream_ends_as_openais_does(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        answer = await guard.ask(stream=True)
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "obfuscation" not in answer.text


async def test_tool_calls_arrive_whole_in_json_and_in_streams(tmp_path: Path) -> None:
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Oslo", "days": 3}'}},
        {"id": "call_2", "type": "function", "function": {"name": "find", "arguments": '{"city": "Bergen"}'}},
    ]
    tools: Any = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    provider = Provider(lambda body: Said(["Let me see."], tool_calls=calls, finish="tool_calls"))
    async with route_guarded(tmp_path, provider) as guard, guard.client() as client:
        answer = await client.chat.completions.create(model="small", messages=ASK, tools=tools)
        message = answer.choices[0].message
        assert [call.model_dump(include={"id", "type", "function"}) for call in message.tool_calls or []] == calls
        async with client.chat.completions.stream(model="small", messages=ASK, tools=tools) as stream:
            final = await stream.get_final_completion()
        streamed = final.choices[0].message
        assert streamed.content == "Let me see."
        assert [
            {
                "id": call.id,
                "type": call.type,
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in streamed.tool_calls or []
        ] == calls


async def test_embeddings_pass_and_numbers_of_tokens_do_not(tmp_path: Path) -> None:
    async with route_guarded(tmp_path, models=[small(kinds=["embeddings"])]) as guard, guard.client() as client:
        answer = await client.embeddings.create(model="small", input=["one two", "three"], encoding_format="float")
        assert [row.embedding for row in answer.data] == [[0.5, -0.25]] * 2
        assert (answer.model, answer.usage.prompt_tokens) == ("small", 3)
        with pytest.raises(openai.BadRequestError, match="numbers of tokens cannot be inspected") as refused:
            await client.embeddings.create(model="small", input=[[1, 2, 3]])
        assert refused.value.code == "unsupported_parameter"
        with pytest.raises(openai.BadRequestError, match="small answers embeddings, not chat/completions"):
            await client.chat.completions.create(model="small", messages=ASK)


async def test_only_granted_models_exist(tmp_path: Path) -> None:
    models = [small(), small(name="large", inner_host="large.models.internal")]
    async with route_guarded(tmp_path, models=models) as guard, guard.client() as client:
        assert [row.id async for row in client.models.list()] == ["small"]
        assert (await client.models.retrieve("small")).owned_by == "dev.models"
        texts = set()
        for name in ("large", "huge"):
            with pytest.raises(openai.NotFoundError) as refused:
                await client.chat.completions.create(model=name, messages=ASK)
            assert refused.value.code == "model_not_found"
            texts.add(refused.value.message.replace(name, "X").partition(" Incident ")[0])
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve(name)
        assert len(texts) == 1
        assert guard.provider.seen == []


async def test_without_grants_nothing_is_there_for_anybody(tmp_path: Path) -> None:
    async with route_guarded(tmp_path, grants=[]) as guard, guard.client() as client:
        assert [row.id async for row in client.models.list()] == []
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="small", messages=ASK)


OTHER_PATHS = [
    ("POST", "/v1/completions", 404, "not_found"),
    ("POST", "/v1/files", 404, "not_found"),
    ("POST", "/v1/chat/completions/", 404, "not_found"),
    ("GET", "/v1", 404, "not_found"),
    ("GET", "/", 404, "not_found"),
    ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
    ("DELETE", "/v1/models", 405, "method_not_allowed"),
    ("POST", "/v1/chat/completions?x=1", 400, "invalid_request"),
]


async def test_other_paths_and_verbs_are_refused_in_openais_form(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        for verb, path, status, code in OTHER_PATHS:
            answer = await guard.raw.request(verb, path, json={})
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["param"]) == (status, code, None), path
            assert answer.headers["ringwall-incident"] == error["incident"]
            assert error["incident"] in error["message"]
            assert error["incident"] in guard.audit.read_text()


BAD_BODIES: list[tuple[bytes, str | None]] = [
    (b"{", None),
    (b"[]", None),
    (b'{"model": "small", "model": "small", "messages": []}', None),
    (b'{"model": "small", "messages": []}', "messages"),
    (b'{"model": "small", "messages": ["hello"]}', "messages[0]"),
    (b'{"model": "small", "messages": [{"role": "root", "content": "x"}]}', "messages[0].role"),
    (b'{"model": "small", "messages": [{"role": "user", "content": 7}]}', "messages[0].content"),
    (b'{"model": "small", "messages": [{"role": "user", "content": "x"}], "stream": "yes"}', "stream"),
    (b'{"model": "small", "messages": [{"role": "user", "content": "x"}], "n": 0}', "n"),
    (b'{"model": "small", "messages": [{"role": "user", "content": "x"}], "n": 9}', "n"),
    (b'{"model": "small", "messages": [{"role": "user", "content": "x"}], "max_tokens": true}', "max_tokens"),
    (b'{"model": "small", "messages": [{"role": "user", "content": "x"}], "tools": {}}', "tools"),
    (b'{"model": 7, "messages": []}', "model"),
    (b'{"messages": []}', "model"),
]


async def test_a_body_without_one_meaning_is_refused_by_its_member(tmp_path: Path) -> None:
    async with route_guarded(tmp_path) as guard:
        for body, param in BAD_BODIES:
            headers = {"content-type": "application/json"}
            answer = await guard.raw.post("/v1/chat/completions", content=body, headers=headers)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_request", param), body
        assert guard.provider.seen == []


async def test_a_body_that_is_too_large_or_no_json_is_refused_by_its_headers(tmp_path: Path) -> None:
    async with route_guarded(tmp_path, limits={"principal": {}, "body_kilobytes": 1}) as guard:
        large = await guard.ask([{"role": "user", "content": "x" * 1500}])
        assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
        assert "limits.body_kilobytes" in large.json()["error"]["message"]
        larger = await guard.ask([{"role": "user", "content": "x" * 9000}])
        assert larger.status_code == 413
        form = await guard.raw.post("/v1/chat/completions", data={"model": "small"})
        assert (form.status_code, form.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_a_foreign_name_an_expired_configuration_and_a_denied_caller_are_refused(tmp_path: Path) -> None:
    async with route_guarded(tmp_path, denied=frozenset({"person:ada"})) as guard:
        foreign = await guard.raw.get("/v1/models", headers={"host": "evil.example"})
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (421, "misdirected_request")
        async with guard.client() as client:
            with pytest.raises(openai.PermissionDeniedError, match="This principal is denied"):
                await client.chat.completions.create(model="small", messages=ASK)


async def test_an_expired_configuration_lets_nothing_pass(tmp_path: Path) -> None:
    async with route_guarded(tmp_path, expires=1) as guard, guard.client() as client:
        with pytest.raises(openai.PermissionDeniedError, match="configuration has expired"):
            await client.models.list()
