"""Rules for a model route without a guard: somebody accepts it in writing, and Kong's own checks read all that they can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from components.gateway.names import CLOSED_MESSAGE
from model.guardless import LOST
from plan.findings import Severity
from plan.graph import Resource
from plan.live_exposure import READERS
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, items, mapping, plugin_config


@rule(
    id="model-without-guard",
    severity=Severity.ERROR,
    reason="Kong alone stands before the models: " + "; ".join(LOST) + ".",
    remedy="give the route a guard, or accept it for a time: add a waiver of model-without-guard with your reason to the"
    " stack file",
    source="Kong plugin hub, AI plugins",
)
def without_guard(subject: Subject) -> Iterator[Broken]:
    if subject.lacks_guard:
        for service in subject.direct_services:
            yield Broken(f"has no guard before its models: {'; '.join(LOST)}", service, key=("guard",))


_MODES: Final = {"INPUT": {"prompts"}, "OUTPUT": {"answers"}, "BOTH": {"prompts", "answers"}}


@rule(
    id="model-uninspected",
    severity=Severity.ERROR,
    reason="Where no guard stands, what none of Kong's own checks reads is read by nobody. A stream is read by a check whose"
    " page says so alone.",
    remedy="keep ai-lakera-guard or ai-custom-guardrail on the service for prompts and answers, and let the proxy refuse"
    " streams where ai-custom-guardrail or ai-sanitizer reads answers",
    source="Kong plugin hub: ai-lakera-guard, ai-custom-guardrail, ai-proxy-advanced: response_streaming",
    waivable=False,
)
def uninspected(subject: Subject) -> Iterator[Broken]:
    for service in subject.direct_services:
        active = subject.plugins_of(service)
        read = {leg for name in READERS for leg in _read(active.get(name), "guarding_mode")}
        for leg in ("prompts", "answers"):
            if leg not in read:
                yield Broken(f"has nothing that inspects {leg}", service, key=("gateway",))
        answers = [
            name
            for name, option in (("ai-custom-guardrail", "guarding_mode"), ("ai-sanitizer", "sanitization_mode"))
            if "answers" in _read(active.get(name), option)
        ]
        proxy = active["ai-proxy-advanced"]
        if answers and mapping(plugin_config(proxy)).get("response_streaming") != "deny":
            yield Broken(f"lets answers stream, which {answers[0]} must read", proxy, key=("gateway",))


def _read(plugin: Resource | None, option: str) -> set[str]:
    config = mapping(plugin_config(plugin)) if plugin else {}
    return _MODES.get(str(config.get(option)), set())


@rule(
    id="model-request-unchecked",
    severity=Severity.ERROR,
    reason="Where no guard stands, the identity check's own code refuses models that the route does not have, tools that the"
    " provider runs, and whatever no check reads.",
    remedy="keep the code that Ringwall writes into pre-function",
    source="Ringwall's own check of requests",
    waivable=False,
)
def request_unchecked(subject: Subject) -> Iterator[Broken]:
    for service in subject.direct_services:
        identity = subject.plugins_of(service).get("pre-function")
        if identity is not None and plugin_config(identity) is None and subject.engine:
            continue  # Audiences are not known before the first deployment.
        code = " ".join(map(str, items(mapping(plugin_config(identity)).get("access")))) if identity else ""
        if "body.model" not in code and CLOSED_MESSAGE not in code:
            yield Broken("takes whatever a request asks for", service, key=("guard",))


RULES: Final[tuple[Rule, ...]] = (without_guard, uninspected, request_unchecked)
