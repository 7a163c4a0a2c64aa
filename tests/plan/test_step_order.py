"""The engine's steps, played through: what would be exposed if it stopped after any of them is refused beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from model.sentinels import WIRE_SECRET, WIRE_SIGNATURE, WIRE_UNKNOWN
from plan.protectors import (
    ACCESS_APPLICATION,
    DNS_RECORD,
    KONG_PLUGIN,
    KONG_ROUTE,
    KONG_SERVICE,
    PROTECTORS,
    TUNNEL,
    TUNNEL_CONFIG,
)
from plan.step_order import EngineStep, judge_steps

Inputs = dict[str, Any]


def application(*hosts: str, **changes: Any) -> Inputs:
    return {
        "destinations": [{"type": "public", "uri": host} for host in hosts],
        "policies": [{"id": "p", "precedence": 1}],
        "type": "self_hosted",
        **changes,
    }


def record(name: str, **changes: Any) -> Inputs:
    return {
        "type": "CNAME",
        "name": name,
        "content": "t-id.cfargotunnel.com",
        "proxied": True,
        "zoneId": "z",
        **changes,
    }


def ingress(host: str, **access: Any) -> Inputs:
    request = {"access": {"required": True, "teamName": "acme", "audTags": ["aud-app"], **access}}
    rules = [
        {"hostname": host, "service": "http://127.0.0.1:8000", "originRequest": request},
        {"service": "http_status:404"},
    ]
    return {"tunnelId": "t-id", "config": {"ingresses": rules}}


ROUTE: Inputs = {"hosts": ["old.example.com"], "serviceId": "s-id"}
JWT: Inputs = {"name": "jwt", "serviceId": "s-id", "enabled": True}
#: A server as it runs under old.example.com, by name: type, id and inputs.
RUNNING: dict[str, tuple[str, str, Inputs]] = {
    "tunnel": (TUNNEL, "t-id", {"accountId": "a", "name": "dev-one", "configSrc": "cloudflare"}),
    "app": (ACCESS_APPLICATION, "app-id", application("old.example.com")),
    "ingress": (TUNNEL_CONFIG, "t-id", ingress("old.example.com")),
    "service": (KONG_SERVICE, "s-id", {"host": "dev-one-guard"}),
    "jwt": (KONG_PLUGIN, "j-id", JWT),
    "route": (KONG_ROUTE, "r-id", ROUTE),
    "name": (DNS_RECORD, "n-id", record("old.example.com")),
}


def step(operation: str, name: str, new: Inputs | None = None) -> EngineStep:
    token, id_, inputs = RUNNING[name]
    outputs = {**inputs, "aud": f"aud-{name}"} if token == ACCESS_APPLICATION else inputs
    urn = f"urn:pulumi:dev.one::ringwall::{token}::{name}"
    is_deleted = operation.startswith("delete")
    return EngineStep(
        operation, urn, token, inputs, None if is_deleted else inputs if new is None else new, id_, outputs
    )


def judged(*steps: EngineStep) -> list[str]:
    """What is said of these steps, in a run in which everything else stays as it is."""
    names = {judged_step.urn.rpartition("::")[2] for judged_step in steps}
    unchanged = [step("same", name) for name in RUNNING if name not in names]
    findings = judge_steps([*unchanged, *steps])
    assert all((judged_step.rule_id, judged_step.severity.value) == ("step-order", "error") for judged_step in findings)
    return [judged_step.message for judged_step in findings]


OLD_BARE = "old.example.com resolves, and no Access application covers it"


def test_an_unchanged_server_is_fine() -> None:
    assert judged() == []


def test_an_application_updated_away_from_a_name_that_resolves_is_refused() -> None:
    moved = step("update", "app", application("new.example.com"))
    assert judged(moved, step("update", "name", record("new.example.com"))) == [
        f"app is changed too early: {OLD_BARE}",
    ]


def test_an_application_that_keeps_both_names_until_the_record_has_moved_is_fine() -> None:
    two_names = step("update", "app", application("old.example.com", "new.example.com"))
    assert judged(two_names, step("update", "name", record("new.example.com"))) == []


def test_another_application_that_stands_before_the_record_moves_and_the_old_one_goes_last_is_fine() -> None:
    assert (
        judged(
            step("create-replacement", "app", application("new.example.com")),
            step("update", "ingress", ingress("new.example.com", audTags=[WIRE_UNKNOWN])),
            step("update", "route", {**ROUTE, "hosts": ["new.example.com"]}),
            step("update", "name", record("new.example.com")),
            step("delete-replaced", "app"),
        )
        == []
    )


def test_a_replaced_application_deleted_before_the_record_has_moved_is_refused() -> None:
    created, deleted = step("create-replacement", "app", application("new.example.com")), step("delete-replaced", "app")
    moved = step("update", "name", record("new.example.com"))
    assert judged(created, deleted, moved) == [f"app is deleted too early: {OLD_BARE}"]
    assert judged(deleted, created, moved) == [f"app is deleted too early: {OLD_BARE}"]


def test_a_record_that_moves_before_its_application_is_refused() -> None:
    assert judged(
        step("update", "name", record("new.example.com")), step("update", "app", application("new.example.com"))
    ) == ["name is changed too early: new.example.com resolves, and no Access application covers it"]


def test_a_destroy_takes_the_name_first() -> None:
    assert judged(step("delete", "name"), step("delete", "app")) == []
    assert judged(step("delete", "app"), step("delete", "name")) == [f"app is deleted too early: {OLD_BARE}"]


@pytest.mark.parametrize(
    ("name", "new", "problem"),
    [
        ("app", application("old.example.com", policies=[]), "its Access application app has no policy"),
        ("ingress", ingress("old.example.com", required=False), "is served by ingress without required Access"),
        ("ingress", ingress("old.example.com", audTags=[]), "is served by ingress without required Access"),
        ("ingress", ingress("old.example.com", audTags=["x"]), "by ingress for the audience of another application"),
        ("jwt", {**JWT, "enabled": False}, "is routed by route, whose service authenticates nobody"),
        ("jwt", {**JWT, "serviceId": "other"}, "is routed by route, whose service authenticates nobody"),
        ("route", {**ROUTE, "serviceId": "other"}, "is routed by route, whose service authenticates nobody"),
        ("name", record("old.example.com", proxied=False), "resolves without Cloudflare's proxy"),
        ("name", record("bare.example.com"), "bare.example.com resolves, and no Access application covers it"),
    ],
)
def test_a_protector_updated_away_from_a_name_that_resolves_is_refused(name: str, new: Inputs, problem: str) -> None:
    (message,) = judged(step("update", name, new))
    assert message.startswith(f"{name} is changed too early: ")
    assert problem in message


@pytest.mark.parametrize("name", ["app", "jwt"])
def test_a_protector_deleted_under_a_name_that_resolves_is_refused(name: str) -> None:
    (message,) = judged(step("delete", name))
    assert message.startswith(f"{name} is deleted too early: old.example.com ")


@pytest.mark.parametrize("name", ["ingress", "route", "service"])
def test_what_leads_to_the_server_may_go_at_any_time(name: str) -> None:
    assert judged(step("delete", name)) == []


def test_what_is_known_after_the_deployment_only_is_taken_for_right() -> None:
    secret = {WIRE_SIGNATURE: WIRE_SECRET, "ciphertext": "[secret]"}
    assert judged(step("update", "app", application("old.example.com", policies=[{"id": WIRE_UNKNOWN}]))) == []
    assert judged(step("update", "jwt", {**JWT, "configJson": secret})) == []
    assert judged(step("update", "name", record("old.example.com", content=WIRE_UNKNOWN))) == []


def test_a_stack_without_a_public_name_has_nothing_to_expose() -> None:
    assert judge_steps([step("delete", "app"), step("update", "jwt", {**JWT, "enabled": False})]) == ()


def test_what_stood_open_before_is_no_steps_doing() -> None:
    bare = EngineStep(
        "same", "urn:pulumi:s::p::t::x", DNS_RECORD, record("bare.example.com"), record("bare.example.com"), "x"
    )
    assert judge_steps([bare]) == ()


def test_a_tunnel_made_anew_beside_one_of_its_name_is_refused() -> None:
    local = step("create-replacement", "tunnel", {"accountId": "a", "name": "dev-one", "configSrc": "local"})
    (message,) = judged(local)
    assert message == "tunnel is made anew beside the old one of the same name, which Cloudflare refuses (1013)"
    assert judged(step("create-replacement", "tunnel", {"accountId": "b", "name": "dev-one"})) == []


def test_a_record_that_takes_a_name_which_another_still_has_is_refused() -> None:
    wide = step("update", "app", application("old.example.com", "other.example.com"))
    urn = f"urn:pulumi:dev.one::ringwall::{DNS_RECORD}::second"
    second = EngineStep("update", urn, DNS_RECORD, record("other.example.com"), record("old.example.com"), "m-id")
    assert judged(wide, second) == [
        "second takes old.example.com while name still has it, which Cloudflare refuses (81053)"
    ]


@pytest.mark.parametrize("token", sorted(PROTECTORS))
def test_a_change_of_what_nobody_has_classified_is_refused_while_a_name_resolves(token: str) -> None:
    urn = f"urn:pulumi:dev.one::ringwall::{token}::extra"
    changed = EngineStep("update", urn, token, {}, {"novelty": 1, "__defaults": []}, "extra-id")
    assert judged(changed) == ["extra changes novelty, and nothing says whether that protects the name"]
    assert judge_steps([changed]) == ()


def test_an_import_that_would_change_what_runs_is_refused() -> None:
    (finding,) = judge_steps([step("import", "app"), step("update", "app", application("new.example.com"))])
    assert (finding.rule_id, finding.severity.value) == ("import-changes", "error")
    assert judge_steps([step("import", "app"), step("update", "jwt")]) == ()
