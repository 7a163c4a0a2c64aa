"""The rules for the headers of an HTTP request, before its body is read, and the headers that the server is sent.

How headers repeat a body in MCP 2026-07-28 is in `wire.mirrored_headers`. The body is decided in `guard.decide`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from components.gateway.names import REMAINING_HEADER
from guard.decide.answers import HEADER_MISMATCH, PARSE_ERROR, UNSUPPORTED_VERSION, error, status_of
from guard.decide.reasons import Composed, Reason
from model.guard_config import Identity
from model.loopback import is_loopback
from wire import mirrored_headers
from wire.jsonrpc import Id
from wire.mirrored_headers import Mismatch
from wire.protocol_versions import HANDSHAKE_VERSIONS, MODERN_VERSIONS, VERSION_KEY

#: Headers that may be given once only: of two values, one reader would take the first and another the second.
_ONCE = frozenset(
    (
        "host",
        "origin",
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "mcp-session-id",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "last-event-id",
        "cf-access-jwt-assertion",
        "authorization",
        REMAINING_HEADER,
    )
)
_PARAM = mirrored_headers.PREFIX.lower()
_VALUE = re.compile(rb"[\x20-\x7e\t]*")
_TOKEN = re.compile(r"[!-~]{1,1024}")
#: A name, or an address of IPv6 in brackets, with a port (RFC 9110 section 7.2); what else there is names nobody.
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:/@,\s]+))(?::[0-9]*)?")
#: Values of one header that are kept with what they say: clients send the same few, and one may have 32 KiB.
_CACHED_VALUES = 64
_DEFAULT_LEGACY = "2025-03-26"


@dataclass
class HttpRefusal(Exception):
    """A request that goes no further, with its answer: HTTP status, JSON-RPC body (or none), reason for the audit log."""

    status: int
    reason: Reason | Composed
    message: dict[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def read_headers(raw: Collection[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers, by lower-case name. Raises Refused (400) for a routing header that is given twice or is not ASCII."""
    # One look at all values and one at all names, as nearly all requests pass both.
    readable = _VALUE.fullmatch(b"".join([value for _, value in raw])) is not None
    headers: dict[str, str] = {}
    if readable:
        headers = {name.decode("latin-1").lower(): value.decode("ascii") for name, value in raw}
        if len(headers) == len(raw):
            return headers
        headers = {}
    for name_bytes, value in raw:
        name = name_bytes.decode("latin-1").lower()
        if not readable and not _VALUE.fullmatch(value):
            # Every reader must understand these headers alike; any other header with such a value is dropped.
            if name in _ONCE or name.startswith(_PARAM):
                raise HttpRefusal(
                    400, Reason.BAD_HEADER, error(None, PARSE_ERROR, f"header {name} is not visible ASCII")
                )
            continue
        if name in headers and (name in _ONCE or name.startswith(_PARAM)):
            raise HttpRefusal(
                400, Reason.DUPLICATE_HEADER, error(None, HEADER_MISMATCH, f"header {name} is given twice")
            )
        headers[name] = value.decode("ascii")
    return headers


class PublicNames:
    """The names this guard answers to (`Host`) and the pages that may call it (`Origin`).

    MCP 2025-11-25: an Origin that is present and invalid is answered with 403. Both rules stop DNS rebinding.
    """

    def __init__(self, hostnames: Collection[str], origins: Collection[str], *, loopback: bool) -> None:
        self._hostnames = frozenset(hostnames)
        self._origins = frozenset(origins) | {f"https://{name}" for name in hostnames}
        self._loopback = loopback

    def hostname(self, headers: Mapping[str, str]) -> str:
        """The public name that the request is for. Raises Refused: 421 for a foreign Host, 403 for a foreign Origin."""
        name = _name(headers.get("host", ""))
        if not (name in self._hostnames or (self._loopback and is_loopback(name))):
            raise HttpRefusal(
                421, Reason.FOREIGN_HOST, error(None, PARSE_ERROR, "this guard does not answer to that Host")
            )
        origin = headers.get("origin")
        if origin is not None and not self._calls_from(origin):
            raise HttpRefusal(
                403, Reason.FOREIGN_ORIGIN, error(None, PARSE_ERROR, "that Origin may not call this server")
            )
        return name

    def _calls_from(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        scheme, _, authority = origin.partition("://")
        return self._loopback and scheme in ("http", "https") and is_loopback(_name(authority))


def hostnames_of(identity: Identity) -> list[str]:
    """The public names by which a guard is called, as its configuration of identity says them."""
    names = [door.hostname for door in identity.access.front_doors] if identity.access else []
    if identity.external and not identity.access:
        names.append(identity.external.audience.partition("://")[2].partition("/")[0])
    return names


@lru_cache(maxsize=_CACHED_VALUES)
def _name(host: str) -> str:
    match = _HOST.fullmatch(host.strip().lower())
    return (match[1] or match[2]) if match else ""


def check_body_headers(headers: Mapping[str, str], limit: int) -> None:
    """Raises Refused unless the headers announce uncompressed JSON in UTF-8 of at most `limit` bytes."""
    if not _is_json(headers.get("content-type", "")):
        raise HttpRefusal(
            415, Reason.MEDIA_TYPE, error(None, PARSE_ERROR, "the body must be application/json in UTF-8")
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpRefusal(415, Reason.CONTENT_ENCODING, error(None, PARSE_ERROR, "the body must not be compressed"))
    length = headers.get("content-length", "")
    if length and (not length.isdigit() or int(length) > limit):
        raise HttpRefusal(413, Reason.TOO_LARGE, error(None, PARSE_ERROR, "the body is too large"))


@lru_cache(maxsize=_CACHED_VALUES)
def _is_json(content_type: str) -> bool:
    """Whether a content type is JSON in UTF-8."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    named = (parameter.partition("=") for parameter in parameters)
    charsets = [value.strip('" ') for name, _, value in named if name.strip() == "charset"]
    return media_type == "application/json" and all(charset in ("utf-8", "utf8") for charset in charsets)


def accepts_stream(headers: Mapping[str, str]) -> bool:
    """Whether the client accepts server-sent events as an answer (RFC 9110 section 12.5.1)."""
    return _takes_stream(headers.get("accept", ""))


@lru_cache(maxsize=_CACHED_VALUES)
def _takes_stream(accept: str) -> bool:
    for part in accept.lower().split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        refused = any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
        if media_range in ("text/event-stream", "text/*", "*/*"):
            return not refused
    return False


def is_modern(headers: Mapping[str, str], value: Any) -> bool:
    """Whether a POST is of the 2026 era: by its version header, and by whether its body has the 2026 envelope.

    An unknown version counts as modern, and so does an envelope that names another version than the header: some servers
    read the header first and some the envelope. `check_modern` refuses both.
    """
    version = headers.get("mcp-protocol-version")
    if version in MODERN_VERSIONS:
        return True
    if version is not None and version not in HANDSHAKE_VERSIONS:
        return True
    params = value.get("params") if isinstance(value, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return isinstance(meta, dict) and VERSION_KEY in meta and meta[VERSION_KEY] != version


def check_version(headers: Mapping[str, str]) -> None:
    """Check the version of a GET or DELETE. Raises Refused: 405 in the 2026 era, which has neither, 400 if it is unknown."""
    version = headers.get("mcp-protocol-version")
    if version is None or version in HANDSHAKE_VERSIONS:
        return
    if version in MODERN_VERSIONS:
        raise HttpRefusal(405, Reason.NO_SUCH_VERB, None, {"allow": "POST"})
    raise HttpRefusal(400, Reason.UNKNOWN_VERSION, error(None, UNSUPPORTED_VERSION, "Unsupported protocol version"))


def check_modern(headers: Mapping[str, str], value: Mapping[str, Any], id_: Id | None) -> None:
    """Check a request by the rules of 2026-07-28: envelope, headers equal to the body, known version. Raises Refused."""
    mismatch = mirrored_headers.envelope_mismatch(value, headers)
    if mismatch is not None:
        raise _rejected(mismatch, id_)


def check_modern_notification(headers: Mapping[str, str], method: str) -> None:
    """Check a notification by the rules of 2026-07-28: a known version, and the body's method in the header if there is one.

    Raises Refused.
    """
    if headers.get("mcp-method", method) != method:
        raise HttpRefusal(
            400, Reason.PROTOCOL, error(None, HEADER_MISMATCH, "the mcp-method header is not the body's method")
        )
    mismatch = mirrored_headers.version_mismatch(headers.get("mcp-protocol-version", ""))
    if mismatch is not None:
        raise _rejected(mismatch, None)


def check_param_headers(
    headers: Mapping[str, str], schema: Mapping[str, Any], arguments: Mapping[str, Any], id_: Id
) -> None:
    """Raises Refused unless `Mcp-Param-*` headers equal the arguments that they mirror by the pinned schema."""
    mismatch = mirrored_headers.argument_mismatch(schema, arguments, headers)
    if mismatch is not None:
        raise _rejected(mismatch, id_)


def _rejected(mismatch: Mismatch, id_: Id | None) -> HttpRefusal:
    message = error(id_, mismatch.code, mismatch.message, mismatch.data)
    return HttpRefusal(status_of(mismatch.code, modern=True), Reason.PROTOCOL, message)


def forwarded(headers: Mapping[str, str], *, modern: bool, bearer: bool, method: str = "") -> dict[str, str]:
    """The headers that the server is sent: MCP's own, and none that names or proves anybody.

    In the 2026 era a header is sent only with a message (`method`) whose body it was compared with.

    `Cf-Access-*`, `x-ringwall-*` and cookies are never sent. `Authorization` is sent only with `bearer`, where the token's
    audience is the server itself (MCP authorization: no token may be passed on to anyone else).
    """
    sent = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    names = ["mcp-protocol-version", "mcp-method" if modern else "mcp-session-id"]
    if modern and method in mirrored_headers.NAMED:
        names.append("mcp-name")
    if bearer:
        names.append("authorization")
    for name in names:
        if name in headers:
            sent[name] = headers[name]
    if modern and not method.startswith("notifications/"):
        sent.update(_param_headers(headers))
    return sent


def _param_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The `Mcp-Param-*` headers."""
    if _PARAM not in " ".join(headers):  # one look at all names, as most requests have none
        return {}
    return {name: value for name, value in headers.items() if name.startswith(_PARAM)}


def mirror_param_headers(headers: dict[str, str], schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Set every header that mirrors an argument, as the client would have if it had sent these arguments."""
    mirrored = mirrored_headers.headers_of(mirrored_headers.marks(schema), arguments)
    headers.update((name.lower(), value) for name, value in mirrored.items())


def rewrite_param_headers(headers: dict[str, str], schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Set the headers that mirror arguments to the values of the redacted arguments."""
    mirrored = mirrored_headers.headers_of(mirrored_headers.marks(schema), arguments)
    for name, value in mirrored.items():
        if name.lower() in headers:
            headers[name.lower()] = value


def unmirrored(headers: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, str]:
    """The `Mcp-Param-*` headers that mirror no argument. MCP has them forwarded, so they are inspected as text."""
    param_headers = _param_headers(headers)
    if not param_headers:
        return param_headers
    # If the schema marks its headers wrongly, no header was compared with an argument.
    marked = mirrored_headers.marks(schema) if mirrored_headers.marks_hold(schema) else {}
    known = {_PARAM + name.lower() for name in marked.values()}
    return {name: value for name, value in param_headers.items() if name not in known}


def session_of(headers: Mapping[str, str]) -> str | None:
    """The legacy session id, or None without one. Raises Refused (400) for an id that is not visible ASCII."""
    session = headers.get("mcp-session-id")
    if session is not None and not _TOKEN.fullmatch(session):
        raise HttpRefusal(400, Reason.BAD_SESSION, error(None, PARSE_ERROR, "the session id is not visible ASCII"))
    return session


def legacy_version(headers: Mapping[str, str]) -> str:
    """The legacy protocol version in force: 2025-03-26 when no header names one (MCP transports)."""
    return headers.get("mcp-protocol-version", _DEFAULT_LEGACY)
