"""Rules for model routes: each holds for the plan as it is made, and breaks when its part is taken away."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.project import Project, load, open_project
from plan.exposure import check_exposure
from plan.graph import Graph, Resource
from plan.offline import plan_stack
from plan.rules.evaluate import evaluate, subject_of
from plan.rules.subject import Subject
from tests.support.model_routes import write_route_project

PLUGIN, ROUTE, RECORD = (
    "kong:index/plugin:Plugin",
    "kong:index/route:Route",
    "cloudflare:index/dnsRecord:DnsRecord",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return open_project(write_route_project(tmp_path_factory.mktemp("p")))


@pytest.fixture(scope="module")
def subject(project: Project) -> Subject:
    loaded = load(project, "dev.models")
    return subject_of(loaded, plan_stack(project, loaded))


def changed(graph: Graph, change: Callable[[Resource], Resource | None]) -> Graph:
    resources = [result for resource in graph.resources if (result := change(resource)) is not None]
    return replace(graph, resources=tuple(resources))


def config(name: str, kind: str, edit: Callable[[dict[str, Any]], object]) -> Callable[[Resource], Resource]:
    """Edit the config of the plugins of one kind whose resource name holds `name`."""

    def change(resource: Resource) -> Resource:
        if resource.type != PLUGIN or resource.inputs.get("name") != kind or name not in resource.name:
            return resource
        value = json.loads(str(resource.inputs["configJson"]))
        edit(value)
        return replace(resource, inputs={**resource.inputs, "configJson": json.dumps(value)})

    return change


def broken(subject: Subject) -> set[str]:
    return {finding.rule_id for finding in evaluate(subject) if finding.waived is None}


def guard(edit: Callable[[dict[str, Any]], object], subject: Subject) -> Subject:
    document = json.loads(str(subject.graph.outputs["guard_config"]))
    edit(document)
    outputs = {**subject.graph.outputs, "guard_config": json.dumps(document)}
    return replace(subject, graph=replace(subject.graph, outputs=outputs))


def test_a_planned_model_route_breaks_no_rule(subject: Subject) -> None:
    assert broken(subject) == {"model-provider-elsewhere"}
    assert check_exposure(subject.graph) == ()


def test_prompts_that_leave_the_providers_own_address_are_told(subject: Subject) -> None:
    texts = [f.message for f in evaluate(subject) if f.rule_id == "model-provider-elsewhere"]
    assert [text.rsplit(" ", 10)[-10:] for text in texts] != []
    assert any("sends prompts to one.example.com, which is not openai's own address" in text for text in texts)
    assert any("sends prompts to two.example.com, which is not openai's own address" in text for text in texts)


MUTATIONS: dict[str, tuple[Callable[[Resource], Resource | None], str]] = {
    "no key": (
        lambda r: None if r.type == PLUGIN and r.inputs.get("name") == "key-auth" else r,
        "model-inner-open",
    ),
    "an anonymous consumer": (config("inner", "key-auth", lambda c: c.update(anonymous="x")), "model-inner-open"),
    "another header": (config("inner", "key-auth", lambda c: c.update(key_names=["apikey"])), "model-inner-open"),
    "a key in the query": (config("inner", "key-auth", lambda c: c.update(key_in_query=True)), "model-inner-open"),
    "a key that goes on": (config("inner", "key-auth", lambda c: c.update(hide_credentials=False)), "model-inner-open"),
    "every consumer": (
        lambda r: None if r.type == PLUGIN and r.name.endswith("-consumer") else r,
        "model-inner-open",
    ),
    "prompts in logs": (
        config("inner", "ai-proxy", lambda c: c["logging"].update(log_payloads=True)),
        "model-prompts-logged",
    ),
    "a provider on the public route's name": (
        lambda r: (
            replace(r, inputs={**r.inputs, "hosts": ["models.example.com"]})
            if r.type == ROUTE and "inner-small" in r.name
            else r
        ),
        "model-inner-published",
    ),
    "an inner name in DNS": (
        lambda r: replace(r, inputs={**r.inputs, "name": "x.models.dev.ringwall.internal"}) if r.type == RECORD else r,
        "model-inner-published",
    ),
    "a provider whose certificate nobody checks": (
        lambda r: (
            replace(r, inputs={**r.inputs, "tlsVerify": None})
            if r.type.endswith(":Service") and "inner-small" in r.name
            else r
        ),
        "gateway-tls-unverified",
    ),
    "a public route without identity": (
        lambda r: None if r.name == "models-gateway-identity" else r,
        "gateway-identity-missing",
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_rule_breaks_where_its_part_is_gone(subject: Subject, mutation: str) -> None:
    change, rule = MUTATIONS[mutation]
    assert rule in broken(replace(subject, graph=changed(subject.graph, change)))


def test_an_inner_route_without_the_guards_key_is_an_exposure(subject: Subject) -> None:
    graph = changed(subject.graph, MUTATIONS["no key"][0])
    assert "exposure-route-unauthenticated" in {finding.rule_id for finding in check_exposure(graph)}


def test_the_public_name_waits_for_the_inner_routes(subject: Subject) -> None:
    (record,) = subject.graph.by_type(RECORD)
    ancestors = subject.graph.ancestors(record.urn)
    inner = [r.urn for r in subject.graph.resources if "-inner-" in r.name and not r.type.endswith("ConsumerKeyAuth")]
    assert inner
    assert set(inner) <= ancestors


def test_a_route_without_a_budget_of_tokens_or_cost_is_an_error_in_production(subject: Subject) -> None:
    def unbounded(document: dict[str, Any]) -> None:
        principal = document["limits"]["principal"]
        principal.update({key: None for key in principal if not key.startswith("requests")})

    findings = [f for f in evaluate(guard(unbounded, replace(subject, production=True))) if "budget" in f.rule_id]
    (finding,) = findings
    assert finding.severity.value == "error"
    assert "lets each caller use small without an end" in finding.message


def test_a_shared_cache_is_a_warning(subject: Subject) -> None:
    shared = guard(lambda document: document.update(cache={"lifetime": "5m", "shared": True}), subject)
    assert "model-cache-shared" in broken(shared)


def test_the_embedded_engine_alone_is_a_warning_in_production(subject: Subject) -> None:
    assert "model-embedded-only" in broken(replace(subject, production=True))
    assert "model-embedded-only" not in broken(subject)


def test_a_model_that_nobody_may_use_is_a_warning(subject: Subject) -> None:
    assert "model-grant-useless" in broken(guard(lambda document: document.update(grants=[]), subject))


def test_check_refuses_by_file_and_line_what_the_edition_cannot_carry(tmp_path: Path) -> None:
    from model.errors import InputErrors
    from operations.check import check
    from tests.support.model_routes import FILE, ROUTE

    root = write_route_project(
        tmp_path, ROUTE.replace("      house:\n", "      house:\n        kinds: [chat, embeddings]\n")
    )
    with pytest.raises(InputErrors) as caught:
        check(open_project(root), ["dev"])
    (problem,) = caught.value.problems
    line = (root / FILE).read_text().split("\n").index("        kinds: [chat, embeddings]") + 1
    assert problem.file == f"{root / FILE}:{line}"
    assert problem.key == "config.ringwall:model.models.house.kinds"


def test_a_route_that_lets_tool_calls_follow_untrusted_text_breaks_its_rule(subject: Subject) -> None:
    loosened = guard(lambda document: document["guard"].update(taint={"tool_calls": "allow"}), subject)
    assert broken(loosened) - broken(subject) == {"guard-taint-ignored"}
