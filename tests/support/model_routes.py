"""A model route for tests: its stack file as a user would write it, and its stack in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from model.environment import Environment
from model.kong_versions import RECOMMENDED
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

#: A route without a guard, as somebody writes it who accepts what it does without.
GUARDLESS = """\
config:
  ringwall:model:
    version: 1
    host: dev-1
    hostname: models.example.com
    guard: none
    waivers:
      - rule: model-without-guard
        reason: Kong's own checks suffice for the trial, decided by the security team
        expires: "2099-12-31"
    models:
      small:
        targets:
          - provider: openai
            model: gpt-4o-mini
            credential: "{vault://env/openai-key}"
        price: {input: "0.15", output: "0.60"}
      large:
        targets:
          - provider: anthropic
            model: claude-sonnet-4-5
            credential: "{vault://env/anthropic-key}"
            credential_header: x-api-key
            options: {anthropic_version: "2023-06-01"}
        price: {input: "3.00", output: "15.00"}
      unused:
        targets:
          - provider: openai
            model: gpt-5
            credential: "{vault://env/openai-key}"
        price: {input: "1.25", output: "10.00"}
    access:
      people: {groups: [engineers]}
      agents: [ci]
    posture: [encrypted]
    grants:
      - to: {all: true}
        models: [small, large]
    limits:
      principal: {requests_per_minute: 30, tokens_per_minute: 20000, cost_per_day: "5.00"}
      all: {}
    prompt_policy:
      system: Answer in English.
      deny: ["(?i)internal use only"]
    gateway:
      lakera: {api_key: "{vault://env/lakera-key}", project_id: project-1}
"""


def guardless_project(folder: Path, text: str = GUARDLESS) -> Path:
    """A project on edition ai with an environment, one server and a model route without a guard; returns its root."""
    root = write_route_project(folder, text)
    file = root / "stacks" / "Pulumi.dev.yaml"
    edition = f'admin_uri: http://127.0.0.1:8001\n      edition: ai\n      version: "{RECOMMENDED["ai"]}"\n'
    file.write_text(file.read_text("utf-8").replace("admin_uri: http://127.0.0.1:8001\n", edition), encoding="utf-8")
    return root


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


def guardless_route(**changes: Any) -> ModelRoute:
    """The manifest of `GUARDLESS`; `changes` replace its keys."""
    manifest = YAML(typ="safe").load(GUARDLESS)["config"]["ringwall:model"]
    return ModelRoute.model_validate(manifest | {"host": "h1"} | changes)


def whole_route() -> ModelRoute:
    """The manifest of `ROUTE`, with one target and with several."""
    manifest = YAML(typ="safe").load(ROUTE)["config"]["ringwall:model"]
    return ModelRoute.model_validate(manifest | {"host": "h1"})


def route_stack(settings: Environment | None = None, manifest: ModelRoute | None = None) -> ModelStack:
    """A model route's stack as if read from files."""
    document = Document(Path("Pulumi.dev.models.yaml"), {})
    return ModelStack(environment_stack(settings), "models", document, manifest or route())
