"""Closes servers at Cloudflare and Kong directly, edge and gateway in parallel, and then at their guards.

Nothing here needs the backend, the engine or its secrets. Applications and routes are found at Cloudflare and Kong by name
and host name, so a server that another program deployed (docs/howto/package.md), or whose state is out of reach, is closed
like any other. A ring is called closed only where the service itself said so, or was seen to refuse. Opening is in `lift`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf

from components.gateway.entities import endpoint_paths
from components.gateway.names import entity_name, tags
from engine.progress import Note
from engine.state import outputs
from engine.workspace import Target
from model.environment import Environment
from model.errors import NoSuchStack, RingwallError
from model.project import Project, config_of, manifest_key
from model.stacks import PerimeterManifest, environment_of, server_of
from operations.guard_bundle.delivery import (
    Delivered,
    Guards,
    deployed_config,
    last_config,
    prove,
    warn_without_bundle,
    write_bundle,
)
from operations.incident.closing import closed, closing_plugin, closing_plugin_id, closing_policy_name
from operations.incident.closing_services import EdgeService, GatewayService
from operations.incident.gateway_proof import Clock, GatewayProof, by_data_planes, by_requests
from operations.journal import Operation
from wire.cloudflare import AccessApplication
from wire.kong import DataPlane

#: Requests to one service at a time.
AT_ONCE = 16
RINGS = ("edge", "sessions", "gateway", "guard")


@dataclass(frozen=True)
class Place:
    """How a server is found: its names at Cloudflare and Kong, and the address of the gateway on its host."""

    stack: str
    environment: str
    server: str
    hostnames: tuple[str, ...] = ()
    application_names: tuple[str, ...] = ()
    #: URL of the gateway's proxy on the server's own host.
    proxy: str | None = None
    #: False for a model route whose file says that it has no guard.
    guarded: bool = True

    @classmethod
    def from_manifest(
        cls, stack: str, manifest: PerimeterManifest | None, settings: Environment | None, known: Sequence[str] = ()
    ) -> Place:
        """From a manifest, as far as it could be read; `known` are host names from elsewhere, such as the last bundle."""
        environment, server = environment_of(stack), server_of(stack)
        clients: list[str | None] = [None]
        names, proxy = list(known), None
        if manifest is not None:
            names += manifest.hostnames
            clients = list(manifest.hostnames.values())
            host = settings.hosts.get(manifest.host) if settings else None
            proxy = f"http://127.0.0.1:{host.gateway_port}{endpoint_paths(manifest)[0]}" if host else None
        applications = tuple(f"{environment}-{server}" + (f"-{client}" if client else "") for client in clients)
        guarded = manifest is None or manifest.guard is not None
        return cls(stack, environment, server, tuple(dict.fromkeys(names)), applications, proxy, guarded)

    def stands_before(self, application: AccessApplication) -> bool:
        """Whether an application is this server's: by its name, or by a host name."""
        return application.name in self.application_names or not application.hosts.isdisjoint(self.hostnames)


@dataclass
class Closing:
    """The closing of several servers. `command` is the command line that messages tell the user to run again.

    Every problem becomes a failed step; none keeps the next ring, or another server, open.
    """

    project: Project
    places: Sequence[Place]
    operation: Operation
    guards: Guards
    command: str
    #: False in the sandbox, where there are no sessions to end and no gateway that answers requests.
    real: bool = True
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, edge: Callable[[], EdgeService], gateway: Callable[[], GatewayService], target: Target) -> None:
        """Close edge, gateway and guard of every server.

        Raises:
            KeyboardInterrupt: the command was interrupted; a step of every ring says whether it is closed.
        """
        try:
            with ThreadPoolExecutor(2) as pool:
                try:
                    tasks = [
                        ("edge", pool.submit(self._edges, edge)),
                        ("gateway", pool.submit(self._gateways, gateway)),
                    ]
                    for ring, task in tasks:
                        self._settle(ring, task.exception())
                except BaseException:
                    self.stopped.set()
                    raise
            self._close_guards(target)
        except KeyboardInterrupt:
            self._say_interrupted()
            raise

    def _settle(self, ring: str, defect: BaseException | None) -> None:
        """Turn an unexpected exception of a ring into failed steps, so that the next ring is closed all the same, and no
        server counts as closed without proof."""
        if defect is None:
            return
        reported = {step.stack for step in self.operation.steps if step.ring == ring}
        for place in self.places:
            if place.stack not in reported:
                problem = f"{type(defect).__name__}: {' '.join(str(defect).split())}"
                text = f"not known to be closed: {problem} (a defect; report it)"
                self.operation.step(place.stack, ring, "failed", text)

    def _say_interrupted(self) -> None:
        reported = {(step.stack, step.ring) for step in self.operation.steps}
        for place in self.places:
            for ring in RINGS:
                if (place.stack, ring) not in reported:
                    text = f"interrupted before it was known to be closed, so take it for open; run `{self.command}`"
                    self.operation.step(place.stack, ring, "failed", text)

    def _each(self, places: Sequence[Place], work: Callable[[Place], None], at_once: int = AT_ONCE) -> None:
        """Run `work` for every place in parallel. After an interruption no further place is begun."""
        if not places:
            return
        with ThreadPoolExecutor(min(at_once, len(places))) as pool:
            try:
                list(pool.map(lambda place: None if self.stopped.is_set() else work(place), places))
            except BaseException:
                self.stopped.set()
                raise

    def _failed(self, place: Place, ring: str, error: RingwallError, consequence: str) -> None:
        line = " ".join(str(error).split())
        self.operation.step(
            place.stack, ring, "failed", f"{consequence}: {line}. When that is put right, run `{self.command}`"
        )

    # -- edge ---------------------------------------------------------------------------------------------------------

    def _edges(self, connect: Callable[[], EdgeService]) -> None:
        still = "still open, nothing was changed there"
        try:
            edge = connect()
            applications = edge.applications()
            by_stack = {
                place.stack: [application for application in applications if place.stands_before(application)]
                for place in self.places
            }
            open_ = any(not application.is_closed for owned in by_stack.values() for application in owned)
            policy = edge.closing_policy(closing_policy_name(self.places[0].environment)) if open_ else ""
        except RingwallError as error:
            for place in self.places:
                self._failed(place, "edge", error, still)
            return

        def work(place: Place) -> None:
            try:
                if not by_stack[place.stack]:
                    self._without_application(edge, place)
                    return
                for application in by_stack[place.stack]:
                    if not application.is_closed:
                        edge.deny_everyone(application, policy)
            except RingwallError as error:
                self._failed(place, "edge", error, "not known to be closed")
                return
            names = " and ".join(sorted(application.name for application in by_stack[place.stack]))
            self.operation.step(place.stack, "edge", "done", f"closed: Cloudflare says that {names} denies everyone")
            self._end_sessions(edge, place, by_stack[place.stack])

        self._each(self.places, work)

    def _without_application(self, edge: EdgeService, place: Place) -> None:
        """Report a server without an Access application: where one of its host names resolves, it is open."""
        names = " or ".join(place.application_names)
        bare = [name for name in place.hostnames if edge.resolves(name)]
        if bare:
            text = (
                f"open: {bare[0]} has a DNS record, and no Access application ({names}) stands before it; delete the record "
                f"in the dashboard, then run `{self.command}`"
            )
            self.operation.step(place.stack, "edge", "failed", text)
        elif not place.hostnames:
            text = (
                f"not known to be closed: Cloudflare has no Access application {names}, and the server's host names are not "
                "known here to look by; look for its applications in the dashboard under Access, Applications"
            )
            self.operation.step(place.stack, "edge", "failed", text)
        else:
            hosts = " and ".join(place.hostnames)
            text = f"Cloudflare has neither an Access application {names} nor a DNS record of {hosts} in this account"
            self.operation.step(place.stack, "edge", "left", text)

    def _end_sessions(self, edge: EdgeService, place: Place, applications: Sequence[AccessApplication]) -> None:
        """End the applications' sessions. This comes after the deny policy: before it, people would just sign in again."""
        if not self.real:
            self.operation.step(place.stack, "sessions", "left", "the sandbox has none")
            return
        try:
            for application in applications:
                edge.revoke_sessions(application.id)
        except RingwallError as error:
            self._failed(place, "sessions", error, "not ended, so whoever is signed in stays so")
            return
        self.operation.step(place.stack, "sessions", "done", f"ended, on {len(applications)} Access applications")

    # -- gateway ------------------------------------------------------------------------------------------------------

    def _gateways(self, connect: Callable[[], GatewayService]) -> None:
        try:
            gateway = connect()
            routes = gateway.routes(tags(self.places[0].environment)[-1])
            frequency = gateway.worker_frequency()
            planes = gateway.data_planes()
        except RingwallError as error:
            for place in self.places:
                self._failed(place, "gateway", error, "still open, nothing was changed there")
            return
        closed_places: list[Place] = []

        def work(place: Place) -> None:
            name = entity_name(place.environment, place.server, "mcp")
            try:
                route = routes.get(name) or gateway.route_id(name)
                if route is None:
                    text = f"Kong says that it has no route {name}"
                    self.operation.step(place.stack, "gateway", "left", text)
                    return
                plugin = closing_plugin(place.environment, place.server, self.operation.id)
                gateway.put_plugin(closing_plugin_id(place.environment, place.server), route, plugin)
            except RingwallError as error:
                self._failed(place, "gateway", error, "not known to be closed")
                return
            closed_places.append(place)

        self._each(self.places, work)
        if not self.real:
            for place in closed_places:
                text = "closed: it answers 503; the sandbox has no gateway that could show it"
                self.operation.step(place.stack, "gateway", "done", text)
            return
        shared = _Once(lambda: self._by_data_planes(gateway, planes, frequency))
        self._each(closed_places, lambda place: self._prove_gateway(place, frequency, shared), at_once=64)

    def _prove_gateway(self, place: Place, frequency: float, planes: _Once) -> None:
        clock = Clock(pause=self.stopped.wait)
        proof = GatewayProof(False, False, "its proxy's address is not known here")
        if place.proxy is not None and place.hostnames:
            proof = by_requests(
                place.proxy,
                place.hostnames[0],
                self.operation.id,
                frequency=frequency,
                wait=self.guards.wait,
                clock=clock,
            )
        direct = proof
        try:
            proof = proof if proof.answered else planes.value
        except RingwallError as error:
            proof = GatewayProof(False, False, str(error))
        if proof.closed:
            self.operation.step(place.stack, "gateway", "done", f"closed, and shown: {proof.text}")
            return
        reason = proof.text if proof.answered else f"{direct.text}, and {proof.text}"
        hostname, proxy = (place.hostnames or ("HOSTNAME",))[0], place.proxy or "http://127.0.0.1:8000/mcp"
        text = (
            f"Kong's Admin API has taken the closing, but whether its proxies have is not known: {reason}. On the gateway's "
            f"host run `curl -si -X POST -H 'Host: {hostname}' {proxy}` until it says 503 every time"
        )
        self.operation.step(place.stack, "gateway", "waiting", text)

    def _by_data_planes(
        self, gateway: GatewayService, before: Sequence[DataPlane] | None, frequency: float
    ) -> GatewayProof:
        if before is None:
            return GatewayProof(False, False, "Kong is no control plane whose data planes could be asked")
        clock = Clock(pause=self.stopped.wait)
        return by_data_planes(gateway.data_planes, before, frequency=frequency, wait=self.guards.wait, clock=clock)

    # -- guard --------------------------------------------------------------------------------------------------------

    def _close_guards(self, target: Target) -> None:
        written: dict[str, Delivered] = {}
        for place in self.places:
            bundle = self._sign(place, target)
            if bundle is not None:
                written[place.stack] = bundle
        proofs = [place for place in self.places if place.stack in written]

        def work(place: Place) -> None:
            # The clock jumps to infinity when the command is interrupted, which ends the wait.
            prove(self.operation, self.guards, place.stack, written[place.stack], "closed", clock=self._until_stopped)

        self._each(proofs, work)

    def _until_stopped(self) -> float:
        return inf if self.stopped.is_set() else time.monotonic()

    def _sign(self, place: Place, target: Target) -> Delivered | None:
        """Sign and write a bundle without grants. It is made from the last bundle, so that a running guard can load it
        without a restart, or else from the deployed configuration; the backend is asked only where there is no bundle."""
        operation, guards, stack = self.operation, self.guards, place.stack
        if not place.guarded:
            operation.step(stack, "guard", "left", "it has none: edge and gateway close it")
            return None
        if guards.key is None:
            text = f"still open: no --key was given to sign a bundle without grants; run `{self.command} --key FILE`"
            operation.step(stack, "guard", "waiting", text)
            return None
        try:
            config = last = last_config(guards, stack)
            if config is None:
                try:
                    config = deployed_config(stack, outputs(self.project, stack, target=target))
                except NoSuchStack:
                    config = None
            if config is None:
                text = (
                    f"no bundle of it is in {guards.folder.resolve()} and the backend does not know it; if a guard of it "
                    f"runs, run `{self.command} --bundles DIR` with the folder of its bundles"
                )
                operation.step(stack, "guard", "waiting", text)
                return None
            if last is None:
                warn_without_bundle(stack, guards.folder, operation.progress.note)
            return write_bundle(operation, guards, stack, closed(config))
        except RingwallError as error:
            self._failed(place, "guard", error, "still open")
            return None


class _Once:
    """A value that the first caller computes and all others share."""

    def __init__(self, work: Callable[[], GatewayProof]) -> None:
        self._work, self._lock = work, threading.Lock()
        self._value: GatewayProof | None = None

    @property
    def value(self) -> GatewayProof:
        with self._lock:
            if self._value is None:
                self._value = self._work()
            return self._value


def places_of(
    project: Project,
    stacks: Sequence[str],
    manifests: Mapping[str, PerimeterManifest],
    settings: Environment | None,
    guards: Guards,
    note: Note,
) -> list[Place]:
    """How each server is found: by its manifest as far as its file can be read, and by its last bundle."""
    return [
        Place.from_manifest(stack, manifests.get(stack), settings, _known_hostnames(project, stack, guards, note))
        for stack in stacks
    ]


def _known_hostnames(project: Project, stack: str, guards: Guards, note: Note) -> list[str]:
    """Host names in a server's last bundle and its stack file, also where the file as a whole is refused."""
    from model.loader import read

    names: list[str] = []
    try:
        config = last_config(guards, stack)
        if config is not None and config.identity.access:
            names += [door.hostname for door in config.identity.access.front_doors]
    except RingwallError as error:
        note(f"warning: {stack}: the host names in its last bundle cannot be read: {' '.join(str(error).split())}")
    try:
        document = read(project.stack_file(stack))
        manifest = config_of(document).get(manifest_key(document, stack))
    except RingwallError:
        return names
    hosted = (manifest.get("access") or {}).get("hosted_clients") if isinstance(manifest, dict) else None
    for entry in [manifest, *(hosted.values() if isinstance(hosted, dict) else ())]:
        if isinstance(entry, dict) and isinstance(entry.get("hostname"), str):
            names.append(entry["hostname"])
    return names
