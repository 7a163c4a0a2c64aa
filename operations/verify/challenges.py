"""Tells apart what a request without a token meets. One kind alone leads every client to the sign-in.

Kinds seen in front of real servers: Access's redirect to its login (302, often with `Cloudflare-Access resource_metadata=…`
on it), the same header on a 401, `Bearer` without a pointer (what MCP 2025-03-26 knew), a page of HTML, and a block by bot
rules. The pointer of `Cloudflare-Access` names a document that is no protected-resource metadata (RFC 9728).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from model.text import visible
from operations.verify.client import HttpResponse
from operations.verify.subject import VerifySubject, described, is_admitted

ChallengeKind = Literal[
    "bearer",
    "bearer-alone",
    "cloudflare-access",
    "login-page",
    "html",
    "foreign-scheme",
    "bare",
    "blocked",
    "open",
    "none",
]
#: A parameter, or the scheme that begins the next challenge (RFC 9110 section 11.6.1).
_PART = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~\w-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"]+))"""
    r"""|(?P<scheme>[!#$%&'*+.^_`|~\w-]+)"""
)
_LOGIN_PATH = "/cdn-cgi/access/login"


@dataclass(frozen=True)
class Challenge:
    """What the first request met. `pointer` is the URL of `resource_metadata` in a Bearer challenge, and `text` describes
    the answer in a few words."""

    kind: ChallengeKind
    text: str
    status: int
    pointer: str | None = None


def schemes_of(header: str) -> dict[str, dict[str, str]]:
    """Parse WWW-Authenticate, possibly of several challenges: parameters by scheme, both in lower case."""
    schemes: dict[str, dict[str, str]] = {}
    parameters: dict[str, str] = {}
    for part in _PART.finditer(header):
        if part["scheme"] is not None:
            parameters = schemes.setdefault(part["scheme"].lower(), {})
        else:
            value = part["bare"] if part["quoted"] is None else re.sub(r"\\(.)", r"\1", part["quoted"])
            parameters.setdefault(part["name"].lower(), value)
    return schemes


def challenge_of(subject: VerifySubject, answer: HttpResponse) -> Challenge:
    """Classify the answer to a request without a token."""
    schemes = schemes_of(answer.headers.get("www-authenticate", ""))
    status, observed = answer.status, described(subject, answer)
    html = answer.headers.get("content-type", "").lower().startswith("text/html")
    if is_admitted(answer):
        return Challenge("open", observed, status)
    if 300 <= status < 400 or (status < 300 and html):
        return Challenge("login-page", _page(answer, observed, schemes), status)
    if status == 403 or "cf-mitigated" in answer.headers:
        return Challenge("blocked", _blocked(answer), status)
    if status != 401:
        return Challenge("none", observed, status)
    if "bearer" in schemes:
        pointer = schemes["bearer"].get("resource_metadata")
        if pointer is not None:
            return Challenge("bearer", "401 Bearer with resource_metadata", status, pointer)
        return Challenge("bearer-alone", "401 Bearer without resource_metadata", status)
    if "cloudflare-access" in schemes:
        return Challenge("cloudflare-access", "401 Cloudflare-Access, the challenge of a browser's login", status)
    if schemes:
        return Challenge("foreign-scheme", f"401 {visible(next(iter(schemes)))[:40]}, which is not Bearer", status)
    if html:
        return Challenge("html", "401 with a page of HTML and no challenge", status)
    return Challenge("bare", "401 without WWW-Authenticate", status)


def _page(answer: HttpResponse, observed: str, schemes: dict[str, dict[str, str]]) -> str:
    if answer.status < 300:
        return f"{answer.status} with a page of HTML"
    text = observed
    if _LOGIN_PATH in answer.headers.get("location", ""):
        text = f"{answer.status} to a login page of Access"
    elif "login" not in observed:
        text = f"{answer.status} to another page"
    return f"{text}, with Cloudflare-Access on it" if "cloudflare-access" in schemes else text


def _blocked(answer: HttpResponse) -> str:
    if mitigated := answer.headers.get("cf-mitigated"):
        return f"{answer.status}, Cloudflare's own {visible(mitigated)[:30]}"
    source = " by Cloudflare" if "cloudflare" in answer.headers.get("server", "").lower() else ""
    return f"{answer.status}{source}"
