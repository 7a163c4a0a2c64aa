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


class RequestReader(JoinedWrites):
    """A protocol that drops the trailers of a chunked body, and notes a target that names a host itself.

    uvicorn adds trailers to the headers while the application is about to read those, so a sender could give there what
    every reader before the guard took for a part of the body. RFC 9110 section 6.5.1 lets a receiver drop them.
    """

    _in_head = False

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
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
