"""Checks of Cloudflare: the API token, its permissions against those the plan needs, and the account, zone and team.

Permission names are those of developers.cloudflare.com, "API token permissions", each at the resource whose REST calls need
it. A token that may not read its own policies makes the check of permissions skipped, never passed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from model.text import counted, visible
from operations.doctor import bots, logpush
from operations.doctor.checks import Check, clock, ok, skipped
from operations.doctor.http import ServiceResponse, fetch
from wire.cloudflare import CHANGE_SERVICE_TOKENS, END_APPLICATION_SESSIONS, END_USER_SESSIONS, READ_USERS

TOKEN_VARIABLE = "CLOUDFLARE_API_TOKEN"  # noqa: S105 - a variable's name
SOON = timedelta(days=14)
IDS = (
    "cloudflare.token",
    "cloudflare.permissions",
    "cloudflare.account",
    "cloudflare.zone",
    "cloudflare.team",
    bots.ID,
)
CREATE = "create one at dash.cloudflare.com/profile/api-tokens"


@dataclass(frozen=True)
class Permission:
    """A permission of a token, on the account or on the zone; any of `names` suffices."""

    names: tuple[str, ...]
    zone: bool = False

    def __str__(self) -> str:
        return f"{self.names[0]} ({'zone' if self.zone else 'account'})"


_TUNNEL = Permission(("Cloudflare Tunnel Write", "Cloudflare One Connector: cloudflared Write"))
_APPS = Permission((END_APPLICATION_SESSIONS,))
_PORTALS = Permission(("MCP Portals Write",))
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
    "zeroTrustAccessMtlsCertificate": Permission(("Access: Mutual TLS Certificates Write",)),
    "logpushJob": Permission(("Logs Write",)),
    "zeroTrustAccessAiControlsMcpPortal": _PORTALS,
    "zeroTrustAccessAiControlsMcpServer": _PORTALS,
}
#: The provider's client sends each of these beside the token (cloudflare-go, `DefaultClientOptions`), and each may do more.
FURTHER_KEYS = ("CLOUDFLARE_API_KEY", "CLOUDFLARE_API_USER_SERVICE_KEY")
#: Permissions for the API calls of `ringwall lockdown` and `revoke`, beside those of the engine. "Organizations Revoke" can
#: end a user's sessions as well, and nothing more (changelog, 2026-01-22).
IN_AN_INCIDENT = (
    _APPS,
    Permission((END_USER_SESSIONS, "Access: Organizations Revoke")),
    Permission((READ_USERS,)),
)


@dataclass(frozen=True)
class Account:
    """The account as the stack files name it; `account_id` and `team` are None for a zone stack.

    `is_environment` when every resource of the environment was planned, so that an unused permission is one too many.
    """

    api: str
    zone: str
    zone_id: str
    account_id: str | None
    team: str | None
    types: frozenset[str]
    secret_in_stack: bool
    is_environment: bool
    subject: str
    #: Clients that call from their vendor's cloud.
    hosted_clients: tuple[str, ...] = ()
    #: By dataset, the fields of the logs that Cloudflare pushes.
    logpush: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def ids(account: Account) -> tuple[str, ...]:
    """The checks of an account."""
    return (*IDS, logpush.ID) if account.logpush else IDS


def permissions_for(types: Iterable[str]) -> tuple[list[Permission], list[str]]:
    """The permissions that a plan of these resource types needs, and the Cloudflare types missing from the table."""
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
    """The permissions that lockdown and revoke need beyond those of the plan; none for a plan without Access."""
    types = list(types)
    if not any("zeroTrustAccess" in token for token in types):
        return []
    needed, _ = permissions_for(types)
    names = {name for permission in needed for name in permission.names}
    return [permission for permission in IN_AN_INCIDENT if names.isdisjoint(permission.names)]


def check(account: Account, environ: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Run every check that the token allows. The token is sent to `account.api` only."""
    subject = account.subject
    token = environ.get(TOKEN_VARIABLE)
    if token or account.secret_in_stack:
        yield from _further_keys(environ, subject)
    if not token:
        yield _no_token(account, environ)
        for id_ in ids(account)[1:]:
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
        for id_ in ids(account)[1:]:
            yield skipped(id_, "needs a token that works", subject)
        return
    yield from _permissions(api, account, base)
    yield from _scope(api, account)
    answer = api.get(f"/zones/{account.zone_id}/bot_management")
    yield bots.judge(answer.status, _result(answer), account.hosted_clients, subject)
    for dataset, fields in account.logpush.items():
        answer = api.get(f"/accounts/{account.account_id}/logpush/datasets/{dataset}/fields")
        yield logpush.judge(dataset, fields, answer.status, _result(answer), subject)


@dataclass(frozen=True)
class _Api:
    base: str
    token: str

    def __repr__(self) -> str:
        return f"_Api({self.base})"

    def get(self, path: str) -> ServiceResponse:
        return fetch(self.base.rstrip("/") + path, {"authorization": f"Bearer {self.token}"})


def _further_keys(environ: Mapping[str, str], subject: str) -> Iterator[Check]:
    for name in FURTHER_KEYS:
        if environ.get(name):
            text = f"{name} is set too, and the provider sends it with every request beside the token"
            yield Check(
                "cloudflare.token", "error", text, f"unset {name}: the token alone is meant to be used", subject
            )


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


def _verify(api: _Api, account: Account) -> tuple[list[Check], ServiceResponse | None, str | None]:
    """Verify the token, as a user's token and else as one that the account owns.

    Returns the check, the last answer, and the path of the token's details; the path is None for a token that is not good.
    """
    id_, subject = "cloudflare.token", account.subject
    owners = ["/user", *([f"/accounts/{account.account_id}"] if account.account_id else [])]
    answer: ServiceResponse | None = None
    for owner in owners:
        answer = api.get(f"{owner}/tokens/verify")
        result = _result(answer)
        if answer.status == 200 and result is not None:
            token_check = _judge_token(result, subject)
            number = result.get("id")
            good = isinstance(number, str) and re.fullmatch(r"[0-9a-f]{32}", number) and token_check.status != "error"
            return [token_check], answer, f"{owner}/tokens/{number}" if good else None
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
        return Check(id_, "warning", text, "set an expiry: a token that leaks stays valid for ever", subject)
    try:
        end = datetime.fromisoformat(expires)
    except ValueError:
        return Check(
            id_, "warning", "the token is active, and its expiry cannot be read", "look at it in the dashboard", subject
        )
    if end.tzinfo is None:
        end = end.replace(tzinfo=UTC)
    remaining = end - datetime.now(UTC)
    if remaining < SOON:
        text = f"the token expires on {end:%Y-%m-%d}, in {counted(max(0, remaining.days), 'day')}"
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
    permissions = HeldPermissions(policies, account.account_id, account.zone_id)
    missing = [permission for permission in needed if not permissions.has(permission)]
    if missing:
        text = f"the token lacks {_names(missing)}"
        yield Check(id_, "error", text, "add them to the token in the dashboard", subject)
    if unknown:
        text = f"Ringwall does not know which permission {', '.join(unknown)} needs"
        yield Check(id_, "warning", text, "look it up in Cloudflare's docs", subject)
    incident = incident_permissions(account.types)
    missing_in_incident = [permission for permission in incident if not permissions.has(permission)]
    if missing_in_incident:
        text = "`ringwall revoke` of a person could not end sessions or find whom to deny: the token lacks "
        text += _names(missing_in_incident)
        yield Check(id_, "warning", text, "add them, or keep a token for incidents that has them", subject)
    unneeded = permissions.spare([*needed, *IN_AN_INCIDENT]) if account.is_environment else []
    if unneeded:
        text = f"the token may do more than the plan needs: {', '.join(unneeded[:8])}"
        yield Check(id_, "warning", text, "remove it: whoever steals the token has it too", subject)
    if not (missing or unknown or missing_in_incident or unneeded):
        yield ok(id_, f"has {_names(needed)}", subject)


class HeldPermissions:
    """The permission groups that a token's policies grant on one account and zone; a `deny` overrides every `allow`."""

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
            on_account, on_zone = _coverage(policy.get("resources"), account_id, zone_id)
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
        """The write permissions that are not needed."""
        used = {name for permission in needed for name in permission.names}
        unused = (self._account | self._zone) - used
        return sorted(visible(name)[:80] for name in unused if name.endswith((" Write", " Edit")))


def _coverage(resources: object, account_id: str | None, zone_id: str) -> tuple[bool, bool]:
    """Whether a policy's resources cover the account, and the zone.

    Keys are resource names, possibly with `*`; an account's value may be a map of the zones in it (Cloudflare API, "Create
    tokens via API").
    """
    account = zone = False
    for name, value in resources.items() if isinstance(resources, dict) else ():
        is_account = name in ("com.cloudflare.api.account.*", f"com.cloudflare.api.account.{account_id}")
        if is_account and isinstance(value, dict):
            zone = zone or _coverage(value, account_id, zone_id)[1]
        elif is_account:
            account = True
        elif name in ("com.cloudflare.api.account.zone.*", f"com.cloudflare.api.account.zone.{zone_id}"):
            zone = True
    return account, zone


def _scope(api: _Api, account: Account) -> Iterator[Check]:
    """Check the account, the zone and the team, as far as the token may read them."""
    subject = account.subject
    if account.account_id is not None:
        # The tunnel permission may read this path; /accounts/{id} itself would need one permission more.
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
        text = f"the zone is {visible(str(zone.get('status')))[:20]}, so its host names do not resolve"
        yield Check("cloudflare.zone", "error", text, "finish its setup in the dashboard", subject)
    else:
        yield ok("cloudflare.zone", f"{account.zone} is active", subject)
    if account.account_id is not None and account.team is not None:
        answer = api.get(f"/accounts/{account.account_id}/access/organizations")
        organization = _result(answer)
        team_domain = f"{account.team}.cloudflareaccess.com"
        if answer.status != 200 or organization is None:
            text = f"unverifiable: the token may not read the Zero Trust organization ({answer.status})"
            yield skipped("cloudflare.team", text, subject)
        elif organization.get("auth_domain") != team_domain:
            text = (
                f"the account's team domain is {visible(str(organization.get('auth_domain')))[:80]}, not {team_domain}"
            )
            yield Check(
                "cloudflare.team", "error", text, "correct cloudflare.team: every token would be refused", subject
            )
        else:
            yield ok("cloudflare.team", team_domain, subject)


def _ok(answer: ServiceResponse) -> bool:
    body = answer.object()
    return answer.status == 200 and body is not None and body.get("success") is True


def _result(answer: ServiceResponse) -> dict[str, Any] | None:
    body = answer.object()
    result = body.get("result") if body is not None and body.get("success") is True else None
    return result if isinstance(result, dict) else None


def _names(permissions: Iterable[Permission]) -> str:
    return ", ".join(str(permission) for permission in permissions) or "nothing"
