"""The definition of a check and of a task of checks, and the concurrent run of tasks within one deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from model.errors import RingwallError
from model.tokens import CLOCK_LEEWAY

Status = Literal["ok", "warning", "error", "skipped"]
GROUPS = ("engine", "project", "cloudflare", "gateway", "issuer", "clock", "guard", "server")
#: Seconds of clock skew that gateway and guard allow when they judge `exp`, `nbf` and `iat` of a token.
MAX_SKEW = float(CLOCK_LEEWAY)


@dataclass(frozen=True)
class Check:
    """The result of one check.

    `id` is stable: the group, then what was checked, such as ``gateway.plugins``. `subject` names the stack or host. An
    error or a warning always has a remedy, and `message` never holds a secret.
    """

    id: str
    status: Status
    message: str
    remedy: str | None = None
    subject: str = ""

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class Task:
    """Several checks that belong together and run one after the other.

    `ids` are reported as skipped or failed when the task cannot run. `needs` says, by id, what the stack needs, which is
    known without any request.
    """

    ids: tuple[str, ...]
    run: Callable[[], Iterable[Check]]
    subject: str = ""
    network: bool = True
    needs: Mapping[str, str] = field(default_factory=dict)


def ok(id_: str, message: str, subject: str = "") -> Check:
    return Check(id_, "ok", message, None, subject)


def skipped(id_: str, message: str, subject: str = "", remedy: str | None = None) -> Check:
    return Check(id_, "skipped", message, remedy, subject)


def clock(host: str, skew: float | None) -> list[Check]:
    """Compare this machine's clock with a peer's; no check when the peer sends no date."""
    if skew is None:
        return []
    offset = abs(skew)
    if offset <= MAX_SKEW:
        return [ok("clock.skew", f"within {MAX_SKEW:g} s of {host}'s", host)]
    direction = "behind" if skew > 0 else "ahead of"
    return [
        Check(
            "clock.skew",
            "error",
            f"this machine's clock is {offset:.0f} s {direction} {host}'s: good tokens are refused, or expired ones taken",
            "synchronise it (timedatectl set-ntp true, or your own NTP service)",
            host,
        )
    ]


def run_all(tasks: Sequence[Task], *, offline: str | None, deadline: float) -> list[Check]:
    """Run every task and return the checks in the order of the tasks.

    `offline` says why nobody is asked: the tasks that need the network are reported as skipped with it. A task that is not
    finished after `deadline` seconds is reported as an error, as its result is not known.
    """
    results: dict[int, list[Check]] = {}
    threads: list[tuple[int, threading.Thread]] = []
    for number, task in enumerate(tasks):
        if offline and task.network:
            results[number] = [
                skipped(i, "; ".join([f"not asked: {offline}", *filter(None, [task.needs.get(i)])]), task.subject)
                for i in task.ids
            ]
            continue
        thread = threading.Thread(target=_run, args=(task, results, number), daemon=True)
        threads.append((number, thread))
        thread.start()
    until = time.monotonic() + deadline
    for _, thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    checks: list[Check] = []
    for number, task in enumerate(tasks):
        late = [
            Check(i, "error", f"not done after {deadline:g} s", "run again with a longer --deadline", task.subject)
            for i in task.ids
        ]
        checks += results.get(number, late)
    return checks


def _run(task: Task, results: dict[int, list[Check]], number: int) -> None:
    checks: list[Check] = []
    try:
        for check in task.run():
            checks.append(check)
    except RingwallError as error:
        problem = error.each[0]
        checks += _ended(task, checks, problem.summary, problem.remedy or "correct it, then run this again")
    except Exception as error:
        # An exception of a thread would end as a trace on standard error, and the check would be missing. Its text is
        # left out, as it may hold secrets.
        text = f"the check itself failed ({type(error).__name__}), a defect of Ringwall"
        checks += _ended(task, checks, text, "report it")
    results[number] = checks


def _ended(task: Task, checks: Sequence[Check], problem: str, remedy: str) -> list[Check]:
    """What ended a task, said once, at the first check that has no result; the rest were not made."""
    results = {check.id for check in checks}
    first, *further = [id_ for id_ in task.ids if id_ not in results] or task.ids[-1:]
    reason = f"not looked at after {first.partition('.')[2]} failed"
    return [
        Check(first, "error", problem, remedy, task.subject),
        *(skipped(id_, reason, task.subject) for id_ in further),
    ]
