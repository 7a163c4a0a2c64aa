"""One run of `drift`: the stacks it compares, and what it has read of them so far.

Each thing is read once and then kept for the rest of the run. How the readings are compared stands in `sources`, for the
guard and the server in `guard`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from model.errors import NoSuchStack, Unreachable
from model.stacks import EnvironmentStack, PerimeterStack, ServerStack, has_guard

if TYPE_CHECKING:
    from engine.workspace import Target
    from model.project import Project
    from model.stacks import Stack
    from wire.mcp import ServerOffer


@dataclass
class Deployed:
    """What the engine has recorded of one stack: inputs by URN, outputs by resource name, the stack's own outputs."""

    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    exported: dict[str, Any] = field(default_factory=dict)
    exists: bool = False


@dataclass
class DriftComparison:
    """The stacks that one run of `drift` compares, and its readings of them."""

    project: Project
    target: Target
    loaded: Stack
    stacks: tuple[str, ...]
    timeout: float = 10.0
    guard_url: str | None = None
    on_host: bool = False
    _deployed: dict[str, Deployed] = field(default_factory=dict)
    _offers: dict[str, ServerOffer] = field(default_factory=dict)

    @property
    def environment(self) -> EnvironmentStack | None:
        return self.loaded.environment

    @property
    def servers(self) -> list[ServerStack]:
        return list(self.loaded.reach)

    @property
    def guarded(self) -> list[PerimeterStack]:
        """Everything that has a guard: the servers, and the model routes that do."""
        return list(filter(has_guard, self.loaded.perimeters))

    def deployed(self, stack: str) -> Deployed:
        """What the engine has recorded of a stack, read once; raises EngineFailed, EngineMissing."""
        if stack not in self._deployed:
            self._deployed[stack] = _read_deployed(self.target, stack)
        return self._deployed[stack]

    def known(self, stack: str) -> dict[str, dict[str, Any]]:
        """Recorded outputs by resource name: the stack's own and its environment's."""
        known: dict[str, dict[str, Any]] = {}
        if self.environment is not None and stack != self.environment.name:
            known.update(self.deployed(self.environment.name).outputs)
        known.update(self.deployed(stack).outputs)
        return known

    def offer(self, server: ServerStack) -> ServerOffer:
        """What the running server offers to a client such as its lock was made with. It is asked once.

        Raises:
            Unreachable: the server does not answer, or is a command of another host.
        """
        from operations.onboard.offer import ask_server

        if server.manifest.origin.command and not self.on_host:
            raise Unreachable(
                "the server is a command that only its own host starts", remedy="run this there with --on-host"
            )
        if server.stack not in self._offers:
            self._offers[server.stack] = ask_server(
                server.manifest.origin, self.timeout, server.lock.server.client_capabilities
            )
        return self._offers[server.stack]


def _read_deployed(target: Target, stack: str) -> Deployed:
    from engine.state import outputs
    from engine.workspace import workspace

    try:
        with workspace(target, stack) as selected:
            resources = (selected.export_stack().deployment or {}).get("resources") or []
    except NoSuchStack:
        return Deployed()
    deployed = Deployed(exists=any(not resource["type"].startswith("pulumi:") for resource in resources))
    for resource in resources:
        name = resource["urn"].rsplit("::", 1)[-1]
        deployed.inputs[resource["urn"]] = dict(resource.get("inputs") or {})
        deployed.outputs[name] = {**(resource.get("outputs") or {}), "id": resource.get("id")}
    deployed.exported = outputs(target.project, stack, target=target)
    return deployed
