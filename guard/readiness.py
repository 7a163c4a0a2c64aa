"""The document of `/readyz`: which configuration is in force, and every problem that keeps the guard from being ready."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from guard.runtime import Runtime


def readiness(runtime: Runtime) -> dict[str, Any]:
    """The JSON that `up`, `drift` and `lockdown` read; they compare `bundle.sha256` and `denied` with what they sent.

    `ready` is false while the guard would refuse every call: the audit log is closed, the server was never reached, an
    issuer's keys are missing, the configuration has expired, or the guard is draining. `warnings` say what will be so.
    """
    policy, audit = runtime.policy, runtime.audit
    clock = time.time()
    expired, warning = policy.term.problem(clock), policy.term.warning(clock)
    problems = [
        *([f"audit: {audit.reason}"] if not audit.healthy else []),
        *(f"identity: {problem}" for problem in policy.verifier.problems()),
        *([f"server: {runtime.watch.problem}"] if runtime.watch.problem else []),
        *([f"lock: {policy.pins.problem}"] if policy.pins.problem else []),
        *([f"bundle: {expired}"] if expired else []),
        *(["draining"] if runtime.draining else []),
    ]
    source = runtime.source_status()
    return {
        "version": 1,
        "ready": not problems,
        "problems": problems,
        "warnings": [f"bundle: {warning}"] if warning else [],
        "server": policy.server,
        "identity": "demo" if policy.config.identity.demo else "verified",
        "bundle": {"sha256": policy.sha256, "sequence": policy.sequence, **policy.term.members(), **source},
        **(
            {"origin_identity": {"place": introduction.place, "key_id": introduction.tokens.key_id}}
            if (introduction := policy.introduction)
            else {}
        ),
        "tool_lock_sha256": policy.pins.digest,
        "engines": list(policy.config.guard.engines.names),
        "denied": sorted(policy.denied),
        "refused": [
            {
                "definition": shown,
                "sha256": refusal.sha256,
                "difference": refusal.difference.split("\n"),
            }
            for shown, refusal in sorted(runtime.refusals.items())
        ]
        + [
            {"definition": entry.name, "sha256": entry.sha256, "difference": list(entry.places), "rules": entry.rules}
            for entry in policy.definitions.withheld
        ],
        "refused_although_locked": [
            *policy.pins.refused,
            *(entry.name.replace(" ", "/", 1) for entry in policy.definitions.withheld),
        ],
        "unenforceable": dict(sorted(policy.pins.unenforceable.items())),
        "left_out": [left_out.dump() for left_out in policy.config.tool_lock.left_out],
        "origin_breaker": "open" if runtime.origin.is_open else "closed",
        "audit": {
            "writable": audit.healthy,
            "sequence": audit.sequence,
            "synced": audit.synced,
            "anchor_lag_records": audit.anchor_lag_records,
            "anchor": asdict(audit.anchor) if audit.anchor else None,
        },
    }
