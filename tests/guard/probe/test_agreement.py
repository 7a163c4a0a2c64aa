"""What a probe takes a client gets, and what no client would get a probe refuses: one client, one set of rules."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from guard.probe.probe import probe
from model.errors import Unreachable
from model.server import Origin as ServerOrigin
from tests.support.guard_service import Origin, guarded

Slip = Callable[[dict[str, Any]], Response]


def body(content: bytes, kind: str = "application/json", status: int = 200, **headers: str) -> Response:
    return Response(content, status, {name.replace("_", "-"): value for name, value in headers.items()}, kind)


def other(**members: Any) -> Slip:
    return lambda answer: body(json.dumps({**answer, **members}).encode())


def text(change: Callable[[str], str]) -> Slip:
    return lambda answer: body(change(json.dumps(answer)).encode())


SLIPS: Mapping[str, Slip] = {
    "none": other(),
    "gzip": lambda answer: body(gzip.compress(json.dumps(answer).encode()), content_encoding="gzip"),
    "deflate": lambda answer: body(zlib.compress(json.dumps(answer).encode()), content_encoding="deflate"),
    "unknown encoding": lambda answer: body(json.dumps(answer).encode(), content_encoding="zebra"),
    "error null beside the result": other(error=None),
    "error beside the result": other(error={"code": 1, "message": "no"}),
    "id as text": lambda answer: other(id=str(answer["id"]))(answer),
    "id 0": other(id=0),
    "id null": other(id=None),
    "fractional id": lambda answer: other(id=answer["id"] + 0.0)(answer),
    "array": lambda answer: body(json.dumps([answer]).encode()),
    "byte order mark": lambda answer: body(b"\xef\xbb\xbf" + json.dumps(answer).encode()),
    "line ends": text(lambda shown: f"\r\n{shown}\r\n"),
    "not a number": text(lambda shown: shown.replace('"tools":', '"mean": NaN, "tools":')),
    "key twice": text(lambda shown: shown.replace('"tools":', '"tools": [], "tools":')),
    "member of no message": other(_meta={}),
    "other media type": lambda answer: body(json.dumps(answer).encode(), "text/html"),
    "status 201": lambda answer: body(json.dumps(answer).encode(), status=201),
    "status 404": lambda answer: body(b"not here", "text/plain", 404),
    "status 500": lambda answer: body(b"oh no", "text/plain", 500),
    "redirect": lambda _: body(b"", status=307, location="/mcp/"),
    "nothing": lambda _: body(b""),
    "half": lambda answer: body(json.dumps(answer).encode()[:-3]),
    "stream": lambda answer: body(f"data: {json.dumps(answer)}\n\n".encode(), "text/event-stream"),
    "stream with other line ends": lambda answer: body(
        f"data: {json.dumps(answer)}\r\n\r\n".encode(), "text/event-stream"
    ),
    "stream that ends at once": lambda _: body(b": hello\n\n", "text/event-stream"),
    "stream of another event": lambda answer: body(
        f"event: odd\ndata: {json.dumps(answer)}\n\n".encode(), "text/event-stream"
    ),
    "gzip stream": lambda answer: body(
        gzip.compress(f"data: {json.dumps(answer)}\n\n".encode()), "text/event-stream", content_encoding="gzip"
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
async def test_a_probe_takes_what_a_client_gets_and_refuses_what_none_gets(tmp_path: Path, slip: str) -> None:
    origin = Origin()
    listed = {"tools": origin.tools}
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        origin.replies["tools/list"] = lambda message: SLIPS[slip](
            {"jsonrpc": "2.0", "id": message["id"], "result": listed}
        )
        answer = await guard.request("tools/list")
        client_gets = [one["name"] for one in answer.get("result", {}).get("tools", [])]
        try:
            offer = await asyncio.to_thread(probe, ServerOrigin(url=f"http://127.0.0.1:{origin.port}/mcp"))
            probed = [one["name"] for one in offer.tools]
            problem = ""
        except Unreachable as error:
            probed, problem = [], str(error)
        assert probed == client_gets
        assert bool(probed) != ("tools/list: " in problem)
        assert bool(probed) or slip != "none"
