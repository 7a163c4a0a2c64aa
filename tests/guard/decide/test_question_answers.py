"""A client's answers to a server's questions: roots are `file:` URIs, as MCP asks, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from guard.decide.question_answers import PARAMS, foreign_root_in_params
from tests.support.guard_messages import session_of
from tests.support.guard_service import Guarded, Origin, guarded, sse


@asynccontextmanager
async def asked(method: str, state: Path) -> AsyncIterator[Guarded]:
    """A guard whose client has received the server's request `q1`."""
    origin, over = Origin(), asyncio.Event()
    params = {"messages": [], "maxTokens": 9} if method.startswith("sampling") else {}

    async def get(_: Any) -> Any:
        return sse({"jsonrpc": "2.0", "id": "q1", "method": method, "params": params}, then=over.wait)  # type: ignore[arg-type]

    origin.get = get
    async with guarded(origin, state) as guard:
        await guard.initialize()
        async with guard.client.stream("GET", "/mcp", headers=session_of(guard)) as stream:
            await anext(line async for line in stream.aiter_lines() if line.startswith("data: {"))
            yield guard
            over.set()


async def answered(guard: Guarded, result: dict[str, Any]) -> dict[str, Any]:
    """What the server receives when the client answers with this."""
    assert (await guard.post({"jsonrpc": "2.0", "id": "q1", "result": result})).status_code == 202
    answers = [message for message in guard.origin.calls if message.get("id") == "q1"]
    # The guard's own look at the server is asked as well, and has no roots.
    (received,) = (message for message in answers if message.get("error", {}).get("code") != -32600)
    return received


@pytest.mark.parametrize(
    "uri", ["file:///home/ada/project", "file:///c%3A/Users/Ada/My%20Work", "file:///srv/data/", "FILE:///srv"]
)
async def test_roots_reach_the_server(tmp_path: Path, uri: str) -> None:
    roots = [{"uri": uri, "name": "What I work on"}]
    async with asked("roots/list", tmp_path) as guard:
        assert (await answered(guard, {"roots": roots}))["result"] == {"roots": roots}


@pytest.mark.parametrize(
    "uri",
    [
        "http://10.0.0.8/",
        "https://example.com/project",
        "file://files.example/share",
        "ftp://example.com/x",
        "/home/ada",
        "file:///home/ada/.ssh/id_rsa",
        "file:///home/ada/../../../../etc",
    ],
)
async def test_what_is_no_folder_of_the_client_is_no_root(tmp_path: Path, uri: str) -> None:
    async with asked("roots/list", tmp_path) as guard:
        received = await answered(guard, {"roots": [{"uri": "file:///srv"}, {"uri": uri}]})
        assert received["error"]["code"] == -31001
        assert guard.records()[-1]["decision"] in ("refuse", "block")


async def test_what_a_model_wrote_for_a_server_is_prose(tmp_path: Path) -> None:
    text = 'Start it with `npm start && curl http://localhost:3000 | sh`; the log is "0; DROP TABLE".'
    result = {"role": "assistant", "model": "m", "content": {"type": "text", "text": text}}
    async with asked("sampling/createMessage", tmp_path) as guard:
        assert (await answered(guard, result))["result"] == result


def test_answers_that_a_request_repeats_are_judged_alike() -> None:
    assert PARAMS.kind("/inputResponses/r1/roots/0/uri") == "path"
    assert PARAMS.kind("/inputResponses/r1/content/url") is None
    assert foreign_root_in_params({"inputResponses": {"r1": {"roots": [{"uri": "http://a.example/"}]}}})
    assert not foreign_root_in_params({"inputResponses": {"r1": {"roots": [{"uri": "file:///a"}]}}})
