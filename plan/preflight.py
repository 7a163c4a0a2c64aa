"""What `up` refuses before anything is touched, whoever runs it: the CLI, plain `pulumi up`, or CI."""

from __future__ import annotations

from components.access_rules import count_quotas
from components.program import Loaded
from model.errors import InputError, InputErrors, PlanRefused
from model.project import EnvironmentStack, Project, ZoneStack
from plan.exposure import check_exposure
from plan.findings import Finding, Severity
from plan.graph import Graph
from plan.offline import plan_stack


def refuse_unsafe(project: Project, loaded: Loaded, *, organization: str = "organization") -> Graph:
    """Plan the stack and refuse a plan that breaks an error-level rule; returns the graph.

    Raises:
        InputErrors: an account quota is exceeded.
        PlanRefused: a finding of severity error, one line each.
    """
    if not isinstance(loaded, ZoneStack):
        environment = loaded if isinstance(loaded, EnvironmentStack) else loaded[0]
        problems = quota_problems([environment])
        if problems:
            raise InputErrors(problems)
    graph = plan_stack(project, loaded, organization=organization)
    errors = [finding for finding in check_exposure(graph) if finding.severity is Severity.ERROR]
    if errors:
        raise PlanRefused("\n".join(line(finding) for finding in errors))
    return graph


def line(finding: Finding) -> str:
    """A finding on one line: what, where, what to do."""
    return f"{finding.rule_id}: {finding.message}; {finding.remedy}"


def quota_problems(environments: list[EnvironmentStack]) -> list[InputError]:
    """Account limits that the environments of one account exceed together."""
    problems = []
    used: dict[tuple[str, str], int] = {}
    for environment in environments:
        account = environment.settings.cloudflare.account_id
        for quota, count in count_quotas(environment.settings, environment.manifests).items():
            used[(account, quota)] = used.get((account, quota), 0) + count
            limit = getattr(environment.settings.quotas, quota)
            if used[(account, quota)] > limit:
                problems.append(
                    environment.document.error(
                        ("config", "ringwall:environment", "quotas", quota),
                        f"the files ask for {used[(account, quota)]} {quota.replace('_', ' ')}, the account has {limit}",
                        "share more, remove some, or raise the quota here when your contract allows more",
                    )
                )
    return problems
