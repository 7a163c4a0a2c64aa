"""Judges whether Cloudflare offers an account the logs that an environment wants pushed, and knows their fields. Read only.

Logpush of these datasets needs an Enterprise plan, and no answer of the API names an account's plan to a token without
further permissions. What a dataset has is answered to an account that may have it (API, `/logpush/datasets/{id}/fields`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.text import counted, visible
from operations.doctor.checks import Check, ok

ID = "cloudflare.logpush"
_INSTEAD = {
    "access_requests": "the API of Access's log (/access/logs/access_requests) has the sign-ins, and the guard's audit log "
    "each call",
    "audit_logs_v2": "the audit log API (/logs/audit) has the same entries",
    "mcp_portal_logs": "the guard's audit log has each call that the portal sent on",
}


def judge(dataset: str, fields: Sequence[str], status: int, known: Mapping[str, Any] | None, subject: str) -> Check:
    """Judge the answer to the request for a dataset's fields."""
    if status == 429 or status >= 500:
        return Check(ID, "error", f"Cloudflare answered {status} about the log {dataset}", "try again later", subject)
    if status != 200 or not known:
        text = f"Cloudflare does not offer this account the log {dataset} ({status}), so `up` would fail at its end"
        remedy = f"it needs an Enterprise plan, and Logs Write of the token; else remove logpush.{dataset}"
        if instead := _INSTEAD.get(dataset):
            remedy += f": {instead}"
        return Check(ID, "error", text, remedy, subject)
    if unknown := sorted(set(fields) - known.keys()):
        text = f"the log {dataset} has no field {', '.join(unknown)}"
        offered = ", ".join(sorted(map(visible, known))[:40])
        return Check(ID, "error", text, f"correct logpush.{dataset}.fields; it has {offered}", subject)
    return ok(ID, f"{dataset} with {counted(len(fields), 'field')}", subject)
