"""Stands in for a model's provider and for the gateway's inner route before it, each on a loopback port.

The provider speaks OpenAI's format (developers.openai.com/api/reference; openai-python 3.57, `types/chat`): it counts words
as tokens, so that a test can say what it must have counted. The inner route is written from a run of Kong 3.9.3 with
key-auth and ai-proxy: it wants its key and its Host, refuses every model but its own, adds the provider's credential, and
sends the last event of a stream without the blank line after it. Where that run is silent it is strict: it takes nothing
but a POST of JSON, and no header that names a caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from guard.listening import _Server
from tests.support.loopback_http import NO_AUTHORITIES

KEY = "inner-key-of-the-guard"
CREDENTIAL = "Bearer sk-live-of-the-operator"
#: What a request that reaches the inner route may carry: nothing of the caller's.
ALLOWED = {
    "x-ringwall-principal",
    "host",
    "content-type",
    "accept",
    "accept-encoding",
    "content-length",
    "x-ringwall-key",
    "connection",
}


@dataclass
class Said:
    """What the model answers. `pieces` are the deltas of a stream; the text is all of them. `pause` waits before each but
    the first; `usage` None: the provider sends none."""

    pieces: list[str] = field(default_factory=lambda: ["Good ", "morning."])
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    usage: Callable[[int, int], dict[str, Any]] | None = None
    counts: bool = True
    finish: str = "stop"
    members: dict[str, Any] = field(default_factory=dict)
    #: How many deltas are sent before the connection is cut; None: all.
    cut_after: int | None = None
    pause: Callable[[], Awaitable[None]] | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def words(value: Any) -> int:
    """The words of every text in a value: this provider's tokens."""
    if isinstance(value, str):
        return len(value.split())
    if isinstance(value, dict):
        return sum(words(member) for name, member in value.items() if name not in ("role", "type"))
    return sum(words(item) for item in value) if isinstance(value, list) else 0


@dataclass
class Provider:
    """The provider. `reply` gives what is said to a body, or a Response in its place."""

    reply: Callable[[dict[str, Any]], Said | Response] = lambda body: Said()
    seen: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    #: Tokens of every request, in and out, as billed.
    billed: list[tuple[int, int]] = field(default_factory=list)
    #: Answers under way, and those that the other side gave up.
    closed: int = 0

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, body in self.seen]

    async def handle(self, request: Request) -> Response:
        body = json.loads(await request.body())
        self.seen.append((dict(request.headers), body))
        if request.headers.get("authorization") != CREDENTIAL:
            text = "Incorrect API key provided: sk-wrong. You can find your API key at https://platform.example."
            return _error(401, text, "invalid_request_error", "invalid_api_key")
        said = self.reply(body)
        if isinstance(said, Response):
            return said
        if request.url.path.endswith("/embeddings"):
            return self._embeddings(body)
        if request.url.path.endswith("/responses"):
            return self._response(said, body)
        tokens = words(body["messages"]), words(said.text) + words([call["function"] for call in said.tool_calls])
        self.billed.append(tokens)
        usage = (said.usage or _usage)(*tokens) if said.counts else None
        head = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": body["model"]}
        if not body.get("stream"):
            message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None, **said.members}
            if said.tool_calls:
                message["tool_calls"] = said.tool_calls
            choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish}
            answer = {**head, "object": "chat.completion", "choices": [choice]}
            return JSONResponse({**answer, **({"usage": usage} if usage else {})})
        wants = (body.get("stream_options") or {}).get("include_usage")
        return StreamingResponse(self._stream(said, head, usage if wants else None), media_type="text/event-stream")

    def _embeddings(self, body: dict[str, Any]) -> Response:
        texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        self.billed.append((words(texts), 0))
        data = [{"object": "embedding", "index": at, "embedding": [0.5, -0.25]} for at, _ in enumerate(texts)]
        usage = {"prompt_tokens": words(texts), "total_tokens": words(texts)}
        return JSONResponse({"object": "list", "data": data, "model": body["model"], "usage": usage})

    def _response(self, said: Said, body: dict[str, Any]) -> Response:
        """What the Responses API answers (openai-python 3.57, `types/responses/response_stream_event.py`)."""
        tokens = words(body["input"]), words(said.text) + words([call["function"] for call in said.tool_calls])
        self.billed.append(tokens)
        content = [{"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}]
        output: list[dict[str, Any]] = [
            {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}
        ]
        output += [
            {
                "id": f"fc_{at}",
                "type": "function_call",
                "call_id": call["id"],
                "status": "completed",
                **call["function"],
            }
            for at, call in enumerate(said.tool_calls)
        ]
        usage = {
            "input_tokens": tokens[0],
            "output_tokens": tokens[1],
            "total_tokens": sum(tokens),
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        whole = {
            "id": "resp_1",
            "object": "response",
            "created_at": 1_700_000_000,
            "model": body["model"],
            "status": "completed",
            "instructions": body.get("instructions"),
            "tools": body.get("tools", []),
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "store": body.get("store", True),
            "output": output,
            "usage": usage,
        }
        if not body.get("stream"):
            return JSONResponse(whole)
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": begun},
            {"type": "response.output_item.added", "output_index": 0, "item": {**output[0], "content": []}},
        ]
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": []}
        events.append({"type": "response.content_part.added", **place, "part": part})
        events += [
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []} for piece in said.pieces
        ]
        events += [
            {"type": "response.output_text.done", **place, "text": said.text, "logprobs": []},
            {"type": "response.content_part.done", **place, "part": {**part, "text": said.text}},
            {"type": "response.output_item.done", "output_index": 0, "item": output[0]},
        ]
        for at, item in enumerate(output[1:], 1):
            where = {"item_id": item["id"], "output_index": at}
            added = {**item, "arguments": ""}
            events.append({"type": "response.output_item.added", "output_index": at, "item": added})
            for start in range(0, len(item["arguments"]), 5):
                piece = item["arguments"][start : start + 5]
                events.append({"type": "response.function_call_arguments.delta", **where, "delta": piece})
            done = {**where, "name": item["name"], "arguments": item["arguments"]}
            events.append({"type": "response.function_call_arguments.done", **done})
            events.append({"type": "response.output_item.done", "output_index": at, "item": item})
        events.append({"type": "response.completed", "response": whole})
        text = "".join(
            f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"
            for number, event in enumerate(events)
        )
        return Response(text, media_type="text/event-stream")

    async def _stream(self, said: Said, head: dict[str, Any], usage: dict[str, Any] | None) -> AsyncIterator[bytes]:
        def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            chunk = {**head, "object": "chat.completion.chunk", "choices": [choice], "obfuscation": "xY3"}
            return b"data: " + json.dumps(chunk).encode() + b"\n\n"

        try:
            yield event({"role": "assistant", "content": "", "refusal": None})
            for number, piece in enumerate(said.pieces):
                if number == said.cut_after:
                    raise ConnectionResetError
                if number and said.pause:
                    await said.pause()
                yield event({"content": piece})
            for at, call in enumerate(said.tool_calls):
                function = call["function"]
                yield event({"tool_calls": [{"index": at, **call, "function": {**function, "arguments": ""}}]})
                for start in range(0, len(function["arguments"]), 7):
                    piece = function["arguments"][start : start + 7]
                    yield event({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
            yield event({}, said.finish)
            if usage is not None:
                chunk = {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage}
                yield b"data: " + json.dumps(chunk).encode() + b"\n\n"
            yield b"data: [DONE]\n\n"
        finally:
            self.closed += 1


def _usage(tokens_in: int, tokens_out: int) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _error(status: int, message: str, type_: str, code: str | None, **headers: str) -> Response:
    body = {"error": {"message": message, "type": type_, "param": None, "code": code}}
    return JSONResponse(body, status, headers)


def provider_error(status: int, message: str, code: str | None = None, **headers: str) -> Response:
    """An error as OpenAI's API answers it; a header's name has _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return _error(status, message, "invalid_request_error", code, **named)


@dataclass
class InnerStandIn:
    """The inner routes at the gateway: Host to the model that it asks for and its targets, tried in their order."""

    routes: Mapping[str, str]
    targets: list[str] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    client: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(timeout=30, trust_env=False, verify=NO_AUTHORITIES)
    )

    async def handle(self, request: Request) -> Response:
        headers = dict(request.headers)
        self.seen.append(headers)
        model = self.routes.get(headers["host"])
        if model is None or not request.url.path.startswith("/v1/"):
            return JSONResponse({"message": "no Route matched with those values"}, 404)
        if headers.get("x-ringwall-key") != KEY:
            return JSONResponse({"message": "Unauthorized"}, 401)
        if request.method != "POST" or headers.get("content-type") != "application/json" or set(headers) - ALLOWED:
            return JSONResponse({"error": {"message": f"not expected: {sorted(set(headers) - ALLOWED)}"}}, 400)
        body = await request.body()
        if json.loads(body).get("model") != model:
            return JSONResponse({"error": {"message": f"cannot use own model - must be: {model}"}}, 400)
        sent = {"authorization": CREDENTIAL, "content-type": "application/json", "host": "api.provider.example"}
        for number, target in enumerate(self.targets):
            call = self.client.build_request("POST", target + request.url.path, content=body, headers=sent)
            try:
                answer = await self.client.send(call, stream=True)
            except httpx.ConnectError:
                continue
            if answer.status_code < 500 or number == len(self.targets) - 1:
                passed = {n: v for n, v in answer.headers.items() if n in ("content-type", "retry-after")}
                passed |= {"x-kong-llm-model": f"openai/{model}", "via": "1.1 kong/3.9.3"}
                return StreamingResponse(_without_last_blank_line(answer), answer.status_code, passed)
            await answer.aclose()
        return JSONResponse({"message": "An invalid response was received from the upstream server"}, 502)


async def _without_last_blank_line(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk.replace(b"data: [DONE]\n\n", b"data: [DONE]\n")
    finally:
        await answer.aclose()


@contextlib.asynccontextmanager
async def listening(handle: Callable[[Request], Awaitable[Response]]) -> AsyncIterator[str]:
    """The handler for every path on a loopback port; gives its URL."""
    app = Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST"])])
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off"))
    running = asyncio.get_running_loop().create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await running
