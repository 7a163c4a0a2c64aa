from __future__ import annotations

from plan.step_order import PUBLIC_NAME, Step, judge_steps

APP = "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication"


def step(operation: str, token: str, name: str) -> Step:
    return Step(operation, f"urn:pulumi:dev.one::ringwall::{token}::{name}", token)


NAME_STAYS = step("same", PUBLIC_NAME, "name")


def test_an_application_deleted_before_its_replacement_is_refused() -> None:
    steps = [step("delete-replaced", APP, "app"), step("create-replacement", APP, "app"), NAME_STAYS]
    (finding,) = judge_steps(steps)
    assert (finding.rule_id, finding.severity.value) == ("step-order", "error")
    assert finding.message == "app is deleted while its public name still resolves"


def test_an_application_created_before_the_old_one_goes_is_fine() -> None:
    steps = [step("create-replacement", APP, "app"), NAME_STAYS, step("delete-replaced", APP, "app")]
    assert judge_steps(steps) == ()


def test_an_application_that_simply_goes_while_the_name_stays_is_refused() -> None:
    assert len(judge_steps([NAME_STAYS, step("delete", APP, "app")])) == 1


def test_a_destroy_takes_the_name_first() -> None:
    assert judge_steps([step("delete", PUBLIC_NAME, "name"), step("delete", APP, "app")]) == ()
    assert len(judge_steps([step("delete", APP, "app"), step("delete", PUBLIC_NAME, "name")])) == 1


def test_a_stack_without_a_public_name_has_nothing_to_expose() -> None:
    assert judge_steps([step("delete", APP, "app")]) == ()


def test_an_import_that_would_change_what_runs_is_refused() -> None:
    (finding,) = judge_steps([step("import", APP, "app"), step("update", APP, "app")])
    assert (finding.rule_id, finding.severity.value) == ("import-changes", "error")
    assert judge_steps([step("import", APP, "app"), step("update", APP, "other")]) == ()
