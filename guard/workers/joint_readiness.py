"""The document of `/readyz` for a guard with workers: it is ready where each of them is, under the same configuration.

Its members are those of one guard (`guard.work`), with `workers` beside them. Where workers differ a member says what
is true of all: a principal is denied once each of them denies it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guard.bundle.bundle import Opened

#: Members of `audit` that are sums over the workers' logs.
_SUMS = ("sequence", "synced")


@dataclass(frozen=True)
class WorkerState:
    """What a worker says of itself; no `document` where it does not serve."""

    number: int
    pid: int | None
    document: Mapping[str, Any] | None


def joint_readiness(opened: Opened, states: Sequence[WorkerState], source: Mapping[str, Any]) -> dict[str, Any]:
    """What /readyz says. `opened` is the configuration in force, `source` what is known of where it comes from."""
    serving = [(state.number, state.document) for state in states if state.document is not None]
    problems = [f"worker {state.number}: it does not serve" for state in states if state.document is None]
    problems += _named([(number, document["problems"]) for number, document in serving], len(states))
    if len({document["bundle"]["sha256"] for _, document in serving}) > 1:
        problems += [
            f"worker {number}: another configuration is in force there ({document['bundle']['sha256']})"
            for number, document in serving
            if document["bundle"]["sha256"] != opened.sha256
        ]
    config = opened.config
    documents = [document for _, document in serving]
    first = documents[0] if documents else {}
    return {
        "version": 1,
        "server": f"{config.server.environment}.{config.server.name}",
        **first,
        "ready": not problems,
        "problems": problems,
        "warnings": _named([(number, document["warnings"]) for number, document in serving], len(states)),
        "bundle": {
            **(first.get("bundle") or {"sha256": opened.sha256, "sequence": opened.sequence}),
            **source,
        },
        "denied": sorted(set.intersection(*(set(document["denied"]) for document in documents)) if documents else ()),
        "refused": _distinct(entry for document in documents for entry in document["refused"]),
        "refused_although_locked": _distinct(
            entry for document in documents for entry in document["refused_although_locked"]
        ),
        "origin_breaker": "open" if any(document["origin_breaker"] == "open" for document in documents) else "closed",
        "audit": _audit([document["audit"] for document in documents], complete=len(documents) == len(states)),
        "workers": [_worker(state) for state in states],
    }


def _named(texts: Sequence[tuple[int, Sequence[str]]], count: int) -> list[str]:
    """What each worker says, with its number unless all of them say it."""
    every: dict[str, list[int]] = {}
    for number, lines in texts:
        for text in lines:
            every.setdefault(text, []).append(number)
    named: list[str] = []
    for text, numbers in every.items():
        named += [text] if len(numbers) == count else [f"worker {number}: {text}" for number in numbers]
    return named


def _distinct(entries: Any) -> list[Any]:
    distinct: list[Any] = []
    for entry in entries:
        if entry not in distinct:
            distinct.append(entry)
    return distinct


def _audit(logs: Sequence[Mapping[str, Any]], *, complete: bool) -> dict[str, Any]:
    lags = [log["anchor_lag_records"] for log in logs if log["anchor_lag_records"] is not None]
    anchors = [log["anchor"] for log in logs if log["anchor"] is not None]
    return {
        "writable": complete and all(log["writable"] for log in logs),
        **{name: sum(log[name] for log in logs) for name in _SUMS},
        "anchor_lag_records": sum(lags) if lags else None,
        "anchor": _anchor(anchors) if anchors else None,
    }


def _anchor(anchors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts = {
        name: sum(anchor[name] for anchor in anchors) for name, value in anchors[0].items() if isinstance(value, int)
    }
    return {**counts, "error": next((anchor["error"] for anchor in anchors if anchor["error"]), None)}


def _worker(state: WorkerState) -> dict[str, Any]:
    document = state.document
    if document is None:
        return {"worker": state.number, "pid": state.pid, "ready": False, "problems": ["it does not serve"]}
    return {
        "worker": state.number,
        "pid": state.pid,
        "ready": document["ready"],
        "problems": document["problems"],
        "bundle": document["bundle"]["sha256"],
        "audit": document["audit"],
    }
