"""Registers at an authorization server exactly what a client registers, judges the answer, and removes the registration.

Standards: RFC 7591 (registration) and RFC 7592 (its removal, by the URI and the token of the answer). A server that offers
no removal keeps the client; each one that stays is named in the report. The token of a removal never leaves this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from model.text import visible
from operations.verify.client import Headers, HttpResponse, NoResponse
from operations.verify.context import VerifyContext
from operations.verify.subject import attempt

_ACCEPTED = (200, 201)
_NEVER_REMOVED = "ids that stay registered"


@dataclass(frozen=True)
class RegistrationAnswer:
    """How a registration was answered. `problem` is None when it was accepted as sent, with every redirect URI; `limited`
    when the server only said to come back later. `accepted` holds the redirect URIs that it took."""

    status: int | None
    problem: str | None
    accepted: tuple[str, ...] = ()
    limited: bool = False


def client_metadata(name: str, redirect_uris: Sequence[str], **members: Any) -> dict[str, Any]:
    """The registration of a public client that uses PKCE, as every MCP client registers; `members` add to it."""
    return {
        "client_name": name,
        "redirect_uris": list(redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        **members,
    }


async def register(
    context: VerifyContext, endpoint: str, metadata: Mapping[str, Any], user_agent: Headers = ()
) -> RegistrationAnswer:
    """Register a client, and remove it again."""
    headers = (("content-type", "application/json"), ("accept", "application/json"), *user_agent)
    body = json.dumps(dict(metadata)).encode()
    answer = await attempt(context.client.send("POST", endpoint, headers=headers, body=body))
    if isinstance(answer, NoResponse):
        return RegistrationAnswer(None, str(answer))
    document = answer.json()
    if answer.status not in _ACCEPTED or not isinstance(document, dict):
        return _refused(answer, document, metadata["redirect_uris"])
    await _remove(context, endpoint, document, str(metadata["client_name"]))
    uris = document.get("redirect_uris")
    accepted = tuple(uri for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else ()
    return RegistrationAnswer(answer.status, _flaw(document, accepted, metadata["redirect_uris"]), accepted)


def _flaw(document: Mapping[str, Any], accepted: Sequence[str], sent: Sequence[str]) -> str | None:
    """Say what keeps a client from using the answer."""
    if not isinstance(document.get("client_id"), str) or not document["client_id"]:
        return "the answer holds no client_id"
    if not isinstance(document.get("redirect_uris"), list):
        return "the answer holds no redirect_uris, which the clients' SDKs require"
    if dropped := [uri for uri in sent if uri not in accepted]:
        return f"registered without {visible(', '.join(dropped))}"
    return None


def _refused(answer: HttpResponse, document: object, sent: Sequence[str]) -> RegistrationAnswer:
    if answer.status == 429:
        return RegistrationAnswer(429, "429, too many registrations", limited=True)
    if answer.status in _ACCEPTED:
        return RegistrationAnswer(answer.status, f"{answer.status} without a JSON object")
    members = document if isinstance(document, dict) else {}
    words = [members.get(key) for key in ("error", "error_description")]
    reason = ": ".join(visible(word)[:160] for word in words if isinstance(word, str))
    return RegistrationAnswer(answer.status, f"{answer.status} {reason or 'without a reason'}; sent {', '.join(sent)}")


async def _remove(context: VerifyContext, endpoint: str, document: Mapping[str, Any], name: str) -> None:
    uri, token = document.get("registration_client_uri"), document.get("registration_access_token")
    host = urlsplit(endpoint).hostname
    outcome = "the server offers no removal"
    if isinstance(uri, str) and isinstance(token, str) and token.isascii() and token.isprintable():
        if context.client.allows(uri) is not None or urlsplit(uri).hostname != host:
            outcome = "its removal is at another host, which was not asked"
        else:
            sent = (("authorization", f"Bearer {token}"),)
            answer = await attempt(context.client.send("DELETE", uri, headers=sent))
            # RFC 7592 section 2.3: 204 when it is removed, 401 when it is no more.
            if isinstance(answer, HttpResponse) and answer.status in (200, 204):
                return
            shown = str(answer) if isinstance(answer, NoResponse) else str(answer.status)
            outcome = f"its removal was answered with {shown}"
    id_ = visible(str(document.get("client_id")))[:80]
    context.cache.setdefault(_NEVER_REMOVED, []).append(f"{visible(name)} ({id_}) at {host}: {outcome}")


def leftovers(context: VerifyContext) -> tuple[str, ...]:
    """The registrations of this run that could not be removed, each with the reason."""
    return tuple(context.cache.get(_NEVER_REMOVED, ()))
