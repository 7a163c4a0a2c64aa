"""The headers of an MCP server's answer over HTTP: which reach the client, and which make the answer unusable.

Whoever speaks to a server judges by these, so that a server that is taken when it is looked at is taken by every call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from model.masking import masked
from model.text import visible
from wire.content_encoding import DECODED

#: Together with what the guard adds the headers fit the 4 KiB that Kong's nginx reads an answer's headers into
#: (proxy_buffer_size); beyond that Kong answers 502, which its breaker takes for a failure of the guard.
MAX_SESSION = 1024
#: The longest header of an answer that is read. Of those that are not passed on, such as cookies, some are large.
MAX_HEADER = 2**16
#: The form of a session id that MCP allows: every client can send it back.
SESSION = re.compile(rf"[!-~]{{1,{MAX_SESSION}}}")


#: Characters of any other header that is passed on.
MAX_PASSED = 128


@dataclass(frozen=True)
class PassedHeader:
    """A header of the server that reaches the client: the one form it may have, and what the client needs it for."""

    form: re.Pattern[str]
    reason: str


#: Every header of the server's answer that reaches the client, by lower-case name; all others end at the guard. A value in
#: another form is left out: some clients would read it and others not, and free text could speak to a model or a person.
#:
#: Left out on purpose: `WWW-Authenticate`, which would send the client to sign in at whatever issuer the server names (in
#: mode external the guard writes its own, for the configured issuer); `Set-Cookie`, as no session but MCP's own exists;
#: CORS, which is the gateway's; `Location` and `Link`, as nothing is followed; the server's banner; `X-Kong-Limit` and
#: `RateLimit-*`, by which guard and gateway count; `Mcp-*` but the session, which only a client sends.
PASSED: Mapping[str, PassedHeader] = {
    "mcp-session-id": PassedHeader(SESSION, "a client of 2025-* sends it back with each request of its session"),
    "retry-after": PassedHeader(
        re.compile(r"[0-9]{1,9}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"),
        "when to ask again: seconds or a date (RFC 9110 section 10.2.3)",
    ),
    "allow": PassedHeader(
        re.compile(rf"(?=.{{1,{MAX_PASSED}}}$)[A-Z]+(?: ?, ?[A-Z]+)*"),
        "the verbs there are, with 405 (RFC 9110 section 10.2.1): a client learns that there is no stream to open",
    ),
}
#: An authentication scheme (RFC 9110 section 11.1), which alone of a challenge is shown to the operator.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}(?= |$)")


def passed(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that reach the client, by lower-case name. `headers` are read without regard to case."""
    present = [(name, row, value) for name, row in PASSED.items() if (value := headers.get(name)) is not None]
    return {name: value for name, row, value in present if row.form.fullmatch(value)}


def challenge_scheme(headers: Mapping[str, str]) -> str:
    """The scheme of the credentials that the server asks for; empty where it names none."""
    challenge = headers.get("www-authenticate")
    match = _SCHEME.match(challenge) if challenge else None
    return match[0] if match else ""


class HeaderFault(StrEnum):
    """What makes the answer unusable."""

    STATUS = "status"
    REDIRECT = "redirect"
    ENCODING = "encoding"
    SESSION = "session"


def header_fault(status: int, headers: Mapping[str, str], *, opening: bool) -> tuple[HeaderFault, str] | None:
    """The fault of an answer and a sentence about it. `opening`: the answer may open a session.

    `headers` are read without regard to case.
    """
    if not 200 <= status <= 599:
        return HeaderFault.STATUS, f"its HTTP status is {status}, which no final answer has"
    if 300 <= status < 400:
        return HeaderFault.REDIRECT, f"the server redirects to {_address(headers.get('location', ''))}"
    encoding = encoding_of(headers)
    if encoding not in ("", "identity", *DECODED):
        shown = visible(encoding)[:40]
        return (
            HeaderFault.ENCODING,
            f"the server compresses its answers with {shown}, although asked not to; switch that off",
        )
    session = headers.get("mcp-session-id", "")
    if opening and session and not SESSION.fullmatch(session):
        size = f"it has {len(session)} characters, and at most {MAX_SESSION} are passed on"
        problem = size if len(session) > MAX_SESSION else "it is not visible ASCII"
        return HeaderFault.SESSION, f"the Mcp-Session-Id that the server gives cannot be used: {problem}"
    return None


def encoding_of(headers: Mapping[str, str]) -> str:
    """The content encoding, in lower case."""
    return headers.get("content-encoding", "identity").strip().lower()


def _address(location: str) -> str:
    """Where a redirect points, without what may be secret in it."""
    address = location.partition("?")[0].partition("#")[0]
    if not address:
        return "an address that it does not name"
    return f"{visible(str(masked(address)))[:200]}; give the address that answers as origin.url"
