"""Broken plans of the licensed editions: each protection's rule breaks where its plugin is missing or loosened."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.editions import Protection
from model.kong_versions import Edition
from model.project import load
from plan.graph import Graph, Resource
from plan.offline import plan_stack
from plan.rules.evaluate import evaluate, subject_of
from plan.rules.subject import Subject
from tests.support.edition_projects import asking, edition_project, opaque_tokens

PLUGIN = "kong:index/plugin:Plugin"
CHECKS = (
    Protection.GATEWAY_TOKENS,
    Protection.GATEWAY_LAKERA,
    Protection.GATEWAY_AIRS,
    Protection.PROMPT_TOPICS,
    Protection.PROMPT_SANITIZER,
)
#: The server before an issuer of one's own whose tokens are no JWTs.
OPAQUE = "opaque dev.external"
Subjects = Callable[[Edition, str], Subject]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Subjects:
    """The planned stacks of a project in an edition; the model route of edition ai has every check of Kong's own."""
    made: dict[tuple[Edition, str], Subject] = {}

    def of(edition: Edition, stack: str) -> Subject:
        if (edition, stack) not in made:
            route = asking(*CHECKS, Protection.LLM_FAILOVER) if edition == "ai" else asking()
            project = edition_project(tmp_path_factory.mktemp(f"{edition}-{stack}"), edition, route)
            if stack == OPAQUE:
                project = opaque_tokens(project)
            loaded = load(project, stack.removeprefix("opaque "))
            made[edition, stack] = subject_of(loaded, plan_stack(project, loaded))
        return made[edition, stack]

    return of


def broken(subject: Subject, change: Callable[[Resource], Resource | None] | None = None) -> set[str]:
    graph: Graph = subject.graph
    if change is not None:
        resources = [kept for resource in graph.resources if (kept := change(resource)) is not None]
        assert resources != list(graph.resources)
        graph = replace(graph, resources=tuple(resources))
    return {finding.rule_id for finding in evaluate(replace(subject, graph=graph)) if finding.waived is None}


def without(plugin: str) -> Callable[[Resource], Resource | None]:
    return lambda resource: None if resource.type == PLUGIN and resource.inputs.get("name") == plugin else resource


def loosened(plugin: str, **values: Any) -> Callable[[Resource], Resource | None]:
    def change(resource: Resource) -> Resource:
        if resource.type != PLUGIN or resource.inputs.get("name") != plugin:
            return resource
        known = json.loads(str(resource.inputs["configJson"]))
        assert set(values) <= set(known)
        return replace(resource, inputs={**resource.inputs, "configJson": json.dumps({**known, **values})})

    return change


def each_target(**values: Any) -> Callable[[Resource], Resource | None]:
    def change(resource: Resource) -> Resource:
        if resource.type != PLUGIN or resource.inputs.get("name") != "ai-proxy-advanced":
            return resource
        known = json.loads(str(resource.inputs["configJson"]))
        for target in known["targets"]:
            for record, fields in values.items():
                target[record] |= fields
        return replace(resource, inputs={**resource.inputs, "configJson": json.dumps(known)})

    return change


@pytest.mark.parametrize(
    ("edition", "stack", "expected"),
    [
        ("enterprise", "dev.hosted", set()),
        ("enterprise", "dev.external", set()),
        ("enterprise", OPAQUE, set()),
        ("ai", OPAQUE, set()),
        ("enterprise", "dev.models", {"model-provider-elsewhere"}),
        ("ai", "dev.hosted", set()),
        ("ai", "dev.external", set()),
        ("ai", "dev.models", {"model-provider-elsewhere"}),
    ],
)
def test_a_planned_stack_of_a_licensed_edition_breaks_no_rule(
    edition: Edition, stack: str, expected: set[str], subjects: Subjects
) -> None:
    subject = subjects(edition, stack)
    errors = {finding.rule_id for finding in evaluate(subject) if finding.severity.value == "error"}
    assert errors == set()
    assert broken(subject) >= expected


Case = tuple[Edition, str, Callable[[Resource], Resource | None], str]
OPEN, OPTIONAL = "gateway-issuer-open", "gateway-auth-optional"
CASES: dict[str, Case] = {
    "no openid-connect": (
        "enterprise",
        "dev.hosted",
        without("openid-connect"),
        "exposure-route-unauthenticated",
    ),
    "no openid-connect before an external issuer's": (
        "enterprise",
        "dev.external",
        without("openid-connect"),
        "exposure-route-unauthenticated",
    ),
    "no openid-connect before models": (
        "ai",
        "dev.models",
        without("openid-connect"),
        "exposure-route-unauthenticated",
    ),
    "no ai-mcp-oauth2": ("ai", "dev.external", without("ai-mcp-oauth2"), "exposure-route-unauthenticated"),
    "every issuer": ("enterprise", "dev.hosted", loosened("openid-connect", issuers_allowed=[]), OPEN),
    "an anonymous consumer": ("enterprise", "dev.hosted", loosened("openid-connect", anonymous="x"), OPTIONAL),
    "no signature": ("enterprise", "dev.hosted", loosened("openid-connect", verify_signature=False), OPTIONAL),
    "no claims": ("enterprise", "dev.hosted", loosened("openid-connect", verify_claims=False), OPTIONAL),
    "a symmetric key": ("enterprise", "dev.hosted", loosened("openid-connect", enable_hs_signatures=True), OPTIONAL),
    "an ignored signature": (
        "enterprise",
        "dev.hosted",
        loosened("openid-connect", ignore_signature=["introspection"]),
        OPTIONAL,
    ),
    "discovered keys": ("enterprise", "dev.hosted", loosened("openid-connect", using_pseudo_issuer=False), OPTIONAL),
    "keys of whoever answers": ("enterprise", "dev.hosted", loosened("openid-connect", ssl_verify=False), OPTIONAL),
    "sessions": ("ai", "dev.hosted", loosened("openid-connect", auth_methods=["bearer", "session"]), OPTIONAL),
    "no questions": ("enterprise", OPAQUE, without("openid-connect"), "exposure-route-unauthenticated"),
    "questions where metadata says": (
        "enterprise",
        OPAQUE,
        loosened("openid-connect", introspection_endpoint=None),
        OPTIONAL,
    ),
    "withdrawn tokens": ("enterprise", OPAQUE, loosened("openid-connect", introspection_check_active=False), OPTIONAL),
    "JWTs unasked": ("ai", OPAQUE, loosened("openid-connect", introspect_jwt_tokens=False), OPTIONAL),
    "answers for an hour": ("ai", OPAQUE, loosened("openid-connect", cache_ttl_max=3600), OPTIONAL),
    "answers for ever": ("ai", OPAQUE, loosened("openid-connect", cache_ttl_max=None), OPTIONAL),
    "another way beside": (
        "ai",
        OPAQUE,
        loosened("openid-connect", auth_methods=["introspection", "bearer"]),
        OPTIONAL,
    ),
    "another header": ("ai", "dev.hosted", loosened("openid-connect", bearer_token_header_name=None), OPTIONAL),
    "no preflights": ("ai", "dev.hosted", loosened("openid-connect", run_on_preflight=False), OPTIONAL),
    "tokens for another resource": (
        "ai",
        "dev.external",
        loosened("ai-mcp-oauth2", insecure_relaxed_audience_validation=True),
        OPTIONAL,
    ),
    "unverified keys of a resource": ("ai", "dev.external", loosened("ai-mcp-oauth2", ssl_verify=False), OPTIONAL),
    "no limit of a principal": (
        "enterprise",
        "dev.hosted",
        without("rate-limiting-advanced"),
        "gateway-rate-missing",
    ),
    "a limit of everybody": (
        "enterprise",
        "dev.hosted",
        loosened("rate-limiting-advanced", identifier="ip"),
        "gateway-rate-shared",
    ),
    "prompts in logs": (
        "ai",
        "dev.models",
        each_target(logging={"log_payloads": True}),
        "model-prompts-logged",
    ),
    "a caller's credential": (
        "ai",
        "dev.models",
        each_target(auth={"allow_override": True}),
        "model-credential-replaceable",
    ),
    "no key of the guard's": ("ai", "dev.models", without("key-auth"), "model-inner-open"),
    **{
        f"no {plugin}": ("ai", "dev.models", without(plugin), "model-gateway-check-missing")
        for plugin in (
            "ai-rate-limiting-advanced",
            "ai-lakera-guard",
            "ai-custom-guardrail",
            "ai-semantic-prompt-guard",
            "ai-sanitizer",
        )
    },
    **{
        f"an open {plugin}": ("ai", "dev.models", loosened(plugin, stop_on_error=False), "model-gateway-check-open")
        for plugin in ("ai-lakera-guard", "ai-custom-guardrail", "ai-sanitizer")
    },
    "refused prompts in logs": (
        "ai",
        "dev.models",
        loosened("ai-lakera-guard", log_blocked_content=True),
        "model-gateway-check-open",
    ),
    "another Lakera": ("ai", "dev.models", loosened("ai-lakera-guard", verify_ssl=False), "model-gateway-check-open"),
    "no count without a principal": (
        "ai",
        "dev.models",
        loosened("ai-rate-limiting-advanced", policies=[{"match": [{"type": "header", "key": "x"}], "limits": []}]),
        "model-gateway-check-open",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_missing_or_loosened_plugin_breaks_its_rule(case: str, subjects: Subjects) -> None:
    edition, stack, change, rule = CASES[case]
    subject = subjects(edition, stack)
    assert rule not in broken(subject)
    assert rule in broken(subject, change)


def test_a_cache_by_meaning_is_a_warning_as_everybody_shares_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    project = edition_project(tmp_path_factory.mktemp("c"), "ai", asking(Protection.LLM_SEMANTIC_CACHE))
    loaded = load(project, "dev.models")
    subject = subject_of(loaded, plan_stack(project, loaded))
    findings = [finding for finding in evaluate(subject) if finding.rule_id == "model-cache-shared"]
    assert findings
    assert {finding.severity.value for finding in findings} == {"warning"}
    assert any("from one cache, by meaning" in finding.message for finding in findings)
