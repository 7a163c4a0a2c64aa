"""What a check of the doctor is, and how many of them run side by side within one bound of time."""

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
#: Tokens are judged by `exp`, `nbf` and `iat`: gateway and guard allow this and no more.
MAX_SKEW = float(CLOCK_LEEWAY)


@dataclass(frozen=True)
class Check:
    """One finding. `id` is stable: group, then what was checked, such as ``gateway.plugins``; `subject` says of which
    stack or host. An error or a warning always has a remedy; `message` never holds a secret."""

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
    """Several checks that belong together and are made one after the other. `ids` are reported when they cannot be;
    `needs` is what is known of some of them without asking anybody."""

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
    """How far this machine's clock is from another's; nothing where the other does not say."""
    if skew is None:
        return []
    off = abs(skew)
    if off <= MAX_SKEW:
        return [ok("clock.skew", f"within {MAX_SKEW:g} s of {host}'s", host)]
    way = "behind" if skew > 0 else "ahead of"
    return [
        Check(
            "clock.skew",
            "error",
            f"this machine's clock is {off:.0f} s {way} {host}'s: good tokens are refused, or expired ones taken",
            "synchronise it (timedatectl set-ntp true, or your own NTP service)",
            host,
        )
    ]


def run_all(tasks: Sequence[Task], *, offline: bool, deadline: float) -> list[Check]:
    """Every task's checks, in the order of the tasks. With `offline` those that need the network are skipped and said so;
    one that is not done after `deadline` seconds is an error, since nobody knows."""
    results: dict[int, list[Check]] = {}
    threads: list[tuple[int, threading.Thread]] = []
    for number, task in enumerate(tasks):
        if offline and task.network:
            results[number] = [
                skipped(i, "; ".join(["not asked: --offline", *filter(None, [task.needs.get(i)])]), task.subject)
                for i in task.ids
            ]
            continue
        thread = threading.Thread(target=_run, args=(task, results, number), daemon=True)
        threads.append((number, thread))
        thread.start()
    until = time.monotonic() + deadline
    for _, thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    found: list[Check] = []
    for number, task in enumerate(tasks):
        late = [
            Check(i, "error", f"not done after {deadline:g} s", "run again with a longer --deadline", task.subject)
            for i in task.ids
        ]
        found += results.get(number, late)
    return found


def _run(task: Task, results: dict[int, list[Check]], number: int) -> None:
    try:
        results[number] = list(task.run())
    except RingwallError as error:
        first = error.each[0]
        remedy = first.remedy or "correct it, then run this again"
        results[number] = [Check(i, "error", first.summary, remedy, task.subject) for i in task.ids]
    except Exception as error:
        # A thread's exception would end in a trace on standard error and the check would be missing; the text is left
        # out, as nobody vetted it for secrets.
        text = f"the check itself failed ({type(error).__name__}), a defect of Ringwall"
        results[number] = [Check(i, "error", text, "report it", task.subject) for i in task.ids]
