"""A project on an edition of Kong whose stacks ask for every protection that the edition has, and texts that ask for one."""

from __future__ import annotations

from pathlib import Path

from components.editions import Protection
from model.kong_versions import RECOMMENDED, Edition
from model.project import Project, open_project
from tests.support.model_routes import FILE, ROUTE
from tests.support.projects import write_project

EDITIONS: tuple[Edition, ...] = ("oss", "enterprise", "ai")
_SINKS = """\
      file:
        path: /var/log/kong/dev.log
      otlp:
        logs: "{vault://env/otel-logs}"
"""
_TARGET = """\
          - provider: openai
            model: gpt-4o-mini
            credential: "{vault://env/openai-key}"
"""
_FURTHER = _TARGET.replace("gpt-4o-mini", "gpt-4o")
#: What is asked for in the route's file beside what it has: text, and what takes its place.
ASKED: dict[Protection, tuple[str, str]] = {
    Protection.MODEL_RESPONSES: ("      small:\n", "      small:\n        kinds: [chat, responses]\n"),
    Protection.MODEL_EMBEDDINGS: ("      small:\n", "      small:\n        kinds: [embeddings]\n"),
    Protection.MODEL_ORDER: (_TARGET, _TARGET + _FURTHER + "            order: 2\n"),
    Protection.LLM_FAILOVER: (_TARGET, _TARGET + _FURTHER),
    Protection.LLM_SEMANTIC_CACHE: (
        "    prompt_policy:\n",
        "    cache:\n      semantic:\n        store: redis\n        host: cache.example.com\n"
        "        embeddings: {provider: openai, model: text-embedding-3-small}\n    prompt_policy:\n",
    ),
}


def edition_project(root: Path, edition: Edition, route: str = ROUTE) -> Project:
    """Servers of every shape and a model route, behind Kong of this edition."""
    write_project(root, every_shape=True)
    (root / FILE).write_text(route, encoding="utf-8")
    changes = {
        "Pulumi.dev": {
            "admin_uri: http://127.0.0.1:8001\n": "admin_uri: http://127.0.0.1:8001\n"
            f'      edition: {edition}\n      version: "{RECOMMENDED[edition]}"\n',
            "    logs:\n": "    logs:\n" + _SINKS,
        },
        "Pulumi.dev.hosted": {
            "      file:\n        path: /var/log/kong/hosted.log\n      otlp:\n"
            "        traces: https://otlp.example.com/v1/traces\n": "      {}\n",
            "      requests_per_minute: 30\n": "      requests_per_minute: 30\n"
            "      tools: {get_ticket: {requests_per_minute: 5}}\n",
        },
        "Pulumi.dev.one": {
            "    posture: [encrypted]\n": "    posture: [encrypted]\n"
            '    lockdown: {since: "2026-11-01T00:00:00Z", reason: closed for a test}\n',
        },
    }
    for stack, texts in changes.items():
        file = root / "stacks" / f"{stack}.yaml"
        text = file.read_text(encoding="utf-8")
        for old, new in texts.items():
            assert text.count(old) == 1, (stack, old)
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    return open_project(root)


def asking(protection: Protection) -> str:
    """The model route's file with a demand for one protection."""
    old, new = ASKED[protection]
    assert ROUTE.count(old) == 1, old
    return ROUTE.replace(old, new)
