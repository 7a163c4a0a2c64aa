"""A model route without a guard breaks no rule but the one that somebody accepts, and each other where its part is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import PlanRefused
from model.project import Project, load, open_project
from plan.exposure import check_exposure
from plan.graph import Resource
from plan.offline import plan_stack
from plan.preflight import refuse_unsafe
from plan.rules.evaluate import evaluate, subject_of
from plan.rules.subject import Subject
from tests.support.model_routes import GUARDLESS, guardless_project, write_route_project

PLUGIN, SERVICE, ROUTE = "kong:index/plugin:Plugin", "kong:index/service:Service", "kong:index/route:Route"
WAIVERS = GUARDLESS[GUARDLESS.index("    waivers:\n") : GUARDLESS.index("    models:\n")]
Change = Callable[[Resource], Resource | None]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return open_project(guardless_project(tmp_path_factory.mktemp("p")))


@pytest.fixture(scope="module")
def subject(project: Project) -> Subject:
    loaded = load(project, "dev.models")
    return subject_of(loaded, plan_stack(project, loaded))


def broken(subject: Subject) -> set[str]:
    return {finding.rule_id for finding in evaluate(subject) if finding.waived is None}


def changed(subject: Subject, change: Change) -> Subject:
    resources = tuple(result for resource in subject.graph.resources if (result := change(resource)) is not None)
    return replace(subject, graph=replace(subject.graph, resources=resources))


def config(kind: str, edit: Callable[[dict[str, Any]], object]) -> Change:
    def change(resource: Resource) -> Resource:
        if resource.type != PLUGIN or resource.inputs.get("name") != kind:
            return resource
        value = json.loads(str(resource.inputs["configJson"]))
        edit(value)
        return replace(resource, inputs={**resource.inputs, "configJson": json.dumps(value)})

    return change


def without(kind: str) -> Change:
    return lambda resource: None if resource.inputs.get("name") == kind and resource.type == PLUGIN else resource


def test_a_planned_route_breaks_no_rule_and_has_neither_guard_nor_inner_route(subject: Subject) -> None:
    assert broken(subject) == {"model-grant-useless"}
    assert check_exposure(subject.graph) == ()
    types = [resource.type for resource in subject.graph.resources]
    assert (types.count(ROUTE), types.count(SERVICE)) == (1, 1)
    assert not {"kong:index/upstream:Upstream", "kong:index/consumer:Consumer", "ringwall:index:Guard"} & {*types}
    assert "guard_config" not in subject.graph.outputs


def test_somebody_must_accept_it_in_writing_and_is_told_what_is_lost(tmp_path: Path) -> None:
    project = open_project(guardless_project(tmp_path, GUARDLESS.replace(WAIVERS, "")))
    with pytest.raises(PlanRefused) as refused:
        refuse_unsafe(project, load(project, "dev.models"))
    (line,) = str(refused.value).splitlines()
    assert line.startswith("model-without-guard: ")
    for lost in ("tool results", "overshoot", "all callers together", "grants tell no callers apart", "audit log"):
        assert lost in line
    assert "add a waiver of model-without-guard" in line


def test_the_acceptance_ends_with_its_day(tmp_path: Path) -> None:
    project = open_project(guardless_project(tmp_path, GUARDLESS.replace("2099-12-31", "2026-01-31")))
    with pytest.raises(PlanRefused, match="model-without-guard"):
        refuse_unsafe(project, load(project, "dev.models"))


def test_in_production_a_caller_has_an_end_of_use(subject: Subject) -> None:
    assert "model-budget-missing" not in broken(replace(subject, production=True))
    assert subject.model is not None
    limits = subject.model.manifest.limits
    principal = limits.principal.model_copy(update={"cost_per_day": None})
    manifest = subject.model.manifest.model_copy(update={"limits": limits.model_copy(update={"principal": principal})})
    unbounded = replace(subject, model=replace(subject.model, manifest=manifest), production=True)
    assert "model-budget-missing" in broken(unbounded)


MUTATIONS: dict[str, tuple[Change, str]] = {
    "no check of content": (without("ai-lakera-guard"), "model-uninspected"),
    "prompts alone are read": (
        config("ai-lakera-guard", lambda c: c.update(guarding_mode="INPUT")),
        "model-uninspected",
    ),
    "a check that fails open": (
        config("ai-lakera-guard", lambda c: c.update(stop_on_error=False)),
        "model-gateway-check-open",
    ),
    "no check of requests": (
        config("pre-function", lambda c: c.update(access=["aud x-ringwall-principal"])),
        "model-request-unchecked",
    ),
    "no identity": (without("pre-function"), "gateway-identity-missing"),
    "nobody verifies a token": (without("openid-connect"), "exposure-route-unauthenticated"),
    "no tokens counted": (without("ai-rate-limiting-advanced"), "gateway-tokens-missing"),
    "tokens of all together": (
        config("ai-rate-limiting-advanced", lambda c: c["policies"].pop(0)),
        "gateway-tokens-missing",
    ),
    "no limit of requests": (without("rate-limiting-advanced"), "gateway-rate-missing"),
    "no limit of size": (without("request-size-limiting"), "gateway-size-missing"),
    "prompts in logs": (
        config("ai-proxy-advanced", lambda c: c["targets"][0]["logging"].update(log_payloads=True)),
        "model-prompts-logged",
    ),
    "a caller's credential": (
        config("ai-proxy-advanced", lambda c: c["targets"][0]["auth"].update(allow_override=True)),
        "model-credential-replaceable",
    ),
    "no proxy, and so a road past the guard": (without("ai-proxy-advanced"), "gateway-skips-guard"),
    "no proxy, and so no guard": (without("ai-proxy-advanced"), "guard-missing"),
    "a provider whose certificate nobody checks": (
        lambda r: replace(r, inputs={**r.inputs, "tlsVerify": None}) if r.type == SERVICE else r,
        "gateway-tls-unverified",
    ),
    "a prompt sent twice": (
        lambda r: replace(r, inputs={**r.inputs, "retries": 2}) if r.type == SERVICE else r,
        "gateway-retries",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_rule_breaks_where_its_part_is_gone(subject: Subject, mutation: str) -> None:
    change, rule = MUTATIONS[mutation]
    assert rule in broken(changed(subject, change))


def test_a_stream_that_prisma_airs_must_read_is_refused(tmp_path: Path) -> None:
    airs = 'prisma_airs: {api_key: "{vault://env/airs-key}", profile: strict}'
    project = open_project(
        guardless_project(tmp_path, GUARDLESS.replace("      lakera:", f"      {airs}\n      lakera:"))
    )
    loaded = load(project, "dev.models")
    subject = subject_of(loaded, plan_stack(project, loaded))
    assert broken(subject) == {"model-grant-useless"}
    streaming = config("ai-proxy-advanced", lambda c: c.update(response_streaming="allow"))
    assert "model-uninspected" in broken(changed(subject, streaming))


def test_behind_a_guard_no_public_route_leads_to_a_provider(tmp_path: Path) -> None:
    project = open_project(write_route_project(tmp_path))
    loaded = load(project, "dev.models")
    subject = subject_of(loaded, plan_stack(project, loaded))
    proxy = next(r for r in subject.graph.resources if r.inputs.get("name") == "ai-proxy")
    public = next(r for r in subject.graph.resources if r.name == "models-gateway-identity")
    inputs = {**public.inputs, "name": "ai-proxy-advanced", "configJson": proxy.inputs["configJson"]}
    added = replace(public, urn=public.urn + "x", inputs=inputs)
    past = replace(subject, graph=replace(subject.graph, resources=(*subject.graph.resources, added)))
    assert not past.lacks_guard
    assert "model-inner-published" in broken(past)
