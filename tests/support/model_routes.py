"""A model route for tests: its stack file as a user would write it, and its stack in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from model.environment import Environment
from model.loader import Document
from model.model_route import ModelRoute
from model.stacks import ModelStack
from tests.support.kong_manifests import environment_stack
from tests.support.projects import write_project

FILE = "stacks/Pulumi.dev.models.yaml"

ROUTE = """\
config:
  ringwall:guardKey:
    secure: v1:AAAAAAAAAAAAAAAA:bm8gc2VjcmV0IGF0IGFsbCwgYnV0IGl0IGxvb2tzIGxpa2Ugb25l
  ringwall:model:
    version: 1
    host: dev-1
    hostname: models.example.com
    guard_port: 9040
    guard_key: {file: /etc/ringwall/dev.models/guard-key}
    models:
      small:
        targets:
          - provider: openai
            model: gpt-4o-mini
            credential: "{vault://env/openai-key}"
        price: {input: "0.15", output: "0.60"}
      house:
        targets:
          - provider: openai
            model: llama-3.1
            url: https://one.example.com/v1/chat/completions
          - provider: openai
            model: llama-3.1
            url: https://two.example.com:8443/v1/chat/completions
            weight: 50
        price: {input: "0"}
    access:
      people: {groups: [engineers]}
      agents: [ci]
    posture: [encrypted]
    grants:
      - to: {all: true}
        models: [small]
      - to: {agents: [ci]}
        models: ["*"]
        budget: {tokens_per_day: 100000, cost_per_day: "5.00"}
    prompt_policy:
      system: Answer in English.
      deny: ["(?i)internal use only"]
"""


def write_route_project(folder: Path, text: str = ROUTE) -> Path:
    """A project with an environment, one server and a model route; returns its root."""
    root = write_project(folder)
    (root / FILE).write_text(text, encoding="utf-8")
    return root


def route(**changes: Any) -> ModelRoute:
    """A model route's manifest; `changes` replace its keys."""
    base: dict[str, Any] = {
        "version": 1,
        "host": "h1",
        "hostname": "models.example.com",
        "guard_port": 9040,
        "guard_key": {"file": "/etc/ringwall/dev.models/guard-key"},
        "models": {
            "small": {
                "targets": [
                    {"provider": "openai", "model": "gpt-4o-mini", "credential": "{vault://env/openai-key}"},
                ]
            }
        },
        "access": {"people": {"emails": ["ann@example.com"]}},
        "grants": [{"to": {"all": True}, "models": ["small"]}],
    }
    return ModelRoute.model_validate(base | changes)


def whole_route() -> ModelRoute:
    """The manifest of `ROUTE`, with one target and with several."""
    manifest = YAML(typ="safe").load(ROUTE)["config"]["ringwall:model"]
    return ModelRoute.model_validate(manifest | {"host": "h1"})


def route_stack(settings: Environment | None = None, manifest: ModelRoute | None = None) -> ModelStack:
    """A model route's stack as if read from files."""
    document = Document(Path("Pulumi.dev.models.yaml"), {})
    return ModelStack(environment_stack(settings), "models", document, manifest or route())
