"""The edits of a recorded state, on small ones; `tests/integration/test_interrupted.py` gives them to the engine."""

from __future__ import annotations

from typing import Any

from engine.repair.pending_state import adopted, pending, provider_of, recorded_ids, with_strays

HEAD = "urn:pulumi:dev::p::"
PROVIDER = {"urn": f"{HEAD}pulumi:providers:kong::kong", "id": "k", "custom": True, "type": "pulumi:providers:kong"}
TARGET, ROUTE = "kong:index/target:Target", "kong:index/route:Route"


def resource(token: str, name: str, **more: Any) -> dict[str, Any]:
    urn = f"{HEAD}{token}::{name}"
    return {"urn": urn, "custom": True, "type": token, "provider": f"{PROVIDER['urn']}::k", "inputs": {}, **more}


def state(*resources: dict[str, Any], creating: dict[str, Any] | None = None) -> dict[str, Any]:
    operations = [{"type": "creating", "resource": creating}] if creating else []
    return {"resources": [PROVIDER, *resources], "pending_operations": operations}


def names(found: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(one["urn"].rsplit("::", 1)[1], one.get("id", ""), bool(one.get("delete"))) for one in found["resources"]]


def test_an_adopted_object_stands_before_what_needs_it() -> None:
    target = resource(TARGET, "target")
    old = {**target, "id": "u/old", "outputs": {"a": 1}, "pendingReplacement": True}
    route = resource(ROUTE, "route", id="r", outputs={"a": 1}, dependencies=[target["urn"]])
    before = state(old, route, creating=target)
    (operation,) = pending(before)
    after = adopted(before, [(operation, "u/new")])
    assert names(after) == [("kong", "k", False), ("target", "u/new", False), ("route", "r", False)]
    assert names(before)[1] == ("target", "u/old", False)


def test_a_replaced_object_that_still_stands_is_left_to_be_deleted() -> None:
    route = resource(ROUTE, "route")
    before = state({**route, "id": "old", "outputs": {"a": 1}}, creating=route)
    (operation,) = pending(before)
    assert names(adopted(before, [(operation, "new")])) == [
        ("kong", "k", False),
        ("route", "old", True),
        ("route", "new", False),
    ]
    assert recorded_ids(before, ROUTE) == {"old"}


def test_a_record_without_outputs_is_an_adoption_that_was_interrupted() -> None:
    route = resource(ROUTE, "route")
    half = state({**route, "id": "r", "outputs": {}})
    (operation,) = pending(half)
    assert (operation.operation, operation.recorded) == ("adopt", True)
    assert recorded_ids(half, ROUTE) == set()
    # The create it came from is still pending: it is looked up again, and recorded once.
    again = state({**route, "id": "r", "outputs": {}}, creating=route)
    (operation,) = pending(again)
    assert operation.operation == "create"
    assert names(adopted(again, [(operation, "r")])) == [("kong", "k", False), ("route", "r", False)]


def test_a_stray_takes_the_provider_along_that_is_gone() -> None:
    route = resource(ROUTE, "route", parent=f"{HEAD}ringwall:index:Gateway::g", protect=True)
    before = state(creating=route)
    (operation,) = pending(before)
    provider = provider_of(before, operation)
    assert provider is not None
    strays = with_strays({"resources": []}, [(operation, "late-object-id")], [provider])
    assert names(strays.state) == [("kong", "k", False), ("route~stray-late-obj", "late-object-id", False)]
    assert strays.providers == (PROVIDER["urn"],)
    assert "parent" not in strays.state["resources"][1]
    assert "protect" not in strays.state["resources"][1]
    kept = with_strays(before, [(operation, "late-object-id")], [provider])
    assert (len(kept.state["resources"]), kept.providers) == (2, ())
