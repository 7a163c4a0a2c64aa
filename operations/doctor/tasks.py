"""The checks and tasks for the stacks that the doctor examines: files and plan are checked here, each service by a task.

The checks of a service are in the module with its name; running the tasks is in `checks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from components.gateway.names import ACCESS
from model.clients import client_name
from model.cross_checks import missing_secrets
from model.errors import InputError, RingwallError
from model.known_clients import KNOWN_CLIENTS
from model.loader import Document
from model.logpush import pushed_fields
from model.project import Project, config_of, load
from model.resource_types import is_resource
from model.stacks import EnvironmentStack, PerimeterStack, Stack, ZoneStack
from model.text import counted
from operations.doctor.authorities import judge as judge_authority
from operations.doctor.checks import Check, Task, ok
from operations.doctor.cloudflare import IDS as CLOUDFLARE_IDS
from operations.doctor.cloudflare import Account, incident_permissions, permissions_for
from operations.doctor.cloudflare import check as check_cloudflare
from operations.doctor.cloudflare import ids as cloudflare_ids
from operations.doctor.guard import VENDOR_IDS, asks_vendors, is_host, vendors
from operations.doctor.guard import check as check_guard
from operations.doctor.issuers import CheckedIssuer
from operations.doctor.issuers import check as check_issuer
from operations.doctor.kong import IDS as KONG_IDS
from operations.doctor.kong import GatewayPlan
from operations.doctor.kong import check as check_kong
from plan.graph import Graph
from plan.offline import plan_stack, planned_contract

ENGINE_IDS = ("engine.found", "engine.plugins")
_KONG_PLUGIN = "kong:index/plugin:Plugin"


@dataclass
class Work:
    """The checks that are finished already, and the tasks that remain to be run."""

    checks: list[Check] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)


def engine_task(*, sandbox: bool = False) -> Task:
    """The task for the engine and its plugins; it runs their programs and sends no request."""
    return Task(ENGINE_IDS, lambda: engine_checks(sandbox=sandbox), network=False)


def engine_checks(*, sandbox: bool = False) -> Iterator[Check]:
    from engine.locate import explain, find
    from engine.plugins import plugins_missing, required_plugins

    engine = find()
    if engine is None:
        reasons = "; ".join(candidate.reason for candidate in explain())
        remedy = "run `ringwall engine install`; plan, check, diff and lock need none"
        yield Check("engine.found", "error", f"no usable Pulumi engine ({reasons})", remedy)
        yield Check("engine.plugins", "skipped", "needs an engine")
        return
    explained = explain() if engine.source == "cache" else []
    tampered = [candidate.reason for candidate in explained if candidate.source == "cache" and not candidate.usable]
    if tampered:
        yield Check("engine.found", "error", tampered[0], "run `ringwall engine install`")
    else:
        yield ok("engine.found", f"Pulumi {engine.version} at {engine.path}")
    if sandbox:
        yield Check("engine.plugins", "skipped", "a rehearsal has stand-ins for them")
        return
    missing = plugins_missing(engine)
    if missing:
        names = ", ".join(str(plugin) for plugin in missing)
        remedy = "run `ringwall engine install --plugins` (not needed with --sandbox)"
        yield Check("engine.plugins", "error", f"missing: {names}", remedy)
    else:
        yield ok("engine.plugins", ", ".join(str(plugin) for plugin in required_plugins()))


def work_for(project: Project, stacks: Sequence[str], *, host: str | None, secrets: bool = True) -> Work:
    """Read and plan each stack. A stack that cannot be read becomes a failed check, and the other stacks are examined still.

    Args:
        stacks: environments, servers (`dev.github`) or zones (`zone.example`).
        host: the key of this machine under `hosts`; None compares the machine's name.
        secrets: whether the stacks' own encrypted keys must be there; a rehearsal needs none.
    """
    work = Work()
    for stack in stacks:
        try:
            loaded = load(project, stack)
        except RingwallError as error:
            for problem in error.each:
                work.checks.append(
                    Check("project.files", "error", problem.summary, problem.remedy or "correct it", stack)
                )
            continue
        missing = _missing_secrets(loaded) if secrets else []
        for secret in missing:
            text = f"{secret.file}: {secret.key} {secret.problem}"
            work.checks.append(Check("project.files", "error", text, secret.remedy, stack))
        if not missing:
            work.checks.append(ok("project.files", f"{project.stack_file(stack).name} is good", stack))
        if isinstance(loaded, ZoneStack):
            _zone(work, project, loaded)
        elif isinstance(loaded, EnvironmentStack):
            _environment(work, project, loaded, list(loaded.perimeters), host, stack)
        else:
            _environment(work, project, loaded.environment, [loaded], host, stack)
    if host is not None and not any(_knows(project, stack, host) for stack in stacks):
        raise InputError(
            f"no environment of these stacks has a host {host}", key="--host", remedy="name a key of its hosts"
        )
    return work


def _missing_secrets(loaded: Stack) -> list[InputError]:
    return missing_secrets([loaded, *(loaded.perimeters if isinstance(loaded, EnvironmentStack) else ())])


def _knows(project: Project, stack: str, host: str) -> bool:
    try:
        environment = load(project, stack).environment
    except RingwallError:
        return True  # its own error is reported already
    return environment is not None and host in environment.settings.hosts


def _zone(work: Work, project: Project, zone: ZoneStack) -> None:
    cloudflare = zone.manifest.cloudflare
    graph = plan_stack(project, zone)
    account = Account(
        cloudflare.api, cloudflare.zone, cloudflare.zone_id, None, None, _types([graph]), _holds(zone.document), False,
        zone.stack,
    )  # fmt: skip
    work.tasks.append(_cloudflare_task(account))


def _environment(
    work: Work,
    project: Project,
    environment: EnvironmentStack,
    perimeters: list[PerimeterStack],
    host: str | None,
    stack: str,
) -> None:
    settings = environment.settings
    if stack == environment.stack:
        authorities = sorted(settings.client_authorities.items())
        work.checks += [judge_authority(name, item, datetime.now(UTC), stack) for name, item in authorities]
    graphs = _planned(work, project, environment, perimeters, stack)
    if graphs is not None:
        account = Account(
            api=settings.cloudflare.api,
            zone=settings.cloudflare.zone,
            zone_id=settings.cloudflare.zone_id,
            account_id=settings.cloudflare.account_id,
            team=settings.cloudflare.team,
            types=_types(graphs),
            secret_in_stack=_holds(environment.document),
            is_environment=stack == environment.stack,
            subject=stack,
            hosted_clients=_hosted(perimeters),
            logpush={name: pushed_fields(name, pushed) for name, pushed in sorted(settings.logpush.items())},
        )
        work.tasks.append(_cloudflare_task(account))
        plan = GatewayPlan(
            settings,
            _plugins(graphs),
            environment.name,
            _holds(environment.document, "kong:kongAdminToken"),
            tuple(project.environments()),
        )
        needs = {"gateway.plugins": f"the plan needs {', '.join(plan.plugins)}"}
        work.tasks.append(Task(KONG_IDS, lambda: check_kong(plan), environment.name, needs=needs))
    for issuer in _issuers(environment, perimeters, is_environment=stack == environment.stack):
        work.tasks.append(Task(issuer.ids, _issuer_run(issuer), issuer.name))
    for perimeter in perimeters:
        is_local = is_host(perimeter.manifest.host, host)
        work.tasks.append(
            Task(("server.lock",), _guard_run(environment, perimeter, is_local), perimeter.stack, network=False)
        )
        if is_local and asks_vendors(perimeter.manifest):
            work.tasks.append(Task(VENDOR_IDS, _vendors_run(perimeter), perimeter.stack))


def _hosted(servers: Sequence[PerimeterStack]) -> tuple[str, ...]:
    """The clients of these servers that call from their vendor's cloud."""
    names = {name for server in servers for name in server.manifest.access.hosted_clients}
    for server in servers:
        named = (client_name(client) for client in server.manifest.access.clients or ())
        names |= {name for name in named if name in KNOWN_CLIENTS and KNOWN_CLIENTS[name].is_hosted}
    return tuple(sorted(names))


def _planned(
    work: Work, project: Project, environment: EnvironmentStack, servers: list[PerimeterStack], stack: str
) -> list[Graph] | None:
    """Plan the graphs here and not in a task, as a plan uses the event loop of its thread."""
    try:
        contract = planned_contract(project, environment)
        graphs = [plan_stack(project, environment)]
        graphs += [plan_stack(project, server, contract=contract) for server in servers]
    except RingwallError as error:
        first = error.each[0]
        remedy = first.remedy or "run `ringwall check`"
        work.checks.append(Check("project.plan", "error", first.summary, remedy, stack))
        for id_ in (*CLOUDFLARE_IDS, *KONG_IDS):
            work.checks.append(Check(id_, "skipped", "needs a plan", None, stack))
        return None
    for graph in graphs:
        count = sum(is_resource(resource.type) for resource in graph.resources)
        work.checks.append(ok("project.plan", f"{counted(count, 'resource')} planned", graph.stack))
    return graphs


def _cloudflare_task(account: Account) -> Task:
    needed, _ = permissions_for(account.types)
    text = f"the plan needs {', '.join(map(str, needed))}"
    if urgent := incident_permissions(account.types):
        text += f", and `ringwall revoke` {', '.join(map(str, urgent))}"
    needs = {"cloudflare.permissions": text}
    return Task(cloudflare_ids(account), lambda: check_cloudflare(account), account.subject, needs=needs)


def _issuer_run(issuer: CheckedIssuer) -> Any:
    return lambda: check_issuer(issuer)


def _guard_run(environment: EnvironmentStack, server: PerimeterStack, is_local: bool) -> Any:
    return lambda: check_guard(environment, server, is_local=is_local)


def _vendors_run(server: PerimeterStack) -> Any:
    return lambda: vendors(server.manifest, server.stack)


def _types(graphs: Sequence[Graph]) -> frozenset[str]:
    return frozenset(resource.type for graph in graphs for resource in graph.resources if resource.custom)


def _plugins(graphs: Sequence[Graph]) -> dict[str, tuple[str, ...]]:
    users: dict[str, list[str]] = {}
    for graph in graphs:
        for resource in graph.by_type(_KONG_PLUGIN):
            stacks = users.setdefault(str(resource.inputs.get("name")), [])
            if graph.stack not in stacks:
                stacks.append(graph.stack)
    return {name: tuple(stacks) for name, stacks in sorted(users.items())}


def _issuers(
    environment: EnvironmentStack, servers: list[PerimeterStack], *, is_environment: bool
) -> Iterator[CheckedIssuer]:
    cloudflare = environment.settings.cloudflare
    yield CheckedIssuer(ACCESS, cloudflare.issuer, cloudflare.jwks_uri, discovery=False)
    used = {server.manifest.oauth.issuer for server in servers}
    for name, issuer in sorted(environment.settings.issuers.items()):
        if is_environment or name in used:
            yield CheckedIssuer(name, issuer.issuer, issuer.address, introspected=issuer.introspection is not None)


def _holds(document: Document, key: str = "cloudflare:apiToken") -> bool:
    return key in config_of(document)
