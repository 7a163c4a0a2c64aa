"""The fields at Kong that the provider neither reads nor puts back, read from the Admin API directly.


This runs before the engine refreshes the gateway. The provider takes any failure while it reads an upstream for "its
targets are gone" and drops them (terraform-provider-kong, resource_kong_target.go). So a gateway that does not answer
stops the command before the engine runs, and a target that the refresh reports as gone is looked up again here. What
entities the plan has, and under which path, is worked out in `gateway`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from model.difference import subset
from model.errors import Unreachable
from model.stacks import EnvironmentStack, ZoneStack, server_of
from operations.drift.gateway import PlannedEntity, planned_entities
from plan.drift import shown
from plan.offline import plan_stack, planned_contract
from wire.kong_reader import KongReader

if TYPE_CHECKING:
    from engine.deploy import Scope
    from engine.run import Run

TARGET = "kong:index/target:Target"


def entity(kong: KongReader, planned: PlannedEntity) -> dict[str, Any] | None:
    """The planned entity as Kong has it; None when Kong does not have it."""
    if not planned.match:
        return kong.read(planned.path)
    return next((item for item in kong.read_all(planned.path) or [] if planned.fits(item)), None)


@dataclass(frozen=True)
class DefaultDifference:
    """The fields of one entity that the plan leaves at Kong's defaults and that somebody set. The provider does not reset
    them."""

    stack: str
    planned: PlannedEntity
    real: dict[str, Any]
    #: (path, Kong's default, the value at Kong).
    fields: tuple[tuple[str, Any, Any], ...]

    def lines(self) -> Iterator[str]:
        for path, value, real in self.fields:
            yield f"{self.planned.label} {path}: {shown(real, path)} → {shown(value, path)}"

    def put_back(self, kong: KongReader) -> None:
        in_a_list = f"/plugins/{quote(str(self.real.get('id')), safe='')}"
        # Kong merges records, so the other members of a record stay as they are.
        names = {path.partition(".")[0] for path, _, _ in self.fields}
        values = {name: self.planned.defaults[name] for name in sorted(names)}
        kong.change(in_a_list if self.planned.match else self.planned.path, values)


@dataclass(frozen=True)
class GatewayLook:
    """The entities of one scope as they were read at Kong, and the defaults that do not hold there."""

    scope: Scope
    entities: tuple[tuple[str, PlannedEntity], ...]
    differences: tuple[DefaultDifference, ...]

    def put_back(self) -> None:
        """Set the fields that the provider cannot send back to Kong's defaults. The entities are changed in place, so that
        nothing is open in between."""
        if not self.differences:
            return
        with KongReader(_environment(self.scope).settings.gateway) as kong:
            for difference in self.differences:
                difference.put_back(kong)

    def refuse_lost_targets(self, runs: Sequence[Run]) -> None:
        """Raise Unreachable where the refresh reports a target as gone that Kong still has; the message names the target."""
        lost = {
            (run.stack, change.name)
            for run in runs
            for change in run.steps.drifted.values()
            if change.type == TARGET and change.operation == "delete"
        }
        if not lost:
            return
        with KongReader(_environment(self.scope).settings.gateway) as kong:
            for stack, planned in self.entities:
                if (stack, planned.label) in lost and entity(kong, planned) is not None:
                    raise Unreachable(
                        f"{stack}: {planned.label} stands at Kong and looked gone, as Kong's Admin API at {kong.uri} failed "
                        "while it was read",
                        remedy="nothing was changed, run the same command again",
                    )


def look_at_gateway(scope: Scope) -> GatewayLook | None:
    """Read every entity of a scope at Kong; None where the scope has no gateway.

    Raises:
        Unreachable: Kong does not answer, refuses the token, is another version, or fails on one of the entities.
    """
    if isinstance(scope.loaded, ZoneStack):
        return None
    entities = tuple(_entities(scope))
    differences = []
    with KongReader(_environment(scope).settings.gateway) as kong:
        kong.check_version()
        for stack, planned in entities:
            real = entity(kong, planned)
            if real is None:
                continue
            if fields := tuple(subset(planned.defaults, real)):
                differences.append(DefaultDifference(stack, planned, real, fields))
    return GatewayLook(scope, entities, tuple(differences))


def _environment(scope: Scope) -> EnvironmentStack:
    environment = scope.loaded.environment
    if environment is None:
        raise TypeError("a zone has no gateway")
    return environment


def _entities(scope: Scope) -> Iterator[tuple[str, PlannedEntity]]:
    environment = _environment(scope)
    contract = planned_contract(scope.project, environment)
    for stack in scope.stacks:
        planned_stack = environment.member(server_of(stack)) if server_of(stack) else environment
        graph = plan_stack(scope.project, planned_stack, contract=contract)
        for planned in planned_entities(graph.resources, {}, {})[0]:
            yield stack, planned
