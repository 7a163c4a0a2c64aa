"""Which request headers a stack file may set for its server, and the two places where the guard says who calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from model.base import SecretRef
from model.problems import Wrong

#: Where the server reads the guard's token about the caller: this header, or this member of `_meta`. What a client sends in
#: either place never arrives. The prefix is one of our own, as MCP asks for (specification, `_meta`).
IDENTITY_HEADER = "ringwall-identity"
META_PREFIX = "io.ringwall/"
IDENTITY_META = f"{META_PREFIX}identity"

_MESSAGE = "says how the message is read, which is the guard's and HTTP's own"
_CONNECTION = "is about one connection (RFC 9110 section 7.6.1)"
_ROUTE = "says where a request is for or came from, and servers decide by it"
_PROTOCOL = "is MCP's own, set from the message that was judged"
_SESSION = "carries a browser's session; a server's key has a header of its own"
_CALLER = "says who calls, which only the rings say"
_METHOD = "changes what a request does"
#: Every header that may not be set, in small letters, with the reason. A name that ends in `*` stands for all that begin so.
REFUSED_HEADERS: Mapping[str, str] = {
    **dict.fromkeys(("accept", "accept-charset", "accept-encoding", "content-*", "date", "expect", "range"), _MESSAGE),
    **dict.fromkeys(("if-*", "last-event-id"), _MESSAGE),
    **dict.fromkeys(
        ("connection", "keep-alive", "proxy-*", "te", "trailer", "transfer-encoding", "upgrade"), _CONNECTION
    ),
    **dict.fromkeys(
        ("host", "origin", "referer", "forwarded", "via", "x-forwarded-*", "x-original-*", "x-real-ip"), _ROUTE
    ),
    **dict.fromkeys(("x-rewrite-url", "access-control-*", "sec-*"), _ROUTE),
    **dict.fromkeys(("mcp-*",), _PROTOCOL),
    **dict.fromkeys(("cookie", "set-cookie"), _SESSION),
    **dict.fromkeys(("cf-*", "ringwall-*", "x-ringwall-*", "x-kong-*", "x-consumer-*", "x-credential-*"), _CALLER),
    **dict.fromkeys(("x-authenticated-*", "x-anonymous-consumer", "x-ratelimit-*"), _CALLER),
    **dict.fromkeys(("x-http-method", "x-http-method-override", "x-method-override"), _METHOD),
}
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


def refusal_of(name: str) -> str | None:
    """Why this header may not be set; None where it may."""
    lower = name.lower()
    for pattern, reason in REFUSED_HEADERS.items():
        if lower == pattern or (pattern.endswith("*") and lower.startswith(pattern[:-1])):
            return reason
    return None


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise Wrong("is no header name", "write it such as X-Api-Key")
    reason = refusal_of(name)
    if reason is not None:
        raise Wrong(f"{name} {reason}", "name the header in which the server takes its key, such as X-Api-Key")
    return name


HeaderName = Annotated[str, AfterValidator(_header_name)]


class OriginHeader(SecretRef):
    """Where the origin host finds the value of a header. Never the value itself."""

    scheme: Literal["Bearer", "Basic", "Token", "ApiKey"] | None = Field(
        None, description="Word before the secret, as in `Authorization: Bearer …`."
    )


def _distinct(headers: dict[str, OriginHeader]) -> dict[str, OriginHeader]:
    spellings: dict[str, str] = {}
    for name in headers:
        if (first := spellings.setdefault(name.lower(), name)) != name:
            raise Wrong(f"{first} and {name} are one header", "remove one of the two", (name,))
    return headers


OriginHeaders = Annotated[dict[HeaderName, OriginHeader], AfterValidator(_distinct)]
