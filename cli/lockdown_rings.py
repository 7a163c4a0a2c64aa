"""The rings of a server closed one after the other from the outside, and opened from the inside.

Closing touches what closes and nothing else that may be pending in the files, and no finding of a check keeps a server
open. Opening is an ordinary `up`, with everything that refuses one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cli import console, deploy, live
from cli.cloudflare_api import TOKEN_VARIABLE, CloudflareApi, token_from_environment
from cli.engine_state import live_resources, outputs
from cli.guard_bundle import OUTPUT
from cli.guard_delivery import Delivered, Guards, deployed_config, last_config, prove, write_bundle
from cli.lockdown import warn_without_bundle
from cli.operations import Operation
from cli.runs import PARALLEL, Run, execute
from cli.workspace import Target
from cli.write import Change, apply
from components.lockdown import closed, edge_urns, gateway_urns, opened
from components.program import declare, load, refuse_other_reading
from model.errors import EngineFailed, InputError, RingwallError
from model.project import EnvironmentStack, Project, load_environment
from plan.graph import Graph
from plan.offline import plan_stack


@dataclass
class Closing:
    """The closing of servers whose stack files say `lockdown` already."""

    project: Project
    #: None where the files cannot be read together; then only guards can be closed, as their last bundles say.
    environment: EnvironmentStack | None
    stacks: Sequence[str]
    operation: Operation
    guards: Guards
    _known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, target: Target | None, *, api: bool, missing: str = "") -> None:
        """Close edge, gateway and guard of every server; each problem is a step that failed.

        Args:
            target: None where there is no engine, as `missing` says.
            api: whether there is a Cloudflare account whose sessions can be ended.
        """
        if target is None or self.environment is None:
            for stack in self.stacks:
                for ring in ("edge", "gateway"):
                    self.operation.step(stack, ring, "failed", f"not closed: {_line(missing)}")
        else:
            self._with_engine(target, self.environment, api)
        written = {stack: self._sign_guard(stack) for stack in self.stacks}
        for stack, bundle in written.items():
            if bundle is not None:
                prove(self.operation, self.guards, stack, bundle, "closed")

    def _with_engine(self, target: Target, environment: EnvironmentStack, api: bool) -> None:
        plans: dict[str, Graph] = {}
        for stack in self.stacks:
            if environment.servers[server_name(stack)].manifest.lockdown is None:
                # Its plan is an open one: bringing that up would close nothing.
                for ring in ("edge", "gateway"):
                    self.operation.step(stack, ring, "failed", "not closed: lockdown is not in its stack file")
            elif self._is_deployed(target, stack):
                try:
                    plans[stack] = plan_stack(self.project, (environment, environment.servers[server_name(stack)]))
                except RingwallError as error:
                    for ring in ("edge", "gateway"):
                        self.operation.step(stack, ring, "failed", f"not closed: {_line(str(error))}")
        self._engine(target, {s: edge_urns(p) for s, p in plans.items()}, "edge", "only deny everyone stands there")
        for stack in plans:
            self._end_sessions(stack, environment, api)
        self._engine(target, {s: gateway_urns(p) for s, p in plans.items()}, "gateway", "it answers 503")
        for stack in plans:
            self._learn(target, stack)

    def _is_deployed(self, target: Target, stack: str) -> bool:
        """False only where the backend says so: whoever cannot be asked is taken for deployed, and closed."""
        try:
            count = live_resources(self.project, stack, target)
        except RingwallError:
            return True
        if count:
            self._learn(target, stack)
            return True
        for ring in ("edge", "gateway"):
            self.operation.step(stack, ring, "left", "not deployed, so there is nothing to close")
        return False

    def _learn(self, target: Target, stack: str) -> None:
        """The stack's outputs; what was known stays where the backend does not answer."""
        try:
            self._known[stack] = outputs(self.project, stack, target=target)
        except EngineFailed as error:
            console.note(f"warning: {stack}: its outputs cannot be read: {error}")

    def _engine(self, target: Target, urns: dict[str, list[str]], ring: str, text: str) -> None:
        runs = {stack: Run(stack, "up") for stack in urns}
        with live.progress(list(runs.values())), ThreadPoolExecutor(max_workers=PARALLEL) as pool:

            def one(stack: str) -> float:
                execute(target, runs[stack], only=urns[stack], program=_closing_program(self.project, stack))
                return self.operation.elapsed

            ended = dict(zip(urns, pool.map(one, urns), strict=True))
        for stack, run in runs.items():
            if run.error is None:
                self.operation.step(stack, ring, "done", f"closed: {text}", ended[stack])
            else:
                self.operation.step(stack, ring, "failed", f"not closed: {_line(run.error)}", ended[stack])

    def _end_sessions(self, stack: str, environment: EnvironmentStack, api: bool) -> None:
        """After the deny policy: before it, whoever is put out signs in again."""
        ring = "sessions"
        if not api:
            self.operation.step(stack, ring, "left", "the sandbox has none")
            return
        ids = self._known.get(stack, {}).get("application_ids")
        token = token_from_environment()
        if not isinstance(ids, dict) or not ids:
            self.operation.step(stack, ring, "failed", "not ended: the stack's outputs name no Access application")
        elif token is None:
            text = f"not ended: whoever is signed in stays so; set {TOKEN_VARIABLE} and run this again"
            self.operation.step(stack, ring, "waiting", text)
        else:

            def work() -> str:
                with CloudflareApi(environment.settings.cloudflare, token) as client:
                    for application in ids.values():
                        client.revoke_sessions(str(application))
                return f"ended, on {len(ids)} Access applications"

            self.operation.attempt(stack, ring, work, failed="not ended")

    def _sign_guard(self, stack: str) -> Delivered | None:
        """The bundle without grants. Its base is the last bundle, which a running guard can change over from without a
        restart, or else what is deployed; neither needs the engine to have closed anything."""
        operation, guards = self.operation, self.guards
        if guards.key is None:
            text = f"not closed: no bundle without grants is signed; run `ringwall lockdown {stack} --reason ... --key FILE`"
            operation.step(stack, "guard", "waiting", text)
            return None
        try:
            config = last = last_config(guards, stack)
            if config is None:
                config = deployed_config(stack, self._known.get(stack, {}))
            if config is None:
                operation.step(stack, "guard", "left", "none is known: nothing is deployed, and no bundle is there")
                return None
            if last is None:
                warn_without_bundle(stack, guards.folder)
            return write_bundle(operation, guards, stack, closed(config))
        except RingwallError as error:
            operation.step(stack, "guard", "failed", f"not closed: {_line(str(error))}")
            return None


@dataclass
class Opening:
    """The way back, for servers whose stack files say `lockdown`. `changes` takes the key out of them."""

    project: Project
    stacks: Sequence[str]
    changes: list[Change]
    operation: Operation
    guards: Guards
    target: Target
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
        from cli.report import fail_on_error, show_preview

        scope = deploy.scope_of(self.project, stack)
        if not live_resources(self.project, stack, self.target):
            return []
        self._scopes[stack] = scope
        self._deployed[stack] = outputs(self.project, stack, target=self.target)
        runs = deploy.preview(self.target, scope)
        show_preview(runs)
        fail_on_error(runs)
        return runs

    def _put_back(self) -> None:
        apply([Change(change.path, change.after, change.before) for change in self.changes])

    def run(self, *, keys: bool) -> None:
        """Open guard, gateway and edge of every server; where one stays closed, the next ones out stay closed too.

        Args:
            keys: whether the gateway's copies of the issuers' keys can be brought up to date, as after every `up`.
        """
        self.operation.begin()
        environment = load_environment(self.project, self.stacks[0].partition(".")[0])
        for stack in self.stacks:
            self.operation.step(stack, "file", "done", "lockdown is out of its stack file; commit it")
            if stack not in self._scopes:
                self.operation.step(stack, "edge", "left", "not deployed, so there is nothing to open")
                continue
            if self._open_guard(environment, stack) and self._open_gateway(stack):
                self._open_edge(stack)
        if keys and self._scopes:
            from cli.up import _sync_keys

            def work() -> str:
                _sync_keys(next(iter(self._scopes.values())))
                return "the issuers' keys are up to date"

            self.operation.attempt(environment.name, "gateway keys", work, failed="not up to date")

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
            config = opened(environment, environment.servers[server_name(stack)], deployed)
            if last_config(self.guards, stack) is None:
                warn_without_bundle(stack, self.guards.folder)
            written = write_bundle(self.operation, self.guards, stack, config)
        except RingwallError as error:
            self.operation.step(
                stack, "guard", "failed", f"still closed, as are the rings before it: {_line(str(error))}"
            )
            return False
        prove(self.operation, self.guards, stack, written, "open")
        return True

    def _open_gateway(self, stack: str) -> bool:
        """Everything of the stack but the edge."""
        return self._engine(stack, "gateway", "open", exclude=self._edge[stack])

    def _open_edge(self, stack: str) -> bool:
        return self._engine(stack, "edge", "open: the policies of the stack file stand again")

    def _engine(self, stack: str, ring: str, text: str, **options: Any) -> bool:
        run = Run(stack, "up")
        with live.progress([run]):
            execute(self.target, run, **options)
        if run.error is not None:
            self.operation.step(stack, ring, "failed", f"still closed: {_line(run.error)}")
            return False
        self.operation.step(stack, ring, "done", text)
        return True


def _closing_program(project: Project, stack: str) -> Callable[[], None]:
    """The stack's own program without the checks that refuse an `up`: it runs for the closing resources alone."""

    def program() -> None:
        import pulumi

        try:
            loaded = load(project, stack)
            refuse_other_reading(loaded)
        except RingwallError as error:
            raise pulumi.RunError(str(error)) from None
        declare(loaded)

    return program


def _line(text: str) -> str:
    return " ".join(text.split())


def server_name(stack: str) -> str:
    return stack.partition(".")[2]
