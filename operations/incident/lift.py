"""Servers opened again from the inside: guard, gateway, edge. It is an ordinary `up`, with everything that refuses one.

What closed them beside the engine is not in its state, so the engine first reads what is there (`refresh`), and the
gateway's own closing plugin and the deny policy are taken away by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.guard.settings import OUTPUT
from engine import deploy
from engine.run import Run, fail_on_error
from engine.runs import execute
from engine.state import live_resources, outputs
from engine.workspace import Target
from model.errors import InputError, RingwallError
from model.project import Project, load, load_environment
from model.stacks import EnvironmentStack, environment_of, server_of
from operations.guard_bundle.delivery import (
    Guards,
    deployed_config,
    last_config,
    prove,
    warn_without_bundle,
    write_bundle,
)
from operations.incident.closing import CLOSED_TAG, closing_plugin_id, closing_policy_name, edge_urns, opened
from operations.incident.closing_services import Edge, Gateway
from operations.incident.lockdown import Place
from operations.journal import Operation
from operations.project.write import Change, apply
from plan.offline import plan_stack


@dataclass
class Opening:
    """The way back, for servers whose stack files say `lockdown`. `changes` takes the key out of them."""

    project: Project
    stacks: Sequence[str]
    changes: list[Change]
    operation: Operation
    guards: Guards
    target: Target
    edge: Callable[[], Edge]
    gateway: Callable[[], Gateway]
    _edge: dict[str, list[str]] = field(default_factory=dict)
    _scopes: dict[str, deploy.Scope] = field(default_factory=dict)
    _deployed: dict[str, dict[str, Any]] = field(default_factory=dict)

    def prepare(self, agreed: Callable[[], bool]) -> bool:
        """Take the key out of the files, preview that and ask; on a no or a problem the files are as they were.

        Raises:
            RingwallError: it must not be opened as its files are, or the engine cannot preview it.
        """
        for stack in self.stacks:
            loaded = load(self.project, stack)
            # The deny policy is in this plan and not in the next; it must outlive the first run.
            self._edge[stack] = edge_urns(plan_stack(self.project, loaded))
        apply(self.changes)
        try:
            previews = [run for stack in self.stacks for run in self._preview(stack)]
            deploy.refuse_gaps(previews)
            if agreed():
                return True
        except BaseException:
            self._put_back()
            raise
        self._put_back()
        return False

    def _preview(self, stack: str) -> list[Run]:
        scope = deploy.scope_of(self.project, stack)
        if not live_resources(self.project, stack, self.target):
            return []
        self._scopes[stack] = scope
        self._deployed[stack] = outputs(self.project, stack, target=self.target)
        runs = deploy.preview(self.target, scope)
        # The engine refuses to leave out what it has never heard of: the deny policy, where no `up` ran while it was closed.
        known = {change.urn for run in runs for change in run.steps.changes.values()}
        self._edge[stack] = [urn for urn in self._edge[stack] if urn in known]
        self.operation.progress.changes(runs)
        fail_on_error(runs)
        return runs

    def _put_back(self) -> None:
        apply([Change(change.path, change.after, change.before) for change in self.changes])

    def run(self, *, keys: Callable[[EnvironmentStack], None] | None) -> None:
        """Open guard, gateway and edge of every server; where one stays closed, the next ones out stay closed too.

        Args:
            keys: brings the gateway's copies of the issuers' keys up to date, as after every `up`; None without a gateway.
        """
        self.operation.begin()
        environment = load_environment(self.project, environment_of(self.stacks[0]))
        for stack in self.stacks:
            self.operation.step(stack, "file", "done", "lockdown is out of its stack file; commit it")
            if stack not in self._scopes:
                self._open_foreign(environment, stack)
                continue
            if self._open_guard(environment, stack) and self._open_gateway(stack) and self._open_edge(stack):
                self._say_still_shut(environment, stack)
        if self._scopes:
            self._remove_policy(environment.name)
        if keys is not None and self._scopes:
            sync = keys

            def work() -> str:
                sync(environment)
                return "the issuers' keys are up to date"

            self.operation.attempt(environment.name, "gateway keys", work, failed="not up to date")

    def _open_foreign(self, environment: EnvironmentStack, stack: str) -> None:
        """What this backend does not know was not deployed, or by a program of somebody's own, which alone can open its
        applications again; what a lockdown put at the gateway is Ringwall's to take away."""

        def gateway() -> str:
            had = open_gateway(self.gateway(), [stack])
            return "open; its workers take that over within seconds" if had else "no lockdown's closing is there"

        def edge() -> str:
            shut = self._still_shut(environment, stack)
            if shut:
                raise InputError(
                    f"{' and '.join(shut)} denies everyone, and no stack of this backend has it",
                    remedy="run `pulumi up --refresh` in the program that deployed it",
                )
            return "no Access application of it denies everyone"

        self.operation.attempt(stack, "gateway", gateway, failed="not known to be open")
        self.operation.attempt(stack, "edge", edge, failed="still closed, or not known")

    def _still_shut(self, environment: EnvironmentStack, stack: str) -> list[str]:
        """Names of applications before the server's host names that deny everyone; raises RingwallError."""
        place = Place.from_manifest(stack, environment.servers[server_of(stack)].manifest, environment.settings)
        return [
            application.name
            for application in self.edge().applications()
            if place.stands_before(application) and application.is_closed
        ]

    def _open_guard(self, environment: EnvironmentStack, stack: str) -> bool:
        if self.guards.key is None:
            text = (
                f"closed until its bundle is signed: run `ringwall guard bundle {stack} --key FILE` when this is done"
            )
            self.operation.step(stack, "guard", "waiting", text)
            return True
        try:
            deployed = deployed_config(stack, self._deployed[stack])
            if deployed is None:
                raise InputError(f"{stack} exports no {OUTPUT}", remedy=f"run `ringwall up {stack}`")
            config = opened(environment, environment.servers[server_of(stack)], deployed)
            if last_config(self.guards, stack) is None:
                warn_without_bundle(stack, self.guards.folder, self.operation.progress.note)
            written = write_bundle(self.operation, self.guards, stack, config)
        except RingwallError as error:
            self.operation.step(
                stack, "guard", "failed", f"still closed, as are the rings before it: {_line(str(error))}"
            )
            return False
        prove(self.operation, self.guards, stack, written, "open")
        return True

    def _open_gateway(self, stack: str) -> bool:
        """Everything of the stack but the edge, and then what closed the gateway beside the engine."""
        if not self._engine(stack, "gateway", exclude=self._edge[stack]):
            return False

        def work() -> str:
            self.gateway().remove_plugin(closing_plugin_id(environment_of(stack), server_of(stack)))
            return "open; its workers take that over within seconds"

        return self.operation.attempt(stack, "gateway", work, failed="still closed").state == "done"

    def _open_edge(self, stack: str) -> bool:
        if not self._engine(stack, "edge"):
            return False
        self.operation.step(stack, "edge", "done", "open: the policies of the stack file stand again")
        return True

    def _say_still_shut(self, environment: EnvironmentStack, stack: str) -> None:
        """An application that is not the stack's was closed with it, as it stands before the same host name."""
        try:
            shut = self._still_shut(environment, stack)
        except RingwallError as error:
            self.operation.progress.note(
                f"warning: {stack}: whether another application denies everyone is not known: {_line(str(error))}"
            )
            return
        if shut:
            text = f"{' and '.join(shut)} is not of this stack and still denies everyone: give it its policies back"
            self.operation.step(stack, "edge", "waiting", text)

    def _remove_policy(self, environment: str) -> None:
        """The deny policy that closing made, once no application has it any more; until then it harms nobody."""
        name = closing_policy_name(environment)
        try:
            self.edge().remove_closing_policy(name)
        except RingwallError as error:
            self.operation.progress.note(
                f"warning: Access policy {name} may be left over; nothing uses it: {_line(str(error))}"
            )

    def _engine(self, stack: str, ring: str, **options: Any) -> bool:
        run = Run(stack, "up")
        with self.operation.progress.running([run]):
            execute(self.target, run, refresh=True, **options)
        if run.error is not None:
            self.operation.step(stack, ring, "failed", f"still closed: {_line(run.error)}")
            return False
        return True


def open_gateway(gateway: Gateway, stacks: Sequence[str]) -> list[str]:
    """Take the closing plugin away from servers whose files say no more that they are closed; gives those that had one."""
    plugins = set(gateway.plugins(CLOSED_TAG))
    closed = [stack for stack in stacks if closing_plugin_id(environment_of(stack), server_of(stack)) in plugins]
    for stack in closed:
        gateway.remove_plugin(closing_plugin_id(environment_of(stack), server_of(stack)))
    return closed


def _line(text: str) -> str:
    return " ".join(text.split())
