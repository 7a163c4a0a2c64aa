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

from cli.kong_admin import MAX_PAGES, KongAdmin
from model.environment import Gateway
from model.errors import Unreachable
from model.project import EnvironmentStack, ZoneStack
from plan.drift import shown, subset
from plan.drift_kong import Wanted, wanted_at_kong
from plan.offline import plan_stack, planned_contract

if TYPE_CHECKING:
    from cli.deploy import Scope
    from cli.runs import Run

TARGET = "kong:index/target:Target"


class GatewayReader(KongAdmin):
    """Reads entities and whole lists; a list is asked for once."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._lists: dict[str, list[dict[str, Any]] | None] = {}

    def read(self, path: str) -> dict[str, Any] | None:
        """One entity; None when it is not there."""
        return self._call("GET", path, 200, 404)

    def read_all(self, path: str) -> list[dict[str, Any]] | None:
        """Every page of a list; None where what the list belongs to is not there."""
        if path not in self._lists:
            self._lists[path] = self._read_all(path)
        return self._lists[path]

    def entity(self, wanted: Wanted) -> dict[str, Any] | None:
        """The entity as Kong has it; None when it is not there."""
        if not wanted.match:
            return self.read(wanted.path)
        return next((item for item in self.read_all(wanted.path) or [] if wanted.fits(item)), None)

    def change(self, wanted: Wanted, real: dict[str, Any], values: dict[str, Any]) -> None:
        """Put some fields of an entity back, in place."""
        place = wanted.path if not wanted.match else f"/plugins/{quote(str(real.get('id')), safe='')}"
        self._call("PATCH", place, 200, body=values)

    def _read_all(self, path: str) -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = []
        offset: str | None = None
        for _ in range(MAX_PAGES):
            body = self._call("GET", path, 200, 404, params={"offset": offset} if offset else {})
            if body is None:
                return None
            data = body.get("data")
            if not isinstance(data, list):
                raise Unreachable(f"{self.uri}: {path} is not Kong's list")
            found += [one for one in data if isinstance(one, dict)]
            following = body.get("offset")
            if following is None:
                return found
            if not isinstance(following, str) or following == offset:
                break
            offset = following
        raise Unreachable(f"{self.uri}: {path} does not end")


@dataclass(frozen=True)
class LeftDifference:
    """A field that the plan leaves to Kong and that somebody set: the provider puts nothing of it back."""

    stack: str
    wanted: Wanted
    real: dict[str, Any]
    values: dict[str, Any]

    def lines(self) -> Iterator[str]:
        for key, value in sorted(self.values.items()):
            yield f"{self.wanted.what} {key}: {shown(self.real.get(key), key)} → {shown(value, key)}"


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
        with GatewayReader(_environment(self.scope).settings.gateway) as kong:
            for one in self.differences:
                kong.change(one.wanted, one.real, one.values)

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
        with GatewayReader(_environment(self.scope).settings.gateway) as kong:
            for stack, wanted in self.entities:
                if (stack, wanted.what) in gone and kong.entity(wanted) is not None:
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
    with GatewayReader(_environment(scope).settings.gateway) as kong:
        kong.check_version()
        for stack, wanted in entities:
            real = kong.entity(wanted)
            if real is None:
                continue
            values = {path: value for path, value, _ in subset(wanted.left, real)}
            if values:
                found.append(LeftDifference(stack, wanted, real, values))
    return GatewayLook(scope, entities, tuple(found))


def _environment(scope: Scope) -> EnvironmentStack:
    if isinstance(scope.loaded, ZoneStack):
        raise TypeError("a zone has no gateway")
    return scope.loaded if isinstance(scope.loaded, EnvironmentStack) else scope.loaded[0]


def _entities(scope: Scope) -> Iterator[tuple[str, Wanted]]:
    environment = _environment(scope)
    contract = planned_contract(scope.project, environment)
    for stack in scope.stacks:
        server = environment.servers.get(stack.partition(".")[2])
        loaded = environment if server is None else (environment, server)
        graph = plan_stack(scope.project, loaded, contract=contract)
        for wanted in wanted_at_kong(graph.resources, {}, {})[0]:
            yield stack, wanted
