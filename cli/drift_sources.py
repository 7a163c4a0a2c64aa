"""Where drift is looked for: the engine, Kong, the issuers' keys, the guard, the server. Reads only.

Each source gives rows, or raises a `RingwallError` that becomes one: what could not be looked at is never "no drift".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model.errors import EngineFailed, RingwallError, Unreachable
from model.project import EnvironmentStack, ServerStack, ZoneStack
from plan.drift import (
    ABSENT,
    PRESENT,
    Row,
    Step,
    engine_rows,
    entity_rows,
    is_symbolic,
    resolved,
    resource_differences,
    shown,
    unexpected,
    unreachable,
)

if TYPE_CHECKING:
    from cli.runs import Operation
    from cli.workspace import Target
    from components.program import Loaded
    from model.project import Project

SOURCES = ("engine", "gateway", "keys", "guard", "server")
_OPERATIONS = {"create": "create", "update": "update", "delete": "delete", "replace": "update", "import": "create"}


@dataclass
class Deployed:
    """What the engine has recorded of one stack: inputs by URN, outputs by resource name, the stack's own outputs."""

    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    exported: dict[str, Any] = field(default_factory=dict)
    exists: bool = False


@dataclass
class Looking:
    """One run of `drift`."""

    project: Project
    target: Target
    loaded: Loaded
    stacks: tuple[str, ...]
    timeout: float = 10.0
    guard_url: str | None = None
    on_host: bool = False
    _deployed: dict[str, Deployed] = field(default_factory=dict)

    @property
    def environment(self) -> EnvironmentStack | None:
        if isinstance(self.loaded, ZoneStack):
            return None
        return self.loaded if isinstance(self.loaded, EnvironmentStack) else self.loaded[0]

    @property
    def servers(self) -> list[ServerStack]:
        if isinstance(self.loaded, ZoneStack):
            return []
        if isinstance(self.loaded, EnvironmentStack):
            return [server for _, server in sorted(self.loaded.servers.items())]
        return [self.loaded[1]]

    def deployed(self, stack: str) -> Deployed:
        """Read once a stack; raises EngineFailed, EngineMissing."""
        if stack not in self._deployed:
            self._deployed[stack] = _read_deployed(self.target, stack)
        return self._deployed[stack]


def look(looking: Looking, only: Sequence[str], progress: Callable[[str], None]) -> tuple[list[Row], list[str]]:
    """All rows, and the names of the sources that could be looked at."""
    tasks: list[tuple[str, str, Callable[[], list[Row]]]] = []
    for stack in looking.stacks:
        tasks.append(("engine", stack, lambda stack=stack: engine(looking, stack)))  # type: ignore[misc]
    if looking.environment is not None:
        for stack in looking.stacks:
            tasks.append(("gateway", stack, lambda stack=stack: gateway(looking, stack)))  # type: ignore[misc]
        tasks.append(("keys", looking.environment.name, lambda: keys(looking)))
        for server in looking.servers:
            tasks.append(("guard", server.stack, lambda server=server: guard(looking, server)))  # type: ignore[misc]
            tasks.append(("server", server.stack, lambda server=server: offered(looking, server)))  # type: ignore[misc]
    rows: list[Row] = []
    looked: list[str] = []
    for kind, of, task in tasks:
        if kind not in only:
            continue
        source = f"{kind} {of}"
        progress(source)
        try:
            found = task()
        except RingwallError as error:
            rows.append(unreachable(source, str(error)))
            continue
        rows += found
        if not any(row.kind == "unreachable" and row.what == source for row in found):
            looked.append(source)
    return rows, looked


# -- the engine ---------------------------------------------------------------------------------------------------------


def _read_deployed(target: Target, stack: str) -> Deployed:
    from cli.engine_state import outputs
    from cli.workspace import workspace

    try:
        with workspace(target, stack) as selected:
            resources = (selected.export_stack().deployment or {}).get("resources") or []
    except EngineFailed as error:
        if "does not exist" in str(error):
            return Deployed()
        raise
    found = Deployed(exists=any(not one["type"].startswith("pulumi:") for one in resources))
    for one in resources:
        name = one["urn"].rsplit("::", 1)[-1]
        found.inputs[one["urn"]] = dict(one.get("inputs") or {})
        found.outputs[name] = {**(one.get("outputs") or {}), "id": one.get("id")}
    found.exported = outputs(target.project, stack, target=target)
    return found


class _Events:
    """Steps out of an engine's events. A refresh says what it found in the outputs event, a preview in the first one."""

    def __init__(self, *, refresh: bool) -> None:
        self.refresh = refresh
        self.steps: dict[str, Step] = {}
        self.errors: list[str] = []

    def __call__(self, event: Any) -> None:
        seen = event.res_outputs_event if self.refresh else event.resource_pre_event
        if seen is not None:
            self._step(seen.metadata)
        if event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            from cli.events import plain_error

            self.errors.append(plain_error(event.diagnostic_event.message))

    def _step(self, metadata: Any) -> None:
        operation = str(getattr(metadata.op, "value", metadata.op))
        word = _OPERATIONS.get(operation)
        if word is None or metadata.type.startswith("pulumi:"):
            return
        old, new = metadata.old, metadata.new
        paths: tuple[tuple[str, str, str], ...] = ()
        if word == "update" and old is not None and new is not None:
            paths = resource_differences(old.inputs or {}, new.inputs or {})
            if not paths and self.refresh:
                paths = resource_differences(old.outputs or {}, new.outputs or {}, told_to_differ=True)
            elif not paths and not metadata.detailed_diff:
                return
            elif not paths:
                paths = (("in a secret property", "[secret]", "[secret], another one"),)
        name = metadata.urn.rsplit("::", 1)[-1]
        self.steps[metadata.urn] = Step(metadata.urn, name, word, paths)  # type: ignore[arg-type]


def engine(looking: Looking, stack: str) -> list[Row]:
    """The engine's refresh and preview, neither of which records anything."""
    from cli.runs import Run, execute

    source = f"engine {stack}"
    if not looking.deployed(stack).exists:
        return [Row(source, stack, ABSENT, "not known", PRESENT, "ahead")]
    found: dict[str, list[Step]] = {}
    operations: tuple[Operation, ...] = ("preview_refresh", "preview")
    for operation in operations:
        events = _Events(refresh=operation == "preview_refresh")
        run = execute(looking.target, Run(stack, operation), on_event=events)
        if run.error is not None:
            raise EngineFailed("; ".join(dict.fromkeys(events.errors)) or run.error)
        found[operation] = list(events.steps.values())
    return engine_rows(source, found["preview_refresh"], found["preview"])


# -- the gateway --------------------------------------------------------------------------------------------------------


def gateway(looking: Looking, stack: str) -> list[Row]:
    """Every entity of the plan as Kong's Admin API answers it, and whatever else hangs on those of this stack."""
    from cli.gateway_look import entity
    from cli.kong_reader import KongReader
    from components.program import load
    from plan.drift_kong import wanted_at_kong
    from plan.offline import plan_stack

    environment = looking.environment
    if environment is None:
        return []

    source = f"gateway {stack}"
    known = _known(looking, stack)
    graph = plan_stack(looking.project, load(looking.project, stack))
    entities, listings = wanted_at_kong(graph.resources, looking.deployed(stack).inputs, known)
    rows: list[Row] = []
    told: set[str] = set()
    with KongReader(environment.settings.gateway) as kong:
        kong.check_version()
        for one in entities:
            real = entity(kong, one)
            recorded = None if one.recorded is None else {**one.recorded, **one.left}
            rows += entity_rows(source, one.what, recorded, real, {**one.desired, **one.left})
        for listing in listings:
            held = kong.read_all(listing.path) or []
            extra = {str(item.get(listing.key) or item.get("id")) for item in held if listing.stranger(item)}
            of = stack if listing.takes else listing.path.split("/")[-2] or "of all"
            # What hangs on a service of ours is told there.
            new = [name for name in extra if name not in told] if listing.takes else extra
            if listing.path.endswith("/routes"):
                told |= extra
            rows += unexpected(source, f"{listing.what} {of}", sorted(new))
    return rows


def _known(looking: Looking, stack: str) -> dict[str, dict[str, Any]]:
    """Recorded outputs by resource name: the stack's own and its environment's."""
    known: dict[str, dict[str, Any]] = {}
    if looking.environment is not None and stack != looking.environment.name:
        known.update(looking.deployed(looking.environment.name).outputs)
    known.update(looking.deployed(stack).outputs)
    return known


def keys(looking: Looking) -> list[Row]:
    """Issuers' published keys against those at Kong (`ringwall keys sync --dry-run`)."""
    from cli.keys import remedy, sync_keys

    environment = looking.environment
    if environment is None:
        return []
    rows = []
    report = sync_keys(
        environment.settings, environment.name, dry_run=True, environments=looking.project.environments()
    )
    for issuer in report.issuers:
        source = f"keys {environment.name}"
        if issuer.error:
            rows.append(unreachable(f"{source} {issuer.issuer}", issuer.error))
        what = f"issuer {issuer.issuer} kid"
        rows += [Row(source, f"{what} {shown(kid)}", "", ABSENT, "published", "missing") for kid in issuer.added]
        rows += [
            Row(source, f"{what} {shown(kid)}", "", "another key", "published", "drift") for kid in issuer.replaced
        ]
        rows += [Row(source, f"{what} {shown(kid)}", "", PRESENT, "retired", "drift") for kid in issuer.removed]
        throw_out = f"`{remedy(environment.name)}`"
        rows += [
            Row(source, f"{what} {shown(kid)}", "", "put there by hand", ABSENT, "drift", throw_out)
            for kid in issuer.foreign
        ]
        for stranger in issuer.strangers:
            name = f"issuer {issuer.issuer} consumer {shown(stranger.consumer)}"
            kids = f"in its group, kids {', '.join(shown(kid) for kid in stranger.kids) or 'none'}"
            rows.append(Row(source, name, ABSENT, kids, ABSENT, "drift", throw_out))
    return rows


# -- the guard and the server -------------------------------------------------------------------------------------------


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
        name = refusal.get("definition") if isinstance(refusal, dict) else refusal
        rows.append(Row(source, f"definition {shown(str(name))}", "", "differs, so refused", "as locked", "drift"))
    return rows


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

    from guard.bundle import bundle_bytes
    from model.guard_config import GuardConfig

    if not isinstance(text, str) or not isinstance(sequence, int) or is_symbolic(text):
        return None
    try:
        config = GuardConfig.model_validate(json.loads(text))
    except (ValueError, ValidationError):
        return None
    return "sha256:" + hashlib.sha256(bundle_bytes(sequence, sorted(denied), config)).hexdigest()


def _planned_config(looking: Looking, server: ServerStack) -> Any:
    from components.program import load
    from plan.offline import plan_stack

    graph = plan_stack(looking.project, load(looking.project, server.stack))
    return resolved(graph.outputs.get("guard_config"), _known(looking, server.stack))


def _lock_digest(server: ServerStack) -> str:
    from model.tool_lock import digest

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
    import httpx

    from wire.http import tls_context

    base = looking.guard_url or f"http://127.0.0.1:{server.manifest.admin_port}"
    try:
        answer = httpx.get(f"{base.rstrip('/')}/readyz", timeout=looking.timeout, verify=tls_context(), trust_env=False)
        state = answer.json() if len(answer.content) < 1024 * 1024 else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        raise Unreachable(
            f"the guard does not answer at {base}/readyz; run this on host {server.manifest.host}, or give --guard-url"
        ) from None
    lists = (state.get(key) or [] for key in ("denied", "problems", "refused")) if isinstance(state, dict) else ()
    if not isinstance(state, dict) or "bundle" not in state or not all(isinstance(one, list) for one in lists):
        raise Unreachable(f"{base}/readyz is not a guard's; correct guard_admin_port, or give --guard-url")
    return state


def offered(looking: Looking, server: ServerStack) -> list[Row]:
    """What the running server offers, against its lock."""
    from cli.offer import ask_server, compared
    from model.tool_lock import visible

    source = f"server {server.stack}"
    origin = server.manifest.origin
    if origin.command and not looking.on_host:
        raise Unreachable("the server is a command that only its own host starts; run this there with --on-host")
    rows = []
    for change in compared(server.lock, ask_server(origin, looking.timeout)).changes:
        what = f"{change.part} {visible(change.name)}".strip()
        real = {"added": "offered", "removed": ABSENT}.get(change.kind, "changed")
        desired = {"added": "not locked", "removed": "locked"}.get(change.kind, "as locked")
        rows.append(Row(source, what, "", real, desired, "missing" if change.kind == "removed" else "drift"))
    return rows
