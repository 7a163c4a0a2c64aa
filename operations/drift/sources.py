"""The five sources of drift, one after the other: the engine, Kong, the issuers' keys, the guard and the server.

Nothing is changed anywhere. Each source gives rows of the table; a `RingwallError` of a source becomes a row of its own, so
that a source that could not be read never counts as "no drift".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from model.errors import EngineFailed, RingwallError
from operations.drift.comparison import DriftComparison
from operations.drift.guard import guard, offered
from operations.keys.sync import remedy, sync_keys
from plan.drift import (
    ABSENT,
    PRESENT,
    DriftRow,
    ResourceDifference,
    engine_rows,
    entity_rows,
    shown,
    unexpected,
    unreachable,
)
from plan.engine_steps import step_differences

if TYPE_CHECKING:
    from engine.run import Operation

SOURCES = ("engine", "gateway", "keys", "guard", "server")
#: What there is of them in the sandbox, which stands in for the providers and for nobody behind them.
SANDBOX_SOURCES = ("engine",)
_OPERATIONS = {"create": "create", "update": "update", "delete": "delete", "replace": "update", "import": "create"}


def compare(
    comparison: DriftComparison, only: Sequence[str], progress: Callable[[str], None]
) -> tuple[list[DriftRow], list[str]]:
    """The rows of all sources named in `only`, and the names of those that could be read."""
    tasks: list[tuple[str, str, Callable[[], list[DriftRow]]]] = []
    for stack in comparison.stacks:
        tasks.append(("engine", stack, lambda stack=stack: engine(comparison, stack)))  # type: ignore[misc]
    if comparison.environment is not None:
        for stack in comparison.stacks:
            tasks.append(("gateway", stack, lambda stack=stack: gateway(comparison, stack)))  # type: ignore[misc]
        tasks.append(("keys", comparison.environment.name, lambda: keys(comparison)))
        for member in comparison.guarded:
            tasks.append(("guard", member.stack, lambda member=member: guard(comparison, member)))  # type: ignore[misc]
        for server in comparison.servers:
            tasks.append(("server", server.stack, lambda server=server: offered(comparison, server)))  # type: ignore[misc]
    rows: list[DriftRow] = []
    reached: list[str] = []
    for kind, name, task in tasks:
        if kind not in only:
            continue
        source = f"{kind} {name}"
        progress(source)
        try:
            source_rows = task()
        except RingwallError as error:
            rows.append(unreachable(source, str(error)))
            continue
        remedy = _remedy(kind, name)
        rows += [
            row if row.repair or row.kind in ("unreachable", "note") else replace(row, repair=remedy)
            for row in source_rows
        ]
        if not any(row.kind == "unreachable" and row.what == source for row in source_rows):
            reached.append(source)
    return rows, reached


def _remedy(source: str, name: str) -> str:
    """The command that removes the drift of this source. `up` refreshes first, so it also puts back what somebody changed by
    hand."""
    return {
        "engine": f"`ringwall up {name}`",
        "gateway": f"`ringwall up {name}`",
        "keys": f"`ringwall keys sync {name}`",
        "guard": f"`ringwall guard bundle {name} --key FILE`",
        "server": f"`ringwall lock diff {name}`, then `ringwall lock approve {name}` or mend the server",
    }[source]


# -- the engine ---------------------------------------------------------------------------------------------------------


class _Events:
    """Collects steps from the engine's events. A refresh reports what it read in the outputs event, a preview what it would
    do in the event before."""

    def __init__(self, *, refresh: bool) -> None:
        self.refresh = refresh
        self.steps: dict[str, ResourceDifference] = {}
        self.errors: list[str] = []

    def __call__(self, event: Any) -> None:
        details = event.res_outputs_event if self.refresh else event.resource_pre_event
        if details is not None:
            self._step(details.metadata)
        if event.diagnostic_event is not None and event.diagnostic_event.severity == "error":
            from engine.events import plain_error

            self.errors.append(plain_error(event.diagnostic_event.message))

    def _step(self, metadata: Any) -> None:
        operation = str(getattr(metadata.op, "value", metadata.op))
        word = _OPERATIONS.get(operation)
        if word is None or metadata.type.startswith("pulumi:"):
            return
        paths = step_differences(metadata, refreshed=self.refresh) if word == "update" else ()
        if word == "update" and not paths and not self.refresh:
            return
        name = metadata.urn.rsplit("::", 1)[-1]
        self.steps[metadata.urn] = ResourceDifference(metadata.urn, name, word, paths)  # type: ignore[arg-type]


def engine(comparison: DriftComparison, stack: str) -> list[DriftRow]:
    """The engine's refresh and preview, neither of which records anything."""
    from engine.run import Run
    from engine.runs import execute

    source = f"engine {stack}"
    if not comparison.deployed(stack).exists:
        return [
            *_interrupted(comparison, stack, source),
            DriftRow(source, stack, ABSENT, "not known", PRESENT, "ahead"),
        ]
    steps: dict[str, list[ResourceDifference]] = {}
    operations: tuple[Operation, ...] = ("preview_refresh", "preview")
    for operation in operations:
        events = _Events(refresh=operation == "preview_refresh")
        run = execute(comparison.target, Run(stack, operation), on_event=events)
        if run.error is not None:
            raise EngineFailed("; ".join(dict.fromkeys(events.errors)) or run.error)
        steps[operation] = list(events.steps.values())
    return [*_interrupted(comparison, stack, source), *engine_rows(source, steps["preview_refresh"], steps["preview"])]


def _interrupted(comparison: DriftComparison, stack: str, source: str) -> list[DriftRow]:
    """Operations that a killed run left unfinished, and how their objects stand at the provider. `ringwall repair` resolves
    them."""
    from engine.repair.pending import interrupted, resolve

    if not interrupted(comparison.target, [stack]):
        return []
    return [
        DriftRow(
            source,
            f"interrupted {finding.operation.operation} of {finding.operation.name}",
            "no end",
            finding.text,
            "an end",
            "drift",
            f"`ringwall repair {stack}`",
        )
        for finding in resolve(comparison.target, stack, dry_run=True)
    ]


# -- the gateway --------------------------------------------------------------------------------------------------------


def gateway(comparison: DriftComparison, stack: str) -> list[DriftRow]:
    """Compare every planned entity with Kong's Admin API, and report what somebody else attached to the stack's entities."""
    from model.project import load
    from operations.drift.gateway import planned_entities
    from operations.drift.gateway_look import entity
    from plan.offline import plan_stack
    from wire.kong_reader import KongReader

    environment = comparison.environment
    if environment is None:
        return []

    source = f"gateway {stack}"
    known = comparison.known(stack)
    graph = plan_stack(comparison.project, load(comparison.project, stack))
    entities, listings = planned_entities(graph.resources, comparison.deployed(stack).inputs, known)
    rows: list[DriftRow] = []
    reported: set[str] = set()
    with KongReader(environment.settings.gateway) as kong:
        kong.check_version()
        for planned in entities:
            real = entity(kong, planned)
            rows += entity_rows(source, planned.label, planned.recorded, real, planned.desired)
            if real is not None:
                rows += entity_rows(source, planned.label, planned.defaults, real, planned.defaults)
        for listing in listings:
            held = kong.read_all(listing.path) or []
            extra = {str(item.get(listing.key) or item.get("id")) for item in held if listing.stranger(item)}
            owner = stack if listing.takes else listing.path.split("/")[-2] or "of all"
            # A route of one of our services was reported with that service.
            new = [name for name in extra if name not in reported] if listing.takes else extra
            if listing.path.endswith("/routes"):
                reported |= extra
            rows += unexpected(
                source, f"{listing.label} {owner}", sorted(new), f"delete it at Kong ({kong.uri}{listing.path})"
            )
    return rows


def keys(comparison: DriftComparison) -> list[DriftRow]:
    """Compare the keys that the issuers publish with those at Kong, as `ringwall keys sync --dry-run` does."""
    environment = comparison.environment
    if environment is None:
        return []
    rows = []
    report = sync_keys(
        environment.settings, environment.name, dry_run=True, environments=comparison.project.environments()
    )
    for issuer in report.issuers:
        source = f"keys {environment.name}"
        if issuer.error:
            rows.append(unreachable(f"{source} {issuer.issuer}", issuer.error))
        label = f"issuer {issuer.issuer} kid"
        rows += [DriftRow(source, f"{label} {shown(kid)}", "", ABSENT, "published", "missing") for kid in issuer.added]
        rows += [
            DriftRow(
                source, f"{label} {shown(kid)}", "", "another key", "published", "drift", "ask the issuer which it is"
            )
            for kid in issuer.replaced
        ]
        rows += [DriftRow(source, f"{label} {shown(kid)}", "", PRESENT, "retired", "drift") for kid in issuer.removed]
        throw_out = f"`{remedy(environment.name)}`"
        rows += [
            DriftRow(source, f"{label} {shown(kid)}", "", "put there by hand", ABSENT, "drift", throw_out)
            for kid in issuer.foreign
        ]
        for stranger in issuer.strangers:
            name = f"issuer {issuer.issuer} consumer {shown(stranger.consumer)}"
            kids = f"in its group, kids {', '.join(shown(kid) for kid in stranger.kids) or 'none'}"
            rows.append(DriftRow(source, name, ABSENT, kids, ABSENT, "drift", throw_out))
    return rows
