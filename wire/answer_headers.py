"""Which answers of an MCP server over HTTP are unusable by status and headers alone, in the words for its operator.

Whoever speaks to a server judges by these, so that a server that is taken when it is looked at is taken by every call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


class HeaderFault(StrEnum):
    """What makes the answer unusable."""

    REDIRECT = "redirect"
    ENCODING = "encoding"
    SESSION = "session"


def header_fault(status: int, headers: Mapping[str, str], *, opening: bool) -> tuple[HeaderFault, str] | None:
    """The fault of an answer and a sentence about it. `opening`: the answer may open a session.

    `headers` are read without regard to case.
    """
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
