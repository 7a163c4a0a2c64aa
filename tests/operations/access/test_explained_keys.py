"""`ringwall explain` answers at every key of a stack file that has a part in a call: a user may ask about any of them."""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from model.model_route import ModelRoute
from model.project import load, open_project
from model.server import Server
from model.stacks import ModelStack, ServerStack
from operations.access.explain import explain
from operations.access.question import AccessQuestion
from operations.access.visitor import visitor_of
from tests.support.model_routes import ROUTE, write_route_project
from tests.support.projects import EXTERNAL, server_text, write_project, write_server

#: Keys that no request meets on its way, each group with the reason.
NO_PART = {
    "where things stand": {"version", "host", "hostname", "path", "guard_port", "guard_admin_port", "guard_key"},
    "what is recorded": {"logs", "guard.audit_payloads", "guard.audit_anchor", "guard.traces"},
    "rules of check": {"waivers"},
    "how the server is reached": {"origin.url", "origin.socket", "origin.path", "origin.command"},
    "how the server runs": {"origin.environment", "origin.directory", "origin.egress"},
    "the server's side of origin.identity": {"origin.identity_keys"},
}
#: Keys whose members have one answer together, at the key itself.
WHOLE = {
    "access",
    "grants",
    "guard.engines",
    "oauth",
    "lockdown",
    "prompt_policy",
    "cache.exact",
    "guard.redis",
    "models",
}
#: Names that the files give, between the keys.
GIVEN = {"small", "create_ticket", "get_ticket", "claude-ai", "list_tickets"}

LIMITS = """\
    session: 4h
    limits:
      requests_per_minute: 30
      requests_per_hour: 300
      tokens_per_minute: 900000
      principal_tokens_per_minute: 90000
      body_kilobytes: 64
      concurrency: 3
      tools:
        get_ticket: {requests_per_minute: 5, tokens_per_minute: 700}
"""
COMMON = """\
    timeouts: {connect: 2s, write: 20s, read: 90s}
    circuit_breaker: {failures: 4, timeouts: 2, probe_every: 5s, recover_after: 3}
    cors:
      origins: [https://app.example.com]
"""
GUARD = """\
    guard:
      engines:
        embedded: {}
        lakera: {project_id: project-1234, api_key: {env: LAKERA_API_KEY}}
      deadline: 3s
      legs: {arguments: redact, results: flag}
      taint: {window: 5m, outbound_call: block}
      questions: {include_context: thisServer, url_hosts: [pay.example.com]}
      redis: {url: "redis://127.0.0.1:6379/0"}
      exceptions:
        - {tool: get_ticket, leg: results, rule: injection.override, reason: Quoted text, expires: "2999-01-01"}
"""
SERVER = server_text("one").replace(
    "      - to: {all: true}\n        tools: [list_tickets, get_ticket]\n",
    "      - to: {all: true}\n        tools: [get_ticket]\n        limits: {requests_per_minute: 10}\n",
).replace(
    "      url: http://127.0.0.1:3000/mcp\n",
    "      url: http://127.0.0.1:3000/mcp\n      identity: header\n      headers: {x-tenant: {env: TENANT}}\n",
)  # fmt: skip
SERVER = SERVER.replace("      agents: [ci]\n", "      agents: [ci]\n      clients: [claude-code]\n", 1)
SERVER += "    oauth: {access_token_lifetime: 10m, grant_lifetime: 24h}\n" + LIMITS + COMMON + GUARD
EXCHANGED = EXTERNAL.replace(
    "      command: [node, server.js]\n      environment:\n        API_KEY: {file: /etc/server/key}\n",
    "      url: http://127.0.0.1:3009/mcp\n      token_exchange:\n        grant: token-exchange\n        token_endpoint: https://login.example.org/token\n"
    "        client_id: ringwall\n        client_secret: {env: EXCHANGE_SECRET}\n        audience: tickets\n",
).replace("      scopes: [tickets.read]\n", "      scopes: [tickets.read]\n      tool_claim: email\n")
VECTORS = "{store: redis, host: v.example.com, embeddings: {provider: openai, model: e, credential: '{vault://env/k}'}"
ROUTED = (
    ROUTE.replace("      deny: [", "      allow: [house]\n      deny: [").replace(
        "        price: {input", "        max_output_tokens: 900\n        price: {input", 1
    )
    + COMMON
    + f"""\
    session: 4h
    oauth: {{access_token_lifetime: 10m, grant_lifetime: 24h}}
    limits:
      principal: {{requests_per_minute: 30, tokens_per_minute: 5000}}
      all: {{tokens_per_minute: 50000}}
      body_kilobytes: 64
      concurrency: 3
    cache:
      exact: {{lifetime: 2m}}
      semantic: {VECTORS}, shared: true}}
    gateway:
      limits: {{tokens_per_minute: 4000}}
      lakera: {{api_key: "{{vault://env/lakera-key}}"}}
      prisma_airs: {{api_key: "{{vault://env/airs-key}}", profile: strict}}
      sanitizer: {{url: https://clean.example.com}}
      topics: {VECTORS}, deny: [pay], allow: [weather]}}
    guard:
      engines: {{embedded: {{}}, lakera: {{project_id: project-1, api_key: {{env: LAKERA_API_KEY}}}}}}
      deadline: 3s
      legs: {{answers: flag, tool_calls: block}}
      taint: {{tool_calls: allow}}
      hold_back: 128
      extra_parameters: [service_tier]
      redis: {{url: "redis://127.0.0.1:6379/0"}}
      exceptions:
        - {{model: small, leg: answers, rule: injection.override, reason: Quoted text, expires: "2999-01-01"}}
"""
)


def keys(model: type[BaseModel], depth: int = 2, prefix: str = "") -> Iterator[str]:
    """The keys of a file down to a depth; a key with keys below it is those."""
    for name, field in model.model_fields.items():
        members = list(models_in(field.annotation)) if depth > 1 else []
        if not members:
            yield prefix + name
        for member in members:
            yield from keys(member, depth - 1, f"{prefix}{name}.")


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


@functools.cache
def answered(root: Path, stack: str, who: str, name: str) -> frozenset[str]:
    """The keys at which a question is answered, without the names and numbers between them."""
    loaded = load(open_project(root), stack)
    assert isinstance(loaded, ServerStack | ModelStack)
    kind: Any = "model" if isinstance(loaded, ModelStack) else "tool"
    explanation = explain(loaded, visitor_of(who, loaded.settings), AccessQuestion(kind, name, None))
    assert explanation.allowed, explanation
    places = [answer.place for answer in explanation.answers if answer.place is not None and answer.place.line]
    own = [place.key for place in places if place.file.name != "Pulumi.dev.yaml"]
    return frozenset(
        ".".join(part for part in key.split(".") if not part.isdigit() and part not in GIVEN) for key in own
    )


def has_part(key: str) -> bool:
    return not any(key == named or key.startswith(f"{named}.") for group in NO_PART.values() for named in group)


def is_answered(key: str, answers: frozenset[str]) -> bool:
    return any(
        answer == key or answer.startswith(f"{key}.") or (answer in WHOLE and key.startswith(f"{answer}."))
        for answer in answers
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("keys"))
    write_server(root, "dev.one", SERVER)
    write_server(root, "dev.external", EXCHANGED)
    write_route_project(root, ROUTED)
    write_server(root, "dev.one", SERVER)
    return root


ADA, CI = "person:ada@example.com", "agent:ci"


def test_every_key_of_a_server_that_has_a_part_in_a_call_is_answered(root: Path) -> None:
    answers = answered(root, "dev.one", ADA, "get_ticket") | answered(root, "dev.one", CI, "get_ticket")
    answers |= answered(root, "dev.external", ADA, "list_tickets")
    assert "oauth.tool_claim" in answers
    # What these files do not write: a country (the environment's counts), a hosted client's front door, a closed server.
    elsewhere = {"countries", "access.hosted_clients", "lockdown.reason", "lockdown.since"}
    assert [
        key for key in keys(Server) if has_part(key) and key not in elsewhere and not is_answered(key, answers)
    ] == []


def test_every_key_of_a_model_route_that_has_a_part_in_a_request_is_answered(root: Path) -> None:
    answers = answered(root, "dev.models", ADA, "small") | answered(root, "dev.models", CI, "small")
    elsewhere = {"countries", "access.hosted_clients", "access.clients", "lockdown.reason", "lockdown.since"}
    elsewhere |= {"oauth.mode", "oauth.issuer", "oauth.audience", "oauth.scopes", "oauth.tool_claim"}
    missing = [key for key in keys(ModelRoute) if has_part(key) and key not in elsewhere]
    assert [key for key in missing if not is_answered(key, answers)] == []


def test_a_setting_that_no_file_writes_is_no_note(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    explanation = explain(
        load(open_project(root), "dev.one"),  # type: ignore[arg-type]
        visitor_of(ADA, load(open_project(root), "dev").environment.settings),  # type: ignore[union-attr]
        AccessQuestion("tool", "get_ticket", None),
    )
    notes = [answer.text for answer in explanation.answers if answer.effect == "note"]
    assert notes == [
        "cuts off a flood: above 240 requests a minute or 4800 an hour of one caller",
        "it can send data out, so it is put to the person, and refused where the client cannot ask, for 10m after untrusted "
        "text",
        "at most 60 requests a minute of one caller",
        "arguments that the schema does not name reach the server; with strict_arguments the guard refuses them",
    ]


def test_what_kong_itself_checks_of_a_prompt_is_a_condition_and_what_it_counts_a_note(root: Path) -> None:
    stack = load(open_project(root), "dev.models")
    assert isinstance(stack, ModelStack)
    explanation = explain(stack, visitor_of(ADA, stack.settings), AccessQuestion("model", "small", None))
    inner = {(item.effect, item.text) for item in explanation.answers if item.place and "gateway." in item.place.key}
    assert inner == {
        ("depends", "Kong asks Lakera Guard about prompts and answers, and it must pass them; it was not asked"),
        ("depends", "Kong asks Prisma AIRS about prompts and answers, and it must pass them; it was not asked"),
        ("depends", 'by its meaning the prompt must be like none of "pay"; no model compared them'),
        ("depends", 'by its meaning the prompt must be like one of "weather"; no model compared them'),
        ("note", "Kong's sanitizer takes all_and_credentials out of prompts"),
        ("note", "Kong counts too: at most 4000 tokens a minute, of one caller and model"),
    }
