"""Drift at the guard, by what its /readyz says, and at the MCP server, by the tools that it offers.

The engine, Kong and the issuers' keys are compared in `sources`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from model.errors import RingwallError, Unreachable
from model.stacks import PerimeterStack, ServerStack
from plan.drift import ABSENT, DriftRow, is_symbolic, resolved, shown, unreachable

if TYPE_CHECKING:
    from operations.drift.comparison import DriftComparison


def guard(comparison: DriftComparison, server: PerimeterStack) -> list[DriftRow]:
    """Compare what the guard's /readyz says with what was deployed and with the files: its configuration, and for a server
    its tool lock and the definitions that it refuses."""
    source = f"guard {server.stack}"
    state = _readyz(comparison, server)
    bundle = state.get("bundle")
    in_force = bundle if isinstance(bundle, dict) else {}
    denied = [str(principal) for principal in state.get("denied") or ()]
    rows: list[DriftRow] = []
    if state.get("server") != server.stack:
        rows.append(DriftRow(source, "server", server.stack, shown(state.get("server")), server.stack, "drift"))
    if state.get("identity") != "verified":
        rows.append(DriftRow(source, "identity", "verified", shown(state.get("identity")), "verified", "drift"))
    rows += _bundle_rows(comparison, server, source, in_force, denied)
    for problem in state.get("problems") or ():
        rows.append(DriftRow(source, "readiness", "", shown(str(problem)), "ready", "drift"))
    return [*rows, *_lock_rows(comparison, server, source, state)] if isinstance(server, ServerStack) else rows


def _lock_rows(
    comparison: DriftComparison, server: ServerStack, source: str, state: Mapping[str, Any]
) -> list[DriftRow]:
    rows: list[DriftRow] = []
    lock = _lock_digest(server)
    if state.get("tool_lock_sha256") != lock:
        recorded = _recorded_lock(comparison, server)
        kind = "ahead" if recorded == state.get("tool_lock_sha256") else "drift"
        rows.append(
            DriftRow(source, "tool lock", _short(recorded), _short(state.get("tool_lock_sha256")), _short(lock), kind)  # type: ignore[arg-type]
        )
    unenforceable = state.get("unenforceable") or {}
    for refusal in state.get("refused") or ():
        name = str(refusal.get("definition") if isinstance(refusal, dict) else refusal)
        if isinstance(refusal, dict) and _by_capability(comparison, server, name, refusal):
            text = (
                "offered only to clients that declare more than the lock was made with (roots, sampling, elicitation)"
            )
            rows.append(DriftRow(source, f"definition {shown(name)}", "", text, "hidden", "note"))
            continue
        if reason := _left_out(server, name):
            text = f"left out of the lock: {shown(reason)}"
            rows.append(DriftRow(source, f"definition {shown(name)}", "", text, "hidden", "note"))
            continue
        if isinstance(refusal, dict) and refusal.get("rules"):
            text = shown(f"withheld for {', '.join(map(str, refusal['rules']))}")
            rows.append(DriftRow(source, f"definition {shown(name)}", "", text, "as checked", "note"))
            continue
        repair = f"`ringwall lock diff {server.stack}`"
        fault = "cannot be enforced" if name.replace(" ", "/", 1) in unenforceable else "differs"
        rows.append(
            DriftRow(source, f"definition {shown(name)}", "", f"{fault}, so refused", "as locked", "drift", repair)
        )
    return rows


def _left_out(server: ServerStack, shown_name: str) -> str | None:
    """Why the lock leaves a definition out that the guard refuses; None where it does not."""
    kind, _, key = shown_name.partition(" ")
    reasons: dict[tuple[str, str], str] = {
        (left_out.kind, left_out.key): left_out.reason for left_out in server.lock.left_out
    }
    return reasons.get((kind, key)) or reasons.get((kind, ""))


def _by_capability(
    comparison: DriftComparison, server: ServerStack, shown_name: str, refusal: Mapping[str, Any]
) -> bool:
    """Whether the server offers a definition that the guard hides only to clients that declare capabilities. The lock was
    made without any, so such a definition is no drift. Where the server cannot be asked the answer is False."""
    from guard.decide.pins import KEYS

    kind, _, key = shown_name.partition(" ")
    if refusal.get("difference") != ["not in the tool lock"] or kind not in KEYS:
        return False
    try:
        offer = comparison.offer(server)
    except RingwallError:
        return False
    return all(entry.get(KEYS[kind]) != key for entry in getattr(offer, kind))


def _bundle_rows(
    comparison: DriftComparison, server: PerimeterStack, source: str, in_force: Mapping[str, Any], denied: Sequence[str]
) -> list[DriftRow]:
    """Compare the configuration in the guard's bundle. The bundle's digest also covers its number, times and deny list,
    so these are taken from the guard's own answer."""
    sequence, real = in_force.get("sequence"), in_force.get("sha256")
    exported = comparison.deployed(server.stack).exported.get("guard_config")
    recorded = _digest_of(exported, in_force, denied)
    desired = _digest_of(_planned_config(comparison, server), in_force, denied)
    if recorded is None and desired is None:
        return [
            unreachable(
                f"{source} configuration", f"what is deployed is not recorded; run `ringwall up {server.stack}` first"
            )
        ]
    expected = desired or recorded
    if real == expected:
        return []
    kind = "ahead" if recorded is not None and real == recorded else "drift"
    label = f"configuration (bundle {sequence})"
    return [DriftRow(source, label, _short(recorded), _short(real), _short(expected), kind)]  # type: ignore[arg-type]


def _digest_of(text: Any, in_force: Mapping[str, Any], denied: Sequence[str]) -> str | None:
    import hashlib
    import json

    from pydantic import ValidationError

    from guard.bundle.bundle import bundle_bytes
    from model.guard_bundle import format_of

    sequence = in_force.get("sequence")
    if not isinstance(text, str) or not isinstance(sequence, int) or is_symbolic(text):
        return None
    try:
        value = json.loads(text)
        config = format_of(value).model_validate(value)
    except (ValueError, ValidationError):
        return None
    times = {name: value for name in ("issued", "expires") if isinstance(value := in_force.get(name), int)}
    signed = bundle_bytes(sequence, sorted(denied), config, **times)
    return "sha256:" + hashlib.sha256(signed).hexdigest()


def _planned_config(comparison: DriftComparison, server: PerimeterStack) -> Any:
    from model.project import load
    from plan.offline import plan_stack

    graph = plan_stack(comparison.project, load(comparison.project, server.stack))
    return resolved(graph.outputs.get("guard_config"), comparison.known(server.stack))


def _lock_digest(server: ServerStack) -> str:
    from model.canonical import digest

    return digest(server.lock.dump())


def _recorded_lock(comparison: DriftComparison, server: ServerStack) -> str | None:
    import json

    text = comparison.deployed(server.stack).exported.get("guard_config")
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    recorded = value.get("tool_lock_sha256") if isinstance(value, dict) else None
    return recorded if isinstance(recorded, str) else None


def _short(value: Any) -> str:
    return value.removeprefix("sha256:")[:16] if isinstance(value, str) else "not known"


def _readyz(comparison: DriftComparison, server: PerimeterStack) -> dict[str, Any]:
    from wire.readyz import NotAGuard, ReadyzClient, Silent

    base = comparison.guard_url or f"http://127.0.0.1:{server.manifest.admin_port}"
    with ReadyzClient(base, timeout=comparison.timeout) as guard:
        try:
            return guard.read()
        except Silent:
            raise Unreachable(
                f"the guard does not answer at {guard.url}",
                remedy=f"run this on host {server.manifest.host}, or give --guard-url",
            ) from None
        except NotAGuard as error:
            raise Unreachable(str(error), remedy="correct guard_admin_port, or give --guard-url") from None


def offered(comparison: DriftComparison, server: ServerStack) -> list[DriftRow]:
    """Compare what the running server offers with its tool lock."""
    from model.text import visible
    from operations.onboard.offer import compared

    source = f"server {server.stack}"
    rows = []
    for change in compared(server.lock, comparison.offer(server)).changes:
        label = f"{change.part} {visible(change.name)}".strip()
        real = {"added": "offered", "removed": ABSENT}.get(change.kind, "changed")
        desired = {"added": "not locked", "removed": "locked"}.get(change.kind, "as locked")
        rows.append(DriftRow(source, label, "", real, desired, "missing" if change.kind == "removed" else "drift"))
    return rows
