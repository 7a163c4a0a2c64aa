"""Plans the stacks of both sides, in several processes when there are many of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from model.errors import RingwallError
from model.project import Project
from model.stacks import ModelStack, ServerStack, Stack
from plan.graph import Graph
from plan.offline import plan_stack, planned_contract

#: Fewer plans than this are faster in one process.
_ALONE = 24


@dataclass(frozen=True)
class Job:
    """One stack of one side."""

    side: str
    stack: str
    project: Project
    loaded: Stack


Result = Graph | RingwallError


def plan_all(jobs: Sequence[Job]) -> dict[tuple[str, str], Result]:
    """Graphs by side and stack, and for a plan that is refused its error. Any other exception is a defect and is raised."""
    if not jobs:
        return {}
    contracts: dict[tuple[str, str], Any] = {}
    for job in jobs:
        if (
            isinstance(job.loaded, ServerStack | ModelStack)
            and (key := (job.side, job.loaded.environment.name)) not in contracts
        ):
            contracts[key] = _attempt(lambda job=job: planned_contract(job.project, job.loaded.environment))
    workers = min(os.cpu_count() or 1, 8)
    if len(jobs) < _ALONE or workers == 1 or "fork" not in multiprocessing.get_all_start_methods():
        return dict(_plan(job, contracts) for job in jobs)
    # Forked after the provider SDKs are loaded (above), so that no worker loads them again.
    global _SHARED
    _SHARED = (tuple(jobs), contracts)
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
            return dict(pool.map(_numbered, range(len(jobs)), chunksize=4))
    finally:
        _SHARED = ((), {})


_SHARED: tuple[tuple[Job, ...], dict[tuple[str, str], Any]] = ((), {})


def _numbered(index: int) -> tuple[tuple[str, str], Result]:
    jobs, contracts = _SHARED
    return _plan(jobs[index], contracts)


def _plan(job: Job, contracts: dict[tuple[str, str], Any]) -> tuple[tuple[str, str], Result]:
    contract = None
    if isinstance(job.loaded, ServerStack | ModelStack):
        contract = contracts[(job.side, job.loaded.environment.name)]
        if isinstance(contract, RingwallError):
            return (job.side, job.stack), contract
    return (job.side, job.stack), _attempt(lambda: plan_stack(job.project, job.loaded, contract=contract))


def _attempt(plan: Any) -> Any:
    try:
        return plan()
    except RingwallError as refused:
        return refused
