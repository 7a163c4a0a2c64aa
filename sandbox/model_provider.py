"""A stand-in of a model's provider, and of Kong's inner routes before it, on one loopback port.

It takes what an inner route takes (components.gateway.inner_plugins): the guard's key, the Host of one model, and that
model's name alone. It answers chat completions in OpenAI's format (developers.openai.com/api/reference), counts words as
tokens, and says the same whatever it is asked. What it is not sent to answer it refuses.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

ANSWER = "It prints blank pages."
PATH = "/v1/chat/completions"


class ModelProvider:
    """Serves while its context is entered. `routes` are the inner routes: the provider's name of a model by its Host.

    The guard's key is written into `folder`, for the guard to read.
    """

    def __init__(self, key_header: str, routes: Mapping[str, str], folder: Path) -> None:
        self._key_header, self._routes = key_header, routes
        self._key = secrets.token_urlsafe(32)
        self.key_file = folder / "guard-key"
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(self._key, encoding="utf-8")
        #: How many requests it answered as a model.
        self.answered = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _reply(self, path: str, host: str | None, key: str | None, body: bytes) -> tuple[int, dict[str, Any]]:
        model = self._routes.get(host or "")
        if model is None or path != PATH:
            return 404, {"message": "no Route matched with those values"}
        if not hmac.compare_digest((key or "").encode(), self._key.encode()):
            return 401, {"message": "Unauthorized"}
        request = json.loads(body)
        if request.get("model") != model or request.get("stream"):
            return 400, {"error": {"message": f"cannot use own model - must be: {model}, without a stream"}}
        self.answered += 1
        return 200, _completion(model, request["messages"])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                key = self.headers.get(provider._key_header)
                status, answer = provider._reply(self.path, self.headers.get("host"), key, body)
                encoded = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

            def log_message(self, format: str, *_: object) -> None:
                return

        return Handler


def _completion(model: str, messages: Any) -> dict[str, Any]:
    tokens_in = sum(len(str(message.get("content") or "").split()) for message in messages)
    tokens_out = len(ANSWER.split())
    message = {"role": "assistant", "content": ANSWER, "refusal": None}
    return {
        "id": "chatcmpl-demo",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        },
    }
