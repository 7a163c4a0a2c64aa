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
_SEARCH = "host: store.example.com, embeddings: {provider: openai, model: text-embedding-3-small}"
_INTROSPECTION = """\
        introspection:
          endpoint: https://login.example.org/realms/tools/introspect
          client_id: ringwall
          client_secret: {file: /etc/ringwall/idp-secret}
          gateway_secret: "{vault://env/idp-secret}"
"""
_POLICY = ROUTE[ROUTE.index("    prompt_policy:\n") :]


#: What is asked for in the route's file beside what it has: texts, and what takes their places.
ASKED: dict[Protection, tuple[tuple[str, str], ...]] = {
    Protection.MODEL_RESPONSES: ((_POLICY, ""), ("      small:\n", "      small:\n        kinds: [chat, responses]\n")),
    Protection.MODEL_EMBEDDINGS: ((_POLICY, ""), ("      small:\n", "      small:\n        kinds: [embeddings]\n")),
    Protection.MODEL_ORDER: ((_TARGET, _TARGET + _FURTHER + "            order: 2\n"),),
    Protection.LLM_FAILOVER: ((_TARGET, _TARGET + _FURTHER),),
    Protection.LLM_SEMANTIC_CACHE: (
        (_POLICY, f"    cache:\n      semantic: {{store: redis, shared: true, {_SEARCH}}}\n{_POLICY}"),
    ),
    Protection.GUARDLESS: (
        ("    guard_port: 9040\n", "    guard: none\n"),
        ("    guard_key: {file: /etc/ringwall/dev.models/guard-key}\n", ""),
    ),
}
#: The same for what stands below `gateway`.
GATEWAY: dict[Protection, str] = {
    Protection.GATEWAY_TOKENS: 'limits: {tokens_per_minute: 20000, cost_per_day: "2.50"}',
    Protection.GATEWAY_LAKERA: 'lakera: {api_key: "{vault://env/lakera-key}", project_id: project-1}',
    Protection.GATEWAY_AIRS: 'prisma_airs: {api_key: "{vault://env/airs-key}", profile: strict}',
    Protection.PROMPT_TOPICS: f"topics: {{store: pgvector, deny: [salaries], {_SEARCH}}}",
    Protection.PROMPT_SANITIZER: "sanitizer: {url: http://127.0.0.1:8090, anonymize: [email, creditcard]}",
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


def opaque_tokens(project: Project) -> Project:
    """The same project with an issuer whose tokens are no JWTs."""
    file = project.stack_file("dev")
    text = file.read_text(encoding="utf-8")
    keys = "        jwks_uri: https://login.example.org/realms/tools/certs\n"
    assert text.count(keys) == 1
    file.write_text(text.replace(keys, _INTROSPECTION), encoding="utf-8")
    return open_project(project.root)


def held_tools(project: Project) -> Project:
    """The same project with a server whose grants Kong holds too, by the address in a token."""
    file = project.stack_file("dev.external")
    text = file.read_text(encoding="utf-8")
    for old, new in (
        ("      scopes: [tickets.read]\n", "      scopes: [tickets.read]\n      tool_claim: email\n"),
        ("      - to: {all: true}\n", "      - to: {emails: [ada@example.com]}\n"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    return open_project(project.root)


def asking(*protections: Protection) -> str:
    """The model route's file with a demand for these protections."""
    text = ROUTE
    if parts := [f"      {GATEWAY[protection]}\n" for protection in protections if protection in GATEWAY]:
        text = text.replace(_POLICY, f"    gateway:\n{''.join(parts)}{_POLICY}")
    for old, new in (texts for protection in protections for texts in ASKED.get(protection, ())):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text
