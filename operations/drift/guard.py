"""The last two places where drift is looked for: the guard's /readyz, and what the server itself offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from model.errors import RingwallError, Unreachable
from model.stacks import ServerStack
from plan.drift import ABSENT, Row, is_symbolic, resolved, shown, unreachable

if TYPE_CHECKING:
    from operations.drift.looking import Looking


def guard(looking: Looking, server: ServerStack) -> list[Row]:
    """What the guard's /readyz says is in force: its configuration, tool lock, and what it refuses."""
    source = f"guard {server.stack}"
    state = _readyz(looking, server)
    bundle = state.get("bundle")
    in_force = bundle if isinstance(bundle, dict) else {}
    denied = [str(one) for one in state.get("denied") or ()]
    rows: list[Row] = []
    if state.get("server") != server.stack:
        rows.append(Row(source, "server", server.stack, shown(state.get("server")), server.stack, "drift"))
    if state.get("identity") != "verified":
        rows.append(Row(source, "identity", "verified", shown(state.get("identity")), "verified", "drift"))
    rows += _bundle_rows(looking, server, source, in_force, denied)
    lock = _lock_digest(server)
    if state.get("tool_lock_sha256") != lock:
        recorded = _recorded_lock(looking, server)
        kind = "ahead" if recorded == state.get("tool_lock_sha256") else "drift"
        rows.append(
            Row(source, "tool lock", _short(recorded), _short(state.get("tool_lock_sha256")), _short(lock), kind)  # type: ignore[arg-type]
        )
    for problem in state.get("problems") or ():
        rows.append(Row(source, "readiness", "", shown(str(problem)), "ready", "drift"))
    for refusal in state.get("refused") or ():
        name = str(refusal.get("definition") if isinstance(refusal, dict) else refusal)
        if isinstance(refusal, dict) and _by_capability(looking, server, name, refusal):
            text = (
                "offered only to clients that declare more than the lock was made with (roots, sampling, elicitation)"
            )
            rows.append(Row(source, f"definition {shown(name)}", "", text, "hidden", "note"))
            continue
        repair = f"`ringwall lock diff {server.stack}`"
        rows.append(Row(source, f"definition {shown(name)}", "", "differs, so refused", "as locked", "drift", repair))
    return rows


def _by_capability(looking: Looking, server: ServerStack, shown_name: str, refusal: Mapping[str, Any]) -> bool:
    """Whether a definition that the guard hides is in no list that a client without capabilities gets, so that the server
    has not moved away from its lock. Where the server cannot be asked, nobody knows."""
    from guard.decide.pins import KEYS

    kind, _, key = shown_name.partition(" ")
    if refusal.get("difference") != ["not in the tool lock"] or kind not in KEYS:
        return False
    try:
        offer = looking.offer(server)
    except RingwallError:
        return False
    return all(entry.get(KEYS[kind]) != key for entry in getattr(offer, kind))


def _bundle_rows(
    looking: Looking, server: ServerStack, source: str, in_force: Mapping[str, Any], denied: Sequence[str]
) -> list[Row]:
    """A bundle's digest covers its number and deny list, so both are taken as the guard says them; what is compared is
    the configuration inside."""
    sequence, real = in_force.get("sequence"), in_force.get("sha256")
    exported = looking.deployed(server.stack).exported.get("guard_config")
    recorded = _digest_of(exported, sequence, denied)
    desired = _digest_of(_planned_config(looking, server), sequence, denied)
    if recorded is None and desired is None:
        return [unreachable(f"{source} configuration", "what is deployed is not recorded; run `ringwall up` first")]
    wanted = desired or recorded
    if real == wanted:
        return []
    kind = "ahead" if recorded is not None and real == recorded else "drift"
    what = f"configuration (bundle {sequence})"
    return [Row(source, what, _short(recorded), _short(real), _short(wanted), kind)]  # type: ignore[arg-type]


def _digest_of(text: Any, sequence: Any, denied: Sequence[str]) -> str | None:
    import hashlib
    import json

    from pydantic import ValidationError

    from guard.bundle.bundle import bundle_bytes
    from model.guard_config import GuardConfig

    if not isinstance(text, str) or not isinstance(sequence, int) or is_symbolic(text):
        return None
    try:
        config = GuardConfig.model_validate(json.loads(text))
    except (ValueError, ValidationError):
        return None
    return "sha256:" + hashlib.sha256(bundle_bytes(sequence, sorted(denied), config)).hexdigest()


def _planned_config(looking: Looking, server: ServerStack) -> Any:
    from model.project import load
    from plan.offline import plan_stack

    graph = plan_stack(looking.project, load(looking.project, server.stack))
    return resolved(graph.outputs.get("guard_config"), looking.known(server.stack))


def _lock_digest(server: ServerStack) -> str:
    from model.canonical import digest

    return digest(server.lock.dump())


def _recorded_lock(looking: Looking, server: ServerStack) -> str | None:
    import json

    text = looking.deployed(server.stack).exported.get("guard_config")
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    found = value.get("tool_lock_sha256") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _short(value: Any) -> str:
    return value.removeprefix("sha256:")[:16] if isinstance(value, str) else "not known"


def _readyz(looking: Looking, server: ServerStack) -> dict[str, Any]:
    from wire.readyz import NotAGuard, ReadyzClient, Silent

    base = looking.guard_url or f"http://127.0.0.1:{server.manifest.admin_port}"
    with ReadyzClient(base, timeout=looking.timeout) as guard:
        try:
            return guard.read()
        except Silent:
            raise Unreachable(
                f"the guard does not answer at {guard.url}; run this on host {server.manifest.host}, or give --guard-url"
            ) from None
        except NotAGuard as error:
            raise Unreachable(f"{error}; correct guard_admin_port, or give --guard-url") from None


def offered(looking: Looking, server: ServerStack) -> list[Row]:
    """What the running server offers, against its lock."""
    from model.text import visible
    from operations.onboard.offer import compared

    source = f"server {server.stack}"
    rows = []
    for change in compared(server.lock, looking.offer(server)).changes:
        what = f"{change.part} {visible(change.name)}".strip()
        real = {"added": "offered", "removed": ABSENT}.get(change.kind, "changed")
        desired = {"added": "not locked", "removed": "locked"}.get(change.kind, "as locked")
        rows.append(Row(source, what, "", real, desired, "missing" if change.kind == "removed" else "drift"))
    return rows
