"""Opens closed servers again, from the inside out: guard, gateway, edge.

It is an ordinary `up`, with every check that can refuse one. What closed the servers without the engine is not in its
state: so the engine refreshes first, and the gateway's closing plugin and the deny policy are removed here.
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
from model.stacks import EnvironmentStack, environment_of, has_guard, server_of
from operations.guard_bundle.delivery import (
    Guards,
    deployed_config,
    last_config,
    prove,
    warn_without_bundle,
    write_bundle,
)
from operations.incident.closing import CLOSED_TAG, closing_plugin_id, closing_policy_name, edge_urns, opened
from operations.incident.closing_services import EdgeService, GatewayService
from operations.incident.lockdown import Place
from operations.journal import Operation
from operations.project.write import FileChange, apply
from plan.offline import plan_stack


@dataclass
class Opening:
    """The opening of servers whose stack files say `lockdown`. `changes` removes that key from the files."""

    project: Project
    stacks: Sequence[str]
    changes: list[FileChange]
    operation: Operation
    guards: Guards
    target: Target
    edge: Callable[[], EdgeService]
    gateway: Callable[[], GatewayService]
    _edge: dict[str, list[str]] = field(default_factory=dict)
    _scopes: dict[str, deploy.Scope] = field(default_factory=dict)
    _deployed: dict[str, dict[str, Any]] = field(default_factory=dict)

    def prepare(self, agreed: Callable[[], bool]) -> bool:
        """Take the key out of the files, show the preview and ask. On a no or an error the files are put back.

        Raises:
            RingwallError: a server must not be opened with these files, or the engine cannot preview it.
        """
        for stack in self.stacks:
            loaded = load(self.project, stack)
            # The deny policy is in this plan and not in the next. It must outlive the first run, which opens the gateway.
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
        # The engine refuses to exclude a URN that it does not know: the deny policy, where no `up` ran in between.
        known = {change.urn for run in runs for change in run.steps.changes.values()}
        self._edge[stack] = [urn for urn in self._edge[stack] if urn in known]
        self.operation.progress.changes(runs)
        fail_on_error(runs)
        return runs

    def _put_back(self) -> None:
        apply([FileChange(change.path, change.after, change.before) for change in self.changes])

    def run(self, *, keys: Callable[[EnvironmentStack], None] | None) -> None:
        """Open guard, gateway and edge of every server; where a ring stays closed, the rings before it stay closed too.

        Args:
            keys: syncs the issuers' keys at the gateway, as after every `up`; None without a gateway.
        """
        self.operation.begin()
        environment = load_environment(self.project, environment_of(self.stacks[0]))
        advice = "; commit it" if keys is not None else ""  # a rehearsal leaves the file as it was
        for stack in self.stacks:
            self.operation.step(stack, "file", "done", f"lockdown is out of its stack file{advice}")
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
        """Open a server that this backend does not know: it is not deployed, or another program deployed it. Ringwall
        removes its own plugin at the gateway; only that program can give the Access applications their policies back."""

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
        """Names of the server's Access applications that deny everyone; raises RingwallError."""
        place = Place.from_manifest(stack, environment.member(server_of(stack)).manifest, environment.settings)
        return [
            application.name
            for application in self.edge().applications()
            if place.stands_before(application) and application.is_closed
        ]

    def _open_guard(self, environment: EnvironmentStack, stack: str) -> bool:
        if not has_guard(environment.member(server_of(stack))):
            self.operation.step(stack, "guard", "left", "it has none")
            return True
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
            config = opened(environment, environment.member(server_of(stack)), deployed)
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
        """Run `up` for all of the stack but its edge, then remove the plugin that closed the gateway without the engine."""
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
        """Report applications that are not the stack's own: they were closed with it, as they have the same host name."""
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
        """Remove the deny policy that the closing made, if no application uses it any more. One that stays does no harm."""
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


def open_gateway(gateway: GatewayService, stacks: Sequence[str]) -> list[str]:
    """Remove the closing plugin of servers whose files no longer say `lockdown`; returns the stacks that had one."""
    plugins = set(gateway.plugins(CLOSED_TAG))
    closed = [stack for stack in stacks if closing_plugin_id(environment_of(stack), server_of(stack)) in plugins]
    for stack in closed:
        gateway.remove_plugin(closing_plugin_id(environment_of(stack), server_of(stack)))
    return closed


def _line(text: str) -> str:
    return " ".join(text.split())
