"""A client of Cloudflare's API with the calls that `lockdown` and `revoke` make themselves: they must take effect at once
and cannot wait for a deployment. The engine makes every other change.

Calls, as developers.cloudflare.com/api documents them (zero_trust; dns):
`POST access/apps/{id}/revoke_tokens`, `POST access/organizations/revoke_user`, `GET access/users`,
`GET access/service_tokens`, `PUT access/service_tokens/{id}`, `GET access/apps`, `PUT access/apps/{id}`,
`GET access/policies`, `POST access/policies`, `DELETE access/policies/{id}`, `GET zones/{id}/dns_records`. All of them may
be repeated, so they are, while the API is busy or does not answer. The token comes from CLOUDFLARE_API_TOKEN, goes to the
environment's `cloudflare.api` alone and is never shown; of a service token's answer only the id and whether it is enabled
are read.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from model import effects
from model.environment import Cloudflare
from model.errors import Unreachable
from model.text import visible
from wire.http import HttpAnswer, HttpPolicy, RefusedAnswer, exchange, reason_of, retry_after

TOKEN_VARIABLE = "CLOUDFLARE_API_TOKEN"  # noqa: S105 - a variable's name
TIMEOUT = httpx.Timeout(10, connect=5)
#: For one whole answer: seconds, and bytes of at most 100 entries.
DEADLINE = 30.0
MAX_ANSWER = 16 * 1024 * 1024
#: Permissions of an API token, as the API reference names them for each call.
END_APPLICATION_SESSIONS = "Access: Apps and Policies Write"
END_USER_SESSIONS = "Access: Organizations, Identity Providers, and Groups Write"
READ_RECORDS = "DNS Read"
READ_USERS = "Access: Audit Logs Read"
CHANGE_APPLICATIONS = "Access: Apps and Policies Write"
CHANGE_SERVICE_TOKENS = "Access: Service Tokens Write"
#: Seconds before the second and the third try; in an incident a person is waiting.
WAITS = (0.5, 1.5)
LONGEST_WAIT = 10.0
#: Of 100 entries each.
MAX_PAGES = 100
_BUSY = frozenset({408, 409, 429, 500, 502, 503, 504})


#: Members of an application that the API sets itself.
_READ_ONLY = frozenset({"id", "uid", "aud", "created_at", "updated_at", "app_launcher_url"})
#: Members that protect an application besides its policies; a change of the policies must leave them as they were.
_PRESERVED = ("aud", "destinations", "allowed_idps", "oauth_configuration", "session_duration")


@dataclass(frozen=True)
class AccessApplication:
    """An Access application: its id, its name and the host names it protects. `body` is the API's own object."""

    id: str
    name: str
    hosts: frozenset[str]
    body: dict[str, Any]

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> AccessApplication:
        uris = [
            destination.get("uri") for destination in body.get("destinations") or () if isinstance(destination, dict)
        ]
        uris += [body.get("domain"), *(body.get("self_hosted_domains") or ())]
        hosts = {uri.partition("/")[0].lower() for uri in uris if isinstance(uri, str)}
        return cls(str(body.get("id")), str(body.get("name")), frozenset(hosts), body)

    @property
    def is_closed(self) -> bool:
        """Whether its only policy denies everyone."""
        policies = self.body.get("policies")
        return isinstance(policies, list) and len(policies) == 1 and _denies_everyone(policies[0])


@dataclass(frozen=True)
class AccessUser:
    """A person as Access knows them. `ids` are the identifiers its tokens may carry as `sub`."""

    email: str
    ids: tuple[str, ...]


def token_from_environment() -> str | None:
    """CLOUDFLARE_API_TOKEN, or None where it is not set."""
    return os.environ.get(TOKEN_VARIABLE, "").strip() or None


class CloudflareApi:
    """A client of one account; a context manager.

    Every method raises `Unreachable` unless the API confirms what it did.
    """

    def __init__(self, settings: Cloudflare, token: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        if not re.fullmatch(r"[!-~]+", token):
            raise Unreachable(
                f"{TOKEN_VARIABLE} holds a character that no token has, such as a blank or a line break",
                remedy="set it to the token alone",
            )
        self.uri = settings.api.rstrip("/")
        self._account = f"/accounts/{quote(settings.account_id, safe='')}/access"
        self._records = f"/zones/{quote(settings.zone_id, safe='')}/dns_records"
        self._sleep = sleep
        self._http = HttpPolicy(self.uri, proxies=True).client(
            base_url=self.uri,
            headers={"accept": "application/json", "authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def revoke_sessions(self, application: str) -> None:
        """End every session of one Access application. A person whom a policy still admits may sign in again at
        once (Cloudflare One docs, "Manage user sessions"), so set a deny policy first."""
        self._call("POST", f"/apps/{quote(application, safe='')}/revoke_tokens", END_APPLICATION_SESSIONS)

    def applications(self) -> list[AccessApplication]:
        """Every Access application of the account."""
        return [
            AccessApplication.from_body(application) for application in self._pages("/apps", CHANGE_APPLICATIONS, {})
        ]

    def closing_policy(self, name: str) -> str:
        """The id of the policy of that name that denies everyone. It is created where there is none."""
        permission = CHANGE_APPLICATIONS
        for policy in self._pages("/policies", permission, {}):
            if policy.get("name") == name and _denies_everyone(policy) and isinstance(policy.get("id"), str):
                return str(policy["id"])
        body = {"name": name, "decision": "deny", "include": [{"everyone": {}}], "exclude": [], "require": []}
        created = self._call("POST", "/policies", permission, json=body).get("result")
        if not isinstance(created, dict) or not _denies_everyone(created) or not isinstance(created.get("id"), str):
            raise Unreachable(f"{self.uri}: the answer does not say that policy {name} denies everyone")
        return str(created["id"])

    def deny_everyone(self, application: AccessApplication, policy: str) -> None:
        """Replace all policies of an application by that one. A service-auth policy beside it would be evaluated first
        (Cloudflare One docs, "Access policies": order of execution), so none may stay."""
        body = {name: value for name, value in application.body.items() if name not in _READ_ONLY}
        body["policies"] = [{"id": policy, "precedence": 1}]
        path = f"/apps/{quote(application.id, safe='')}"
        result = self._call("PUT", path, CHANGE_APPLICATIONS, json=body).get("result")
        answered = result if isinstance(result, dict) else {}
        ids = [entry.get("id") if isinstance(entry, dict) else entry for entry in answered.get("policies") or ()]
        if ids != [policy]:
            raise Unreachable(f"{self.uri}: the answer does not say that {visible(application.name)} denies everyone")
        changed = [name for name in _PRESERVED if answered.get(name) != application.body.get(name)]
        if changed:
            raise Unreachable(
                f"{self.uri}: {visible(application.name)} denies everyone, but its {' and '.join(changed)} changed with it",
                remedy="compare the application with its stack file in the dashboard",
            )

    def resolves(self, hostname: str) -> bool:
        """Whether the zone has a DNS record of exactly that name."""
        records = self._pages("", READ_RECORDS, {"name": hostname}, root=self._records)
        return any(str(record.get("name")).lower() == hostname for record in records)

    def remove_closing_policy(self, name: str) -> None:
        """Delete the policy of that name unless an application still uses it."""
        used = {
            policy.get("id")
            for application in self.applications()
            for policy in application.body.get("policies") or ()
            if isinstance(policy, dict)
        }
        for policy in list(self._pages("/policies", CHANGE_APPLICATIONS, {})):
            if policy.get("name") == name and policy.get("id") not in used:
                self._call("DELETE", f"/policies/{quote(str(policy['id']), safe='')}", CHANGE_APPLICATIONS)

    def revoke_user(self, email: str) -> None:
        """End a person's sessions in every application of the account."""
        self._call("POST", "/organizations/revoke_user", END_USER_SESSIONS, json={"email": email})

    def find_user(self, *, email: str | None = None, sub: str | None = None) -> AccessUser | None:
        """The person of that address or identifier; None when Access knows no such person.

        A token's `sub` is "the ID of the user" (Cloudflare One docs, "Application token"); a user has an `id` and a
        `uid`, and no page says which it is. Both are returned: denying the one that no token
        carries denies nobody else.
        """
        query = {"email": email} if email else {}
        for user in self._pages("/users", READ_USERS, query):
            address = user.get("email")
            ids = tuple(dict.fromkeys(str(user[key]) for key in ("id", "uid") if isinstance(user.get(key), str)))
            if not isinstance(address, str) or not ids:
                continue
            # The API filters; whether it returned exactly this address is checked here.
            if (email and address.lower() == email.lower()) or (sub and sub in ids):
                return AccessUser(address, ids)
        return None

    def set_service_token(self, client_id: str, *, enabled: bool) -> None:
        """Disable or enable the service token of that client id. While it is disabled neither its present nor its
        previous secret is accepted, and it is not lost (API docs; provider schema of `enabled`)."""
        permission = CHANGE_SERVICE_TOKENS
        token = next(
            (entry for entry in self._pages("/service_tokens", permission, {}) if entry.get("client_id") == client_id),
            None,
        )
        if token is None or not isinstance(token.get("id"), str) or not isinstance(token.get("name"), str):
            raise Unreachable(f"{self.uri}: the account has no service token with client id {visible(client_id)}")
        path = f"/service_tokens/{quote(token['id'], safe='')}"
        answer = self._call("PUT", path, permission, json={"name": token["name"], "enabled": enabled})
        result = answer.get("result")
        if not isinstance(result, dict) or result.get("enabled") is not enabled:
            word = "enabled" if enabled else "disabled"
            raise Unreachable(
                f"{self.uri}: the answer does not say that the service token is {word}", remedy="see the dashboard"
            )

    def _pages(
        self, path: str, permission: str, query: dict[str, str], *, root: str | None = None
    ) -> Iterator[dict[str, Any]]:
        for page in range(1, MAX_PAGES + 1):
            params = {**query, "page": str(page), "per_page": "100"}
            answer = self._call("GET", path, permission, root=root, params=params)
            entries = answer.get("result")
            if not isinstance(entries, list):
                raise Unreachable(f"{self.uri}{path}: the answer is no list")
            yield from (entry for entry in entries if isinstance(entry, dict))
            info = answer.get("result_info")
            total = info.get("total_pages") if isinstance(info, dict) else None
            if not entries or (isinstance(total, int) and page >= total) or (total is None and len(entries) < 100):
                return

    def _call(
        self, method: str, path: str, permission: str, *, root: str | None = None, **options: Any
    ) -> dict[str, Any]:
        effects.request(method, "Cloudflare")
        for wait in (*WAITS, None):
            try:
                answer = exchange(
                    self._http, method, (root or self._account) + path, limit=MAX_ANSWER, deadline=DEADLINE, **options
                )
            except RefusedAnswer as error:
                raise Unreachable(f"{self.uri}: {error}; correct cloudflare.api") from None
            except httpx.HTTPError as error:
                problem = f"{reason_of(error)}: no whole answer"
            else:
                if answer.status not in _BUSY:
                    return self._checked(answer, permission)
                problem = f"HTTP {answer.status}{_error_text(answer)}"
                if wait is not None:
                    wait = min(max(wait, retry_after(answer.headers) or 0.0), LONGEST_WAIT)
            if wait is None:
                raise Unreachable(f"{self.uri}: {problem} (tried {len(WAITS) + 1} times)")
            self._sleep(wait)
        raise AssertionError("unreachable")

    def _checked(self, answer: HttpAnswer, permission: str) -> dict[str, Any]:
        if answer.status in (401, 403):
            raise Unreachable(
                f"{self.uri}: refuses {TOKEN_VARIABLE} (HTTP {answer.status}{_error_text(answer)})",
                remedy=f"give a token with the permission {permission}",
            )
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not 200 <= answer.status < 300 or not isinstance(body, dict) or body.get("success") is not True:
            raise Unreachable(f"{self.uri}: HTTP {answer.status}{_error_text(answer)}, so the change is not confirmed")
        return body


def _denies_everyone(policy: object) -> bool:
    return (
        isinstance(policy, dict)
        and policy.get("decision") == "deny"
        and policy.get("include") == [{"everyone": {}}]
        and not policy.get("exclude")
        and not policy.get("require")
    )


def _error_text(answer: HttpAnswer) -> str:
    """The API's own error text, cut and with hidden characters shown, as it comes from outside."""
    try:
        texts = [f"{error['code']}: {error['message']}" for error in answer.member("errors")]
    except (KeyError, TypeError):
        return ""
    return f", {visible('; '.join(texts)[:200])}" if texts else ""
