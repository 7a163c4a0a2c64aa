"""Judges how long the authorities of agents' client certificates are valid. Nothing is asked: the files have them."""

from __future__ import annotations

from datetime import datetime, timedelta

from model.client_authority import ClientAuthority
from model.text import counted
from operations.doctor.checks import Check, ok

ID = "cloudflare.authority"
SOON = timedelta(days=30)


def judge(name: str, authority: ClientAuthority, moment: datetime, subject: str) -> Check:
    """Judge one authority of `client_authorities` at a moment."""
    key, end = f"client_authorities.{name}", authority.ends
    remedy = f"add the next authority beside {name}, give agents its certificates, then remove {name}"
    if end <= moment:
        text = f"the certificate of {key} ended on {end:%Y-%m-%d}, so its agents are refused"
        return Check(ID, "error", text, remedy, subject)
    if end - moment < SOON:
        text = f"the certificate of {key} ends on {end:%Y-%m-%d}, in {counted((end - moment).days, 'day')}"
        return Check(ID, "warning", text, remedy, subject)
    return ok(ID, f"{name} until {end:%Y-%m-%d}", subject)
