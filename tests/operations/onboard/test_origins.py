"""The origin that flags name: a server's key comes by reference, and a server that asks for one is onboarded with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import Response

from guard.probe.probe import probe
from model.errors import InputError, Unreachable
from operations.onboard import origins
from tests.support.guard_service import Origin, serving

URL = "http://127.0.0.1:3000/mcp"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Api-Key=DESK_KEY", {"X-Api-Key": {"env": "DESK_KEY"}}),
        ("Authorization=Bearer DESK_KEY", {"Authorization": {"env": "DESK_KEY", "scheme": "Bearer"}}),
    ],
)
def test_a_key_is_kept_as_a_reference(header: str, value: dict[str, Any]) -> None:
    assert origins.from_flags(URL, None, None, None, [], [header]) == {"url": URL, "headers": value}


@pytest.mark.parametrize(
    ("url", "command", "header", "problem"),
    [
        (URL, None, "X-Api-Key", "is not NAME=VARIABLE"),
        (URL, None, "X-Api-Key=sk-live-0123456789", "is not NAME=VARIABLE"),
        (URL, None, "Host=NAME", "Host says where a request is for"),
        (URL, None, "Authorization=Digest NAME", "Input should be"),
        (None, "server --stdio", "X-Api-Key=DESK_KEY", "belongs to --url and --socket"),
        (None, None, "X-Api-Key=DESK_KEY", "belongs to --url and --socket"),
    ],
)
def test_what_is_no_reference_is_refused_without_being_quoted(
    url: str | None, command: str | None, header: str, problem: str
) -> None:
    with pytest.raises(InputError) as refused:
        origins.from_flags(url, None, None, command, [], [header])
    assert refused.value.key == "--header"
    assert problem in str(refused.value)
    assert "sk-live" not in str(refused.value)


async def test_a_server_that_demands_a_key_is_asked_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_KEY", "planted-desk-key")
    server = Origin()
    handle = server.handle

    async def demanding(request: Any) -> Response:
        if request.headers.get("authorization") != "Bearer planted-desk-key":
            return Response("", 401, {"www-authenticate": "Bearer"})
        return await handle(request)

    server.handle = demanding  # type: ignore[method-assign]
    async with serving(server):
        url = f"http://127.0.0.1:{server.port}/mcp"
        bare = origins.check({"url": url})
        with pytest.raises(Unreachable, match=r"give it in origin.headers \(onboard: --header NAME=VARIABLE\)"):
            await asyncio.to_thread(probe, bare)
        value = origins.from_flags(url, None, None, None, [], ["Authorization=Bearer DESK_KEY"])
        offer = await asyncio.to_thread(probe, origins.check(value or {}))
        assert [item["name"] for item in offer.lists["tools"]] == ["search", "delete"]
