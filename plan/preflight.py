"""What `up` refuses before anything is deployed, whoever runs it: the CLI, plain `pulumi up` or CI.

The rules themselves are in `plan.rules`; the order of the engine's steps is judged later, in `plan.step_order`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from components.edge.access import count_quotas
from components.gateway.model_support import support_problems
from model.errors import InputError, InputErrors, PlanRefused
from model.project import Project
from model.stacks import EnvironmentStack, ModelStack, Stack
from plan.findings import Finding
from plan.graph import Graph
from plan.offline import plan_stack
from plan.rules.custom import rules_of
from plan.rules.evaluate import evaluate, subject_of


def refuse_unsafe(
    project: Project,
    loaded: Stack,
    *,
    contract: Mapping[str, Any] | None = None,
    organization: str = "organization",
    today: date | None = None,
) -> Graph:
    """Plan the stack and refuse a plan that breaks an error-level rule, the project's own rules among them.

    Waivers of the stack's file are honoured until they end; `today` is the day they are judged by, else today in UTC.
    `contract` is what the environment is planned to export, where the caller has planned it already.

    Raises:
        InputErrors: an account quota is exceeded, the edition cannot carry a model route, or the project's own rules
            cannot be read.
        PlanRefused: a finding of severity error that nothing waives, one line each.
    """
    if loaded.environment is not None and (problems := quota_problems([loaded.environment])):
        raise InputErrors(problems)
    if isinstance(loaded, ModelStack) and (problems := support_problems(loaded)):
        raise InputErrors(problems)
    graph = plan_stack(project, loaded, contract=contract, organization=organization)
    findings = evaluate(subject_of(loaded, graph), rules=rules_of(project), today=today, root=project.root)
    errors = [finding for finding in findings if finding.refuses]
    if errors:
        raise PlanRefused("\n".join(line(finding) for finding in errors))
    return graph


def line(finding: Finding) -> str:
    """A finding on one line: what is wrong, what to do about it, and where it stands in the stack file."""
    place = f" ({finding.file}:{finding.line})" if finding.file and finding.line else ""
    return f"{finding.rule_id}: {finding.message}; {finding.remedy}{place}"


def quota_problems(environments: list[EnvironmentStack]) -> list[InputError]:
    """An error for each account limit that the environments of one account exceed together."""
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
