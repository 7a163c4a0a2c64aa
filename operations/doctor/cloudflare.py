"""The Cloudflare side of the doctor: is the API token good, may it do what the plan needs, and is it the right account.

Permission names are those of developers.cloudflare.com, "API token permissions", each beside the resource whose REST calls
need it. A token may be barred from reading its own policies; then this says so and claims nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from model.text import visible
from operations.doctor.checks import Check, clock, ok, skipped
from operations.doctor.http import Answer, fetch
from wire.cloudflare import CHANGE_SERVICE_TOKENS, END_APPLICATION_SESSIONS, END_USER_SESSIONS, READ_USERS

TOKEN_VARIABLE = "CLOUDFLARE_API_TOKEN"  # noqa: S105 - a variable's name
SOON = timedelta(days=14)
IDS = ("cloudflare.token", "cloudflare.permissions", "cloudflare.account", "cloudflare.zone", "cloudflare.team")
CREATE = "create one at dash.cloudflare.com/profile/api-tokens"


@dataclass(frozen=True)
class Permission:
    """Any of `names` suffices, on the account or on the zone."""

    names: tuple[str, ...]
    zone: bool = False

    def __str__(self) -> str:
        return f"{self.names[0]} ({'zone' if self.zone else 'account'})"


_TUNNEL = Permission(("Cloudflare Tunnel Write", "Cloudflare One Connector: cloudflared Write"))
_APPS = Permission((END_APPLICATION_SESSIONS,))
NEEDS: dict[str, Permission] = {
    "zeroTrustTunnelCloudflared": _TUNNEL,
    "zeroTrustTunnelCloudflaredConfig": _TUNNEL,
    "zeroTrustAccessApplication": _APPS,
    "zeroTrustAccessPolicy": _APPS,
    "zeroTrustAccessGroup": Permission((END_USER_SESSIONS,)),
    "zeroTrustAccessServiceToken": Permission((CHANGE_SERVICE_TOKENS,)),
    "zeroTrustDevicePostureRule": Permission(("Zero Trust Write",)),
    "dnsRecord": Permission(("DNS Write",), zone=True),
    "ruleset": Permission(("Zone WAF Write",), zone=True),
}
#: What `ringwall lockdown` and `revoke` ask beside the engine. "Organizations Revoke" ends a user's sessions too and no more
#: (changelog, 2026-01-22).
IN_AN_INCIDENT = (
    _APPS,
    Permission((END_USER_SESSIONS, "Access: Organizations Revoke")),
    Permission((READ_USERS,)),
)


@dataclass(frozen=True)
class Account:
    """What the stack files say; `account_id` and `team` are None for a zone stack. `whole` when every resource of the
    environment was planned, so that a permission nobody needs is one too many."""

    api: str
    zone: str
    zone_id: str
    account_id: str | None
    team: str | None
    types: frozenset[str]
    secret_in_stack: bool
    whole: bool
    subject: str


def permissions_for(types: Iterable[str]) -> tuple[list[Permission], list[str]]:
    """What a plan of these resource types needs, and the Cloudflare types that no table entry covers."""
    needed: dict[Permission, None] = {}
    unknown = []
    for token in sorted(types):
        if match := re.fullmatch(r"cloudflare:index/([A-Za-z]+):[A-Za-z]+", token):
            if match[1] in NEEDS:
                needed[NEEDS[match[1]]] = None
            else:
                unknown.append(match[1])
    return sorted(needed, key=str), unknown


def incident_permissions(types: Iterable[str]) -> list[Permission]:
    """What lockdown and revoke need beyond the plan of these resource types, where there is anything to close."""
    types = list(types)
    if not any("zeroTrustAccess" in token for token in types):
        return []
    needed, _ = permissions_for(types)
    given = {name for permission in needed for name in permission.names}
    return [permission for permission in IN_AN_INCIDENT if given.isdisjoint(permission.names)]


def check(account: Account, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """All of it, with as many calls as the token allows; the token itself goes to `account.api` and nowhere else."""
    subject = account.subject
    token = environ.get(TOKEN_VARIABLE)
    if not token:
        yield _no_token(account, environ)
        for id_ in IDS[1:]:
            yield skipped(id_, f"needs the token: {TOKEN_VARIABLE} is not set", subject)
        return
    if not re.fullmatch(r"[!-~]+", token):
        yield Check(
            "cloudflare.token", "error", f"{TOKEN_VARIABLE} holds blanks or line breaks", "set the bare token", subject
        )
        return
    api = _Api(account.api, token)
    verified, answer, base = _verify(api, account)
    yield from verified
    if answer is not None:
        yield from clock(answer.host, answer.skew)
    if base is None:
        for id_ in IDS[1:]:
            yield skipped(id_, "needs a token that works", subject)
        return
    yield from _permissions(api, account, base)
    yield from _places(api, account)


@dataclass(frozen=True)
class _Api:
    base: str
    token: str

    def __repr__(self) -> str:
        return f"_Api({self.base})"

    def get(self, path: str) -> Answer:
        return fetch(self.base.rstrip("/") + path, {"authorization": f"Bearer {self.token}"})


def _no_token(account: Account, environ: Mapping[str, str]) -> Check:
    id_, subject = "cloudflare.token", account.subject
    if account.secret_in_stack:
        text = "the stack holds cloudflare:apiToken encrypted, which the doctor does not open"
        return skipped(id_, text, subject, f"set {TOKEN_VARIABLE} to have the token checked")
    if environ.get("CLOUDFLARE_API_KEY"):
        text = "CLOUDFLARE_API_KEY is the account's global key, which may do everything"
        return Check(id_, "error", text, f"use a token of its own with the permissions needed: {CREATE}", subject)
    needed, _ = permissions_for(account.types)
    text = f"{TOKEN_VARIABLE} is not set" + (f"; the plan needs {_names(needed)}" if needed else "")
    if urgent := incident_permissions(account.types):
        text += f", and `ringwall revoke` {_names(urgent)}"
    return Check(id_, "error", text, f"{CREATE} with these permissions and set {TOKEN_VARIABLE}", subject)


def _verify(api: _Api, account: Account) -> tuple[list[Check], Answer | None, str | None]:
    """The token's own check: a user's token, else one that the account owns. Last comes the path of its details."""
    id_, subject = "cloudflare.token", account.subject
    owners = ["/user", *([f"/accounts/{account.account_id}"] if account.account_id else [])]
    answer: Answer | None = None
    for owner in owners:
        answer = api.get(f"{owner}/tokens/verify")
        result = _result(answer)
        if answer.status == 200 and result is not None:
            found = _judge_token(result, subject)
            number = result.get("id")
            good = isinstance(number, str) and re.fullmatch(r"[0-9a-f]{32}", number) and found.status != "error"
            return [found], answer, f"{owner}/tokens/{number}" if good else None
        if answer.status == 429 or answer.status >= 500:
            break
    status = answer.status if answer else 0
    if status in (400, 401, 403):
        text = f"Cloudflare does not know this token ({status})"
        return [Check(id_, "error", text, f"{CREATE}, then set {TOKEN_VARIABLE}", subject)], answer, None
    remedy = "wait five minutes" if status == 429 else "correct cloudflare.api, or try again later"
    return [Check(id_, "error", f"{api.base} answered {status}", remedy, subject)], answer, None


def _judge_token(result: Mapping[str, Any], subject: str) -> Check:
    id_, status = "cloudflare.token", visible(str(result.get("status")))[:20]
    if status != "active":
        return Check(id_, "error", f"the token is {status}", f"{CREATE}, then set {TOKEN_VARIABLE}", subject)
    expires = result.get("expires_on")
    if not isinstance(expires, str):
        text = "the token is active and never expires"
        return Check(id_, "warning", text, "give it an end: a token that leaks is good for ever", subject)
    try:
        end = datetime.fromisoformat(expires)
    except ValueError:
        return Check(
            id_, "warning", "the token is active, its end cannot be read", "look at it in the dashboard", subject
        )
    left = end - datetime.now(UTC)
    if left < SOON:
        text = f"the token expires on {end:%Y-%m-%d}, in {max(0, left.days)} days"
        return Check(id_, "warning", text, "roll it in the dashboard before that", subject)
    return ok(id_, f"active until {end:%Y-%m-%d}", subject)


def _permissions(api: _Api, account: Account, details: str) -> Iterator[Check]:
    id_, subject = "cloudflare.permissions", account.subject
    needed, unknown = permissions_for(account.types)
    answer = api.get(details)
    result = _result(answer)
    policies = result.get("policies") if result else None
    if answer.status != 200 or not isinstance(policies, list):
        text = (
            f"unverifiable: the token may not read its own policies ({answer.status}); the plan needs {_names(needed)}"
        )
        yield skipped(id_, text, subject, "compare them in the dashboard, or add API Tokens Read to the token")
        return
    held = Held(policies, account.account_id, account.zone_id)
    missing = [permission for permission in needed if not held.has(permission)]
    if missing:
        text = f"the token lacks {_names(missing)}"
        yield Check(id_, "error", text, "add them to the token in the dashboard", subject)
    if unknown:
        text = f"no table says which permission {', '.join(unknown)} needs"
        yield Check(id_, "warning", text, "look it up in Cloudflare's docs", subject)
    urgent = [permission for permission in incident_permissions(account.types) if not held.has(permission)]
    if urgent:
        text = f"`ringwall revoke` of a person could not end sessions or find whom to deny: the token lacks {_names(urgent)}"
        yield Check(id_, "warning", text, "add them, or keep a token for incidents that has them", subject)
    spare = held.spare([*needed, *IN_AN_INCIDENT]) if account.whole else []
    if spare:
        text = f"the token may do more than the plan needs: {', '.join(spare[:8])}"
        yield Check(id_, "warning", text, "take it away: whoever steals the token has it too", subject)
    if not (missing or unknown or urgent or spare):
        yield ok(id_, f"has {_names(needed)}", subject)


class Held:
    """Which permission groups a token's policies give on one account and zone; a `deny` takes away what an `allow` gave."""

    def __init__(self, policies: list[Any], account_id: str | None, zone_id: str) -> None:
        self._account: set[str] = set()
        self._zone: set[str] = set()
        denied: tuple[set[str], set[str]] = (set(), set())
        for policy in policies:
            if not isinstance(policy, dict):
                continue
            names = {
                str(group.get("name")) for group in policy.get("permission_groups") or () if isinstance(group, dict)
            }
            on_account, on_zone = _covers(policy.get("resources"), account_id, zone_id)
            allow = policy.get("effect") == "allow"
            for covered, allowed, refused in (
                (on_account, self._account, denied[0]),
                (on_zone, self._zone, denied[1]),
            ):
                if covered:
                    (allowed if allow else refused).update(names)
        self._account -= denied[0]
        self._zone -= denied[1]

    def has(self, permission: Permission) -> bool:
        return bool((self._zone if permission.zone else self._account).intersection(permission.names))

    def spare(self, needed: Iterable[Permission]) -> list[str]:
        """Write permissions that nothing needed."""
        used = {name for permission in needed for name in permission.names}
        return sorted(visible(n)[:80] for n in (self._account | self._zone) - used if n.endswith((" Write", " Edit")))


def _covers(resources: object, account_id: str | None, zone_id: str) -> tuple[bool, bool]:
    """Whether a policy's resources take in the account, and the zone. Keys are resource names, possibly with `*`; an
    account's value may be a map of the zones in it (Cloudflare API, "Create tokens via API")."""
    account = zone = False
    for name, value in resources.items() if isinstance(resources, dict) else ():
        mine = name in ("com.cloudflare.api.account.*", f"com.cloudflare.api.account.{account_id}")
        if mine and isinstance(value, dict):
            zone = zone or _covers(value, account_id, zone_id)[1]
        elif mine:
            account = True
        elif name in ("com.cloudflare.api.account.zone.*", f"com.cloudflare.api.account.zone.{zone_id}"):
            zone = True
    return account, zone


def _places(api: _Api, account: Account) -> Iterator[Check]:
    """The account, the zone and the team, as far as the token may look."""
    subject = account.subject
    if account.account_id is not None:
        # What the tunnel permission may read: /accounts/{id} itself would need one more.
        answer = api.get(f"/accounts/{account.account_id}/cfd_tunnel?per_page=1&is_deleted=false")
        if _ok(answer):
            yield ok("cloudflare.account", f"account {account.account_id[:6]}... answers", subject)
        else:
            yield Check(
                "cloudflare.account",
                "error",
                f"the token cannot see the account's tunnels ({answer.status})",
                "correct cloudflare.account_id, or give the token Cloudflare Tunnel Write on that account",
                subject,
            )
    answer = api.get(f"/zones/{account.zone_id}")
    zone = _result(answer)
    if answer.status != 200 or zone is None:
        text = f"unverifiable: the token may not read the zone ({answer.status})"
        yield skipped("cloudflare.zone", text, subject, "add Zone Read to the token")
    elif zone.get("name") != account.zone:
        text = f"zone_id belongs to {visible(str(zone.get('name')))[:80]}, not to {account.zone}"
        yield Check("cloudflare.zone", "error", text, "correct cloudflare.zone or cloudflare.zone_id", subject)
    elif zone.get("status") != "active":
        text = f"the zone is {visible(str(zone.get('status')))[:20]}, so its names do not answer"
        yield Check("cloudflare.zone", "error", text, "finish its setup in the dashboard", subject)
    else:
        yield ok("cloudflare.zone", f"{account.zone} is active", subject)
    if account.account_id is not None and account.team is not None:
        answer = api.get(f"/accounts/{account.account_id}/access/organizations")
        organization = _result(answer)
        wanted = f"{account.team}.cloudflareaccess.com"
        if answer.status != 200 or organization is None:
            text = f"unverifiable: the token may not read the Zero Trust organization ({answer.status})"
            yield skipped("cloudflare.team", text, subject)
        elif organization.get("auth_domain") != wanted:
            text = f"the account's team domain is {visible(str(organization.get('auth_domain')))[:80]}, not {wanted}"
            yield Check(
                "cloudflare.team", "error", text, "correct cloudflare.team: every token would be refused", subject
            )
        else:
            yield ok("cloudflare.team", wanted, subject)


def _ok(answer: Answer) -> bool:
    body = answer.object()
    return answer.status == 200 and body is not None and body.get("success") is True


def _result(answer: Answer) -> dict[str, Any] | None:
    body = answer.object()
    result = body.get("result") if body is not None and body.get("success") is True else None
    return result if isinstance(result, dict) else None


def _names(permissions: Iterable[Permission]) -> str:
    return ", ".join(str(permission) for permission in permissions) or "nothing"
