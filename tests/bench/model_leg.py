"""What the guard adds to a request to a model: median time of one connection, directly to a provider and through the guard.

    .venv/bin/python tests/bench/model_leg.py [--requests 500]

The provider answers at once and costs next to nothing, so that the guard is what is measured, with every check on, the
embedded engine and the audit log. Three requests are asked: a short question, the tenth turn of a conversation with a tool
and its results (each turn new, as a client sends it), and a short question answered by a stream of 2,000 characters. The
first piece of that stream is timed too. Processor time is the guard's own, so it holds on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench.cost import processor_seconds
from tests.support.guard_process import COMMAND, await_http, end, first_line
from tests.support.model_provider import KEY
from tests.support.ports import free_port
from tests.support.route_guard import route_document, small

PIECES = [f"piece {number} of a text " for number in range(100)]
TEXT = "".join(PIECES)


async def provider(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers every request alike, as a chat completion."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    head: dict[str, Any] = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-x"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    if not json.loads(body).get("stream"):
        message = {"role": "assistant", "content": "It is sunny in Oslo."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        await answer(send, b"application/json", [json.dumps({**head, "choices": [choice], "usage": usage}).encode()])
        return
    head["object"] = "chat.completion.chunk"
    deltas: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in PIECES]
    finish = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    end_of_text: list[dict[str, Any]] = [finish, {"choices": [], "usage": usage}]
    chunks = [b"data: " + json.dumps({**head, **part}).encode() + b"\n\n" for part in (*deltas, *end_of_text)]
    await answer(send, b"text/event-stream", [*chunks, b"data: [DONE]\n\n"])


async def answer(send: Any, media_type: bytes, parts: list[bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", media_type)]})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def conversation(number: int) -> list[dict[str, Any]]:
    """Ten turns, the last of which was never sent before."""
    said: list[dict[str, Any]] = [{"role": "system", "content": "You are a helpful assistant for travellers. " * 10}]
    for turn in range(10):
        about = f"{turn} of conversation {number if turn == 9 else 0}"
        call = {"id": f"c{turn}", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
        said += [
            {"role": "user", "content": f"What is the weather like on day {about}?"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{turn}", "content": f"Forecast {about}: " + "sunny, 20 degrees. " * 40},
            {"role": "assistant", "content": f"On day {about} it is sunny."},
        ]
    return [*said, {"role": "user", "content": f"And then, {number}?"}]


async def measured(url: str, model: str, count: int, kind: str) -> tuple[float, float]:
    """Median milliseconds of a request, and until the first text of its answer."""
    whole, first = [], []
    async with aiohttp.ClientSession() as client:
        for number in range(count + 20):
            messages = (
                conversation(number) if kind == "conversation" else [{"role": "user", "content": f"Hi, {number}!"}]
            )
            body = {"model": model, "messages": messages, "stream": kind == "stream"}
            started = time.perf_counter()
            async with client.post(f"{url}/v1/chat/completions", json=body) as response:
                begun = None
                async for chunk in response.content.iter_any():
                    if begun is None and b"content" in chunk and b"piece" in chunk:
                        begun = time.perf_counter() - started
                assert response.status == 200, await response.text()
            if number >= 20:
                whole.append(time.perf_counter() - started)
                first.append(begun or whole[-1])
    return statistics.median(whole) * 1000, statistics.median(first) * 1000


def guard_document(folder: Path, inner: str, port: int) -> dict[str, Any]:
    key = folder / "inner.key"
    key.write_text(KEY)
    key.chmod(0o600)
    return route_document(
        listen={"port": port},
        inner={"url": inner, "key": {"file": str(key)}},
        models=[small()],
        identity={"demo": {"principal": "person:ada"}},
        limits={"principal": {}, "all": {"tokens_per_day": 2**31 - 1}},
        audit={"path": str(folder / "audit.jsonl")},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--provide", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.provide:
        port = free_port()
        print(f"http://127.0.0.1:{port}", flush=True)
        uvicorn.run(provider, port=port, log_level="critical", lifespan="off")
        return
    print(f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as root, first_line([sys.executable, __file__, "--provide"]) as (inner, _):
        folder, port = Path(root), free_port()
        file = folder / "guard.json"
        file.write_text(json.dumps(guard_document(folder, inner, port)))
        with (folder / "guard.log").open("wb") as log:
            command = [*COMMAND, "--config", str(file), "--state", str(folder / "state")]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            await_http(f"{url}/healthz", process, folder / "guard.log")
            for kind in ("question", "conversation", "stream"):
                alone = asyncio.run(measured(inner, "gpt-x", options.requests, kind))
                asyncio.run(measured(url, "small", 50, kind))
                before = processor_seconds(process.pid)
                guarded = asyncio.run(measured(url, "small", options.requests, kind))
                spent = (processor_seconds(process.pid) - before) / (options.requests + 20) * 1000
                print(
                    f"{kind:>12}: provider {alone[0]:.2f} ms, through the guard {guarded[0]:.2f} ms "
                    f"(first text {guarded[1]:.2f} ms), guard's processor {spent:.2f} ms"
                )
        finally:
            end(process)


if __name__ == "__main__":
    main()
