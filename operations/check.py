"""`ringwall check`: runs every rule over the plans of the named stacks, and the checks across environments. Offline."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from components.gateway.model_support import support_problems
from guard.inspect.definitions import findings_of
from model.cross_checks import missing_secrets
from model.errors import InputError, InputErrors
from model.project import Project, load, load_environment
from model.shared_machines import shared_problems
from model.stacks import EnvironmentStack, Stack, ZoneStack, environment_of, server_of
from model.waivers import Waiver
from plan.findings import Finding, Severity
from plan.graph import Graph
from plan.offline import plan_stack, planned_contract
from plan.preflight import quota_problems
from plan.rules.base_revision import BaseRevision
from plan.rules.custom import base_waivers, rules_of
from plan.rules.evaluate import evaluate, subject_of, waivers_of
from plan.rules.rule import Rule


@dataclass(frozen=True)
class Checked:
    """The findings of a check, with the stacks and rules that it covered, and the waivers that it did not count.

    `stacks` are those that were checked completely: an environment that is named includes all that belongs to it. `base` is
    None where rules and waivers are the working tree's. `ignored_waivers` counts, by stack, waivers of the working tree that
    the base revision does not have: they hold once they are merged.
    """

    findings: tuple[tuple[str, Finding], ...]
    stacks: tuple[str, ...]
    rules: tuple[Rule, ...]
    base: BaseRevision | None
    ignored_waivers: dict[str, int]


def check_all(project: Project, stacks: Sequence[str]) -> list[tuple[str, Finding]]:
    """The findings of the stacks' plans, in order, by the rules and waivers of the working tree; see `check`."""
    return list(check(project, stacks).findings)


def check(
    project: Project,
    stacks: Sequence[str],
    *,
    rules_file: Path | None = None,
    base: BaseRevision | None = None,
    today: date | None = None,
) -> Checked:
    """Every finding of the stacks' plans, including waived ones.

    Args:
        rules_file: the project's own rules, else its `ringwall-rules.py`.
        base: take own rules and waivers from that revision.
        today: the day by which waivers are judged, else today in UTC.

    Raises:
        InputErrors: files of the named stacks are wrong; one line for each problem.
        InputError: the project's own rules cannot be read.
    """
    rules = rules_of(project, file=rules_file, base=base)
    environments, zones = _load(project, stacks)
    findings: list[tuple[str, Finding]] = []
    ignored: dict[str, int] = {}
    judged: list[str] = []

    def judge(stack: str, loaded: Stack, graph: Graph, *, errors_only: bool = False) -> None:
        if not errors_only:
            judged.append(stack)
        subject = subject_of(loaded, graph, findings=findings_of(loaded))
        waivers: tuple[Waiver, ...] | None = None
        if base is not None:
            waivers = base_waivers(project, stack, base)
            if count := sum(1 for waiver in waivers_of(subject) if waiver not in waivers):
                ignored[stack] = count
        stack_findings = evaluate(subject, rules=rules, waivers=waivers, today=today, root=project.root)
        findings.extend(
            (stack, finding) for finding in stack_findings if finding.severity is Severity.ERROR or not errors_only
        )

    for zone in zones:
        judge(zone.stack, zone, plan_stack(project, zone))
    for name, environment in environments.items():
        named = [stack for stack in stacks if environment_of(stack) == name]
        everything = name in named
        # An environment's policies and issuers protect each of its servers, so its errors count for a single server too.
        judge(name, environment, plan_stack(project, environment), errors_only=not everything)
        contract = planned_contract(project, environment)
        for member in environment.perimeters:
            if everything or member.stack in named:
                judge(member.stack, member, plan_stack(project, member, contract=contract))
    return Checked(tuple(findings), tuple(judged), rules, base, ignored)


def _load(project: Project, stacks: Sequence[str]) -> tuple[dict[str, EnvironmentStack], list[ZoneStack]]:
    problems: list[InputError] = []
    environments: dict[str, EnvironmentStack] = {}
    zones: list[ZoneStack] = []
    for name in dict.fromkeys(map(environment_of, stacks)):
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
    for stack in stacks:
        name, server = environment_of(stack), server_of(stack)
        if server and name in environments and server not in environments[name].manifests:
            problems.append(project.unknown(stack))
    for name, environment in environments.items():
        problems += missing_secrets(
            member for member in (environment, *environment.perimeters) if name in stacks or member.stack in stacks
        )
    problems += _unsupported(stacks, environments)
    problems += quota_problems(list(environments.values()))
    problems += _shared(project, environments)
    if problems:
        raise InputErrors(problems)
    return environments, zones


def _unsupported(stacks: Sequence[str], environments: dict[str, EnvironmentStack]) -> list[InputError]:
    return [
        problem
        for name, environment in environments.items()
        for route in environment.models.values()
        if name in stacks or route.stack in stacks
        for problem in support_problems(route)
    ]


def _shared(project: Project, environments: dict[str, EnvironmentStack]) -> list[InputError]:
    """What the named environments share with each other and with the project's other ones; each pair once.

    Another environment that cannot be read has its own errors, which its own check shows.
    """
    siblings: list[EnvironmentStack] = []
    for name in project.environments():
        if name not in environments:
            with suppress(InputError):
                siblings.append(load_environment(project, name))
    problems: list[InputError] = []
    for _, environment in sorted(environments.items()):
        problems += shared_problems(environment, siblings)
        siblings.append(environment)
    return problems
