"""`ringwall check`: every offline rule over the stacks named, across environments too."""

from __future__ import annotations

from collections.abc import Sequence

from components.access_rules import environment_policies
from components.program import load
from model.errors import InputError, InputErrors
from model.loader import KeyPath
from model.project import EnvironmentStack, Project, ZoneStack
from plan.exposure import check_exposure
from plan.findings import Finding, Severity
from plan.offline import plan_stack, planned_contract
from plan.preflight import quota_problems


def check_all(project: Project, stacks: Sequence[str]) -> list[tuple[str, Finding]]:
    """Findings of the stacks' plans, in order.

    Raises:
        InputErrors: problems in files, of every stack named, one line each.
    """
    problems: list[InputError] = []
    environments: dict[str, EnvironmentStack] = {}
    zones: list[ZoneStack] = []
    for name in dict.fromkeys(stack if stack.startswith("zone.") else stack.split(".")[0] for stack in stacks):
        try:
            loaded = load(project, name)
        except InputErrors as error:
            problems += error.problems
        except InputError as error:
            problems.append(error)
        else:
            if isinstance(loaded, EnvironmentStack):
                environments[name] = loaded
            elif isinstance(loaded, ZoneStack):
                zones.append(loaded)
    problems += quota_problems(list(environments.values()))
    problems += _shared_hostnames(list(environments.values()))
    if problems:
        raise InputErrors(problems)
    findings: list[tuple[str, Finding]] = []
    for zone in zones:
        findings += [(zone.stack, finding) for finding in check_exposure(plan_stack(project, zone))]
    for name, environment in environments.items():
        wanted = [stack for stack in stacks if stack.split(".")[0] == name]
        everything = name in wanted
        findings += [(name, finding) for finding in check_exposure(plan_stack(project, environment))]
        if everything:
            findings += [(name, finding) for finding in _notes(environment)]
        contract = planned_contract(project, environment)
        for server in environment.servers.values():
            if everything or server.stack in wanted:
                graph = plan_stack(project, (environment, server), contract=contract)
                findings += [(server.stack, finding) for finding in check_exposure(graph)]
    return findings


def _notes(environment: EnvironmentStack) -> list[Finding]:
    """What a reviewer must know about a policy though no rule is broken: a hosted client has no device to check."""
    policies = environment_policies(environment.settings, environment.manifests)
    remedy = "nothing, if that is what you mean; its host name and grants are its own"
    return [
        Finding("hosted-client", Severity.INFO, "", f"{policy.key}: {policy.note}", remedy)
        for policy in policies.values()
        if policy.note
    ]


def _shared_hostnames(environments: list[EnvironmentStack]) -> list[InputError]:
    owners: dict[str, str] = {}
    problems = []
    for environment in environments:
        for server in environment.servers.values():
            for hostname in server.manifest.hostnames:
                owner = owners.setdefault(hostname, server.stack)
                if owner != server.stack and owner.split(".")[0] != environment.name:
                    path: KeyPath = ("config", "ringwall:server", "hostname")
                    problems.append(server.document.error(path, f"{hostname} is {owner}'s host name", "choose another"))
    return problems
