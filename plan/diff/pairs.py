"""Pairs of a stack's base and head: plans both, and adds to the changed settings what the two plans differ in.

The settings are compared before, in `compare`; the graphs are made in `planning` and compared in `resources`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from model.errors import RingwallError
from model.project import Project
from model.stacks import Stack
from plan.diff.model import Change, Direction, ResourceChange, StackDiff, change
from plan.diff.planning import Job, plan_all
from plan.diff.resources import compare_resources, resource_changes
from plan.findings import Finding, Severity
from plan.graph import Graph
from plan.rules.evaluate import evaluate, subject_of, waivers_of

#: With more changed servers than this, one plan is made for all that changed in the same keys.
PLAN_EACH = 40

#: Only files are compared, and removing a file removes nothing that is deployed.
STILL_DEPLOYED = ("what is deployed stays, and no file describes it, until `ringwall destroy` takes it down",)


@dataclass
class Pair:
    """The base and the head of one stack while they are compared; None for a side that does not have it."""

    diff: StackDiff
    base: Stack | None
    head: Stack | None
    #: Equal for servers that changed in the same way (`servers._change_key`); else the name of the stack.
    change_key: str
    changes: list[Change] = field(default_factory=list)


#: Ids of the change that says which side could not be planned, so that no rule was evaluated for it.
UNPLANNABLE = {"base": "unplannable-base", "head": "unplannable-head"}
#: Plans jobs: answers graphs by side and stack, and for a plan that is refused its error.
Plans = Callable[[Sequence[Job]], Mapping[tuple[str, str], Graph | RingwallError]]


def planned(
    base: Project | None, head: Project | None, pairs: list[Pair], every: bool, programs: Plans | None = None
) -> list[StackDiff]:
    """The pairs with their resources. Where many servers changed in the same keys one of them is planned; `programs` as in
    `compare`."""
    servers = [pair for pair in pairs if pair.diff.kind == "server" and pair.diff.status == "changed"]
    stand_ins: dict[str, str] = {}
    first: dict[str, str] = {}
    if len(servers) > PLAN_EACH and not every:
        for pair in servers:
            leader = first.setdefault(pair.change_key, pair.diff.stack)
            if leader != pair.diff.stack:
                stand_ins[pair.diff.stack] = leader
    jobs = []
    for pair in pairs:
        if pair.diff.stack in stand_ins or pair.diff.status == "unreadable":
            continue
        for side, project, loaded in (("base", base, pair.base), ("head", head, pair.head)):
            if project is not None and loaded is not None:
                jobs.append(Job(side, pair.diff.stack, project, loaded))
    graphs = (programs or plan_all)(jobs)
    return [_finished(pair, graphs, stand_ins, _unexplained_by(pair, pairs, programs is not None)) for pair in pairs]


def _unexplained_by(pair: Pair, pairs: Sequence[Pair], by_program: bool) -> str:
    """Why resources differ although no setting changed, in words for a reviewer; empty where changed settings explain it.

    A server's resources follow its own settings and its environment's. Those of an environment (Access policies) follow the
    settings of all its servers too.
    """
    if by_program:
        return "the program that makes them changed too"
    diff = pair.diff
    related = (p for p in pairs if p.diff.environment == diff.environment and "environment" in (p.diff.kind, diff.kind))
    return "" if pair.changes or any(p.changes for p in related) else "no setting explains it"


def _findings(loaded: Stack | None, graph: Graph | None, base: Stack | None) -> tuple[Finding, ...]:
    """The findings of Ringwall's own rules for one side.

    A change must not bring along the waivers it is judged by: only those that the base has too are applied, each until the
    earlier of its two ends.
    """
    if loaded is None or graph is None:
        return ()
    subject = subject_of(loaded, graph)
    base_waivers = () if base is None else waivers_of(subject_of(base, graph))
    overlaps = [
        (base_waiver, head_waiver)
        for base_waiver in base_waivers
        for head_waiver in waivers_of(subject)
        if (base_waiver.rule, base_waiver.resource) == (head_waiver.rule, head_waiver.resource)
    ]
    return evaluate(subject, waivers=[min(pair, key=lambda waiver: waiver.expires) for pair in overlaps])


def _finished(
    pair: Pair,
    graphs: Mapping[tuple[str, str], Graph | RingwallError],
    stand_ins: Mapping[str, str],
    cause: str,
) -> StackDiff:
    stack = pair.diff.stack
    sides: list[Graph | None] = []
    changes = list(pair.changes)
    for side in ("base", "head"):
        graph = graphs.get((side, stack))
        if isinstance(graph, RingwallError):
            title = f"the {side}'s stack cannot be planned: {graph}"
            changes.append(change(UNPLANNABLE[side], Direction.LOOSENS, 100, stack, "", title))
            graph = None
        sides.append(graph)
    base_graph, head_graph = sides
    resources: tuple[ResourceChange, ...] = ()
    findings = _findings(pair.head, head_graph, pair.base)
    if (base_graph is None) == (pair.base is None) and (head_graph is None) == (pair.head is None):
        resources = compare_resources(base_graph, head_graph)
        if base_graph is not None and head_graph is not None:
            changes += resource_changes(stack, resources, base_graph, head_graph, cause)
            base_findings = {(f.rule_id, f.urn) for f in _findings(pair.base, base_graph, pair.base)}
            for finding in findings:
                if finding.severity is Severity.INFO:
                    continue  # nothing is broken: what it tells of has a change of its own where it loosens
                if finding.waived is None and (finding.rule_id, finding.urn) not in base_findings:
                    title = f"now breaks {finding.rule_id}: {finding.message}"
                    changes.append(change("finding-new", Direction.LOOSENS, 98, stack, "", title, (finding.remedy,)))
    return replace(
        pair.diff,
        changes=tuple(sorted(changes, key=lambda c: c.order)),
        resources=resources,
        resources_like=stand_ins.get(stack),
        findings=tuple(findings),
    )
