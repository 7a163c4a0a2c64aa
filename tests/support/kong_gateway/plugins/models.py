"""ai-proxy, ai-prompt-guard and ai-prompt-decorator, for providers that speak OpenAI's own format."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.support.kong_gateway.configuration import Unsupported
from tests.support.kong_gateway.exchange import Exchange, exit_with
from tests.support.kong_gateway.plugins.handler import Handler


def _body(exchange: Exchange) -> dict[str, Any]:
    """The request as the AI plugins share it; its members in the order they came."""
    held = exchange.context.setdefault("ai", {})
    if "body" not in held:
        try:
            held["body"] = json.loads(exchange.body)
        except ValueError:
            message = "content-type header does not match request body, or bad JSON formatting"
            raise exit_with(400, {"error": {"message": message}}) from None
    found: dict[str, Any] = held["body"]
    return found


class AiPromptDecorator(Handler):
    """kong/plugins/ai-prompt-decorator/filters/decorate-prompt.lua."""

    NAME = "ai-prompt-decorator"
    PRIORITY = 772
    OPTIONS: ClassVar[dict[str, Any]] = {"prompts": None, "max_request_body_size": 8192, "llm_format": "openai"}

    def access(self, exchange: Exchange) -> None:
        body = _body(exchange)
        if not body.get("messages"):
            raise exit_with(400, {"error": {"message": "this LLM route only supports llm/chat type requests"}})
        prompts = self.config["prompts"]
        body["messages"] = [*(prompts["prepend"] or ()), *body["messages"], *(prompts["append"] or ())]


class AiPromptGuard(Handler):
    """kong/plugins/ai-prompt-guard/filters/guard-prompt.lua; Python's patterns stand in for PCRE's."""

    NAME = "ai-prompt-guard"
    PRIORITY = 771
    OPTIONS: ClassVar[dict[str, Any]] = {
        "allow_patterns": None,
        "deny_patterns": None,
        "allow_all_conversation_history": False,
        "match_all_roles": False,
        "max_request_body_size": 8192,
        "llm_format": "openai",
    }

    def check(self) -> None:
        self.require("allow_all_conversation_history", False)
        self.require("match_all_roles", False)

    def access(self, exchange: Exchange) -> None:
        said = []
        for message in reversed(_body(exchange)["messages"]):
            if message.get("role") == "user":
                if not isinstance(message.get("content"), str):
                    raise exit_with(400, {"error": {"message": "bad request"}})
                said.append(message["content"] + " ")
        text, allowed = "".join(said), self.config["allow_patterns"]
        if any(re.search(pattern, text) for pattern in self.config["deny_patterns"] or ()) or (
            allowed and not any(re.search(pattern, text) for pattern in allowed)
        ):
            raise exit_with(400, {"error": {"message": "bad request"}})


class AiProxy(Handler):
    """kong/llm/proxy/handler.lua and kong/llm/drivers/openai.lua."""

    NAME = "ai-proxy"
    PRIORITY = 770
    OPTIONS: ClassVar[dict[str, Any]] = {
        "route_type": None,
        "auth": None,
        "model": None,
        "logging": None,
        "response_streaming": "allow",
        "max_request_body_size": 8192,
        "model_name_header": True,
        "llm_format": "openai",
    }

    def check(self) -> None:
        self.require("route_type", "llm/v1/chat")
        self.require("model_name_header", False)
        if self.config["model"]["provider"] != "openai":
            raise Unsupported(f"{self.NAME}: provider {self.config['model']['provider']}")
        set_options = {name for name, value in self.config["model"]["options"].items() if value is not None}
        if unknown := set_options - {"upstream_url", "azure_api_version"}:
            raise Unsupported(f"{self.NAME}: option {sorted(unknown)[0]}")

    def access(self, exchange: Exchange) -> None:
        if len(exchange.body) > self.config["max_request_body_size"]:
            raise Unsupported(f"{self.NAME}: a body that nginx may have written to disk")
        body, name = _body(exchange), self.config["model"]["name"]
        if body.get("model") not in (None, "", name):
            raise exit_with(400, {"error": {"message": f"cannot use own model - must be: {name}"}})
        body["model"], body["stream"] = name, body.get("stream") or False
        exchange.body = json.dumps(body).encode()
        exchange.request.set("Content-Type", "application/json")
        parts = urlsplit(
            self.config["model"]["options"]["upstream_url"] or "https://api.openai.com/v1/chat/completions"
        )
        exchange.address = (parts.hostname or "", parts.port or 443)
        exchange.upstream_path = parts.path
        auth = self.config["auth"]
        if auth["header_name"]:
            exchange.request.set(auth["header_name"], self.configuration.resolved(auth["header_value"]))
