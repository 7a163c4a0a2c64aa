"""What stands at Kong, read from its Admin API beside the provider: what the provider cannot see, and puts nothing back of.

Used before an engine reads the gateway anew. The provider takes any failure while it reads an upstream for "its targets
are gone" and drops them (terraform-provider-kong, resource_kong_target.go), so a gateway that does not answer stops the
command first, and a target that looked gone is looked up again here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from model.difference import subset
from model.errors import Unreachable
from model.stacks import EnvironmentStack, ZoneStack, server_of
from operations.drift.gateway import Wanted, wanted_at_kong
from plan.drift import shown
from plan.offline import plan_stack, planned_contract
from wire.kong_reader import KongReader

if TYPE_CHECKING:
    from engine.deploy import Scope
    from engine.run import Run

TARGET = "kong:index/target:Target"


def entity(kong: KongReader, wanted: Wanted) -> dict[str, Any] | None:
    """The entity as Kong has it; None when it is not there."""
    if not wanted.match:
        return kong.read(wanted.path)
    return next((item for item in kong.read_all(wanted.path) or [] if wanted.fits(item)), None)


@dataclass(frozen=True)
class LeftDifference:
    """A field that the plan leaves to Kong and that somebody set: the provider puts nothing of it back."""

    stack: str
    wanted: Wanted
    real: dict[str, Any]
    #: (path, Kong's default, what stands there).
    found: tuple[tuple[str, Any, Any], ...]

    def lines(self) -> Iterator[str]:
        for path, value, real in self.found:
            yield f"{self.wanted.what} {path}: {shown(real, path)} → {shown(value, path)}"

    def put_back(self, kong: KongReader) -> None:
        in_a_list = f"/plugins/{quote(str(self.real.get('id')), safe='')}"
        # Kong merges records, so that of a record these members alone are set.
        names = {path.partition(".")[0] for path, _, _ in self.found}
        values = {name: self.wanted.left[name] for name in sorted(names)}
        kong.change(in_a_list if self.wanted.match else self.wanted.path, values)


@dataclass(frozen=True)
class GatewayLook:
    """What was read of one scope's entities."""

    scope: Scope
    entities: tuple[tuple[str, Wanted], ...]
    differences: tuple[LeftDifference, ...]

    def put_back(self) -> None:
        """Give the fields that the provider cannot send their values, in place, so that nothing is open in between."""
        if not self.differences:
            return
        with KongReader(_environment(self.scope).settings.gateway) as kong:
            for one in self.differences:
                one.put_back(kong)

    def refuse_lost_targets(self, runs: Sequence[Run]) -> None:
        """Refuse to go on where a refresh took a target for gone that Kong still has; raises Unreachable naming it."""
        gone = {
            (run.stack, change.name)
            for run in runs
            for change in run.steps.drifted.values()
            if change.type == TARGET and change.operation == "delete"
        }
        if not gone:
            return
        with KongReader(_environment(self.scope).settings.gateway) as kong:
            for stack, wanted in self.entities:
                if (stack, wanted.what) in gone and entity(kong, wanted) is not None:
                    raise Unreachable(
                        f"{stack}: {wanted.what} stands at Kong and looked gone, as Kong's Admin API at {kong.uri} failed "
                        "while it was read; nothing was changed, run the same command again"
                    )


def look_at_gateway(scope: Scope) -> GatewayLook | None:
    """Read every entity of a scope; None where it has no gateway.

    Raises:
        Unreachable: Kong does not answer, refuses the token, is another version, or fails on one of the entities.
    """
    if isinstance(scope.loaded, ZoneStack):
        return None
    entities = tuple(_entities(scope))
    found = []
    with KongReader(_environment(scope).settings.gateway) as kong:
        kong.check_version()
        for stack, wanted in entities:
            real = entity(kong, wanted)
            if real is None:
                continue
            if differences := tuple(subset(wanted.left, real)):
                found.append(LeftDifference(stack, wanted, real, differences))
    return GatewayLook(scope, entities, tuple(found))


def _environment(scope: Scope) -> EnvironmentStack:
    environment = scope.loaded.environment
    if environment is None:
        raise TypeError("a zone has no gateway")
    return environment


def _entities(scope: Scope) -> Iterator[tuple[str, Wanted]]:
    environment = _environment(scope)
    contract = planned_contract(scope.project, environment)
    for stack in scope.stacks:
        server = environment.servers.get(server_of(stack))
        graph = plan_stack(scope.project, server or environment, contract=contract)
        for wanted in wanted_at_kong(graph.resources, {}, {})[0]:
            yield stack, wanted
