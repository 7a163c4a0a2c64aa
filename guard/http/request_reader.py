"""uvicorn's HTTP/1.1 protocol, changed to read a request as the guard judges it: one head, one target, one meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from guard.decide.answers import PARSE_ERROR, error
from guard.decide.reasons import Reason
from guard.http.http_rules import HttpRefusal
from guard.http.joined_writes import JoinedWrites

#: The member of a scope's `state` that holds the authority of a target in absolute form.
_AUTHORITY = "ringwall.authority"
_ABSOLUTE = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]*://([^/?#]*)")
_CODING = b"transfer-encoding"


class _TwoMeanings(Exception):
    """Ends the parser's work on a request that another reader would take for another one."""


class RequestReader(JoinedWrites):
    """A protocol that drops the trailers of a chunked body, and notes a target that names a host itself.

    uvicorn adds trailers to the headers while the application is about to read those, so a sender could give there what
    every reader before the guard took for a part of the body. RFC 9110 section 6.5.1 lets a receiver drop them.

    What the parser lets pass and readers take in two ways is refused: a transfer coding but chunked, chunked in HTTP/1.0
    (RFC 9112 section 6.1), another version, and a fragment, which no target has (section 3.2).
    """

    _in_head = _chunked = False

    def on_message_begin(self) -> None:
        self._in_head, self._chunked = True, False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            if len(name) == len(_CODING) and name.lower() == _CODING:
                if value.strip().lower() != b"chunked":
                    raise _TwoMeanings
                self._chunked = True
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        version = self.parser.get_http_version()
        if (version != "1.1" and (version != "1.0" or self._chunked)) or b"#" in self.url:
            raise _TwoMeanings
        if not self.url.startswith(b"/"):
            match = _ABSOLUTE.match(self.url)
            self.scope["state"][_AUTHORITY] = match[1].decode("latin-1") if match else ""
        super().on_headers_complete()


def check_target(scope: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    """Raises Refused (400) for a target in absolute form that names another host than `Host`.

    RFC 9112 section 3.2.2 has the target win and a proxy rewrite `Host`, so where the two differ readers disagree.
    """
    authority = scope.get("state", {}).get(_AUTHORITY)
    if authority is not None and authority.lower() != headers.get("host", "").strip().lower():
        text = "the request's target and its Host name two hosts"
        raise HttpRefusal(400, Reason.FOREIGN_TARGET, error(None, PARSE_ERROR, text))
