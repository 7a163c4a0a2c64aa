"""What an MCP client writes and reads, whatever carries its messages: ids, the two eras, headers, the reply it waits for.

Three clients stand on it: `guard.probe` reads as strictly as the guard does, `operations.scan` meets servers that nobody
knows over every transport, and `operations.verify` speaks through the rings, sometimes wrongly on purpose. How each of them
connects, how much it reads and what it makes of a refusal is its own. Nothing here connects or waits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.json import MAX_DEPTH, NotJson, read_json
from wire.jsonrpc import UNSUPPORTED_VERSION, Id
from wire.protocol_versions import LATEST_HANDSHAKE_VERSION, MODERN_VERSIONS

#: The newest version that begins with `initialize`, and the newest without sessions.
HANDSHAKE_VERSION = LATEST_HANDSHAKE_VERSION
STATELESS_VERSION = MODERN_VERSIONS[-1]
#: What a client takes as the answer to a message that it posts.
ACCEPT = "application/json, text/event-stream"

_META = "io.modelcontextprotocol/"
_MARK = b"\xef\xbb\xbf"
#: A session's id is visible ASCII (MCP 2025-11-25, "Session Management").
_SESSION = re.compile(r"[!-~]{1,512}")
#: Methods whose subject the header `mcp-name` repeats, and the member that names it (MCP 2026-07-28, "Standard headers").
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


@dataclass
class ClientSide:
    """One client's side of a conversation: it counts its requests, and knows the era, the version and the session.

    `name` and `capabilities` are what the client says of itself. `version` is None until the server has named one.
    """

    name: str
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    stateless: bool = False
    version: str | None = None
    session: str | None = field(default=None, repr=False)
    last_id: int = 0

    @property
    def info(self) -> dict[str, str]:
        return {"name": self.name, "version": "1"}

    def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        id_: Id | None = None,
        stateless_version: str | None = None,
    ) -> dict[str, Any]:
        """The next request. `stateless_version` makes it one without a session before the server has named its version.

        `params` of {} are written, and None is left out; to some servers the two are not the same.
        """
        self.last_id += 1
        sent = dict(params or {})
        version = stateless_version or (self.version if self.stateless else None)
        if version is not None:
            sent["_meta"] = {
                f"{_META}protocolVersion": version,
                f"{_META}clientInfo": self.info,
                f"{_META}clientCapabilities": dict(self.capabilities),
            }
        message = {"jsonrpc": "2.0", "id": self.last_id if id_ is None else id_, "method": method}
        return message if params is None and not sent else {**message, "params": sent}

    def initialize(self, version: str = HANDSHAKE_VERSION) -> dict[str, Any]:
        """The first request of a conversation with a session."""
        params = {"protocolVersion": version, "capabilities": dict(self.capabilities), "clientInfo": self.info}
        return self.request("initialize", params)

    def begin(self, result: Mapping[str, Any], session: str | None) -> None:
        """Take over what the answer to `initialize` settles: the version, and the session of the response's header."""
        version = result.get("protocolVersion")
        self.version = version if isinstance(version, str) and re.fullmatch(r"[0-9-]{1,20}", version) else None
        self.session = session if session is not None and _SESSION.fullmatch(session) else None

    def headers(self, message: Mapping[str, Any] | None = None) -> dict[str, str]:
        """MCP's own headers of a request that carries `message`, or none."""
        named: dict[str, str] = {}
        version, method = self.version, ""
        if message is not None:
            method, params = str(message.get("method", "")), message.get("params", {})
            meta = params.get("_meta", {})
            stateless_version = meta.get(f"{_META}protocolVersion")
            if stateless_version is not None:
                named["mcp-method"], version = method, stateless_version
                if method in _NAMED:
                    named["mcp-name"] = str(params.get(_NAMED[method]))
        if version is not None:
            named["mcp-protocol-version"] = version
        if self.session is not None:
            named["mcp-session-id"] = self.session
        return named


def notification(method: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method}


def read_message(text: bytes | str) -> dict[str, Any] | None:
    """A JSON-RPC message as a forgiving reader takes it; None for anything else.

    An object with duplicate keys is None too, as two parsers may read two meanings from it. A strict reader takes
    `wire.jsonrpc.classify`.
    """
    body = text.encode("utf-8", "replace") if isinstance(text, str) else text
    try:
        value = read_json(body.removeprefix(_MARK), MAX_DEPTH, replace_halves=True)
    except NotJson:
        return None
    return value if isinstance(value, dict) and value.get("jsonrpc") == "2.0" else None


def reply_in(text: bytes | str, id_: Id) -> dict[str, Any] | None:
    """The reply to the request `id_`, where `text` is that message and not another one of the server's."""
    message = read_message(text)
    return message if message is not None and message.get("id") == id_ and "method" not in message else None


def stateless_versions(result: Mapping[str, Any]) -> list[Any] | None:
    """The versions that an answer to `server/discover` names; None where it is no such answer."""
    versions = result.get("supportedVersions")
    return versions if isinstance(versions, list) else None


def versions_in(code: object, data: object) -> list[Any] | None:
    """The versions that a server names in an error because it does not speak the one it was asked in; else None."""
    supported = data.get("supported") if isinstance(data, dict) else None
    return supported if code == UNSUPPORTED_VERSION and isinstance(supported, list) and supported else None


def server_info(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a server says of itself in its answer to `initialize` or, in `_meta`, to `server/discover`."""
    meta = result.get("_meta")
    stateless = meta.get(f"{_META}serverInfo") if isinstance(meta, dict) else None
    info = result.get("serverInfo", stateless)
    return info if isinstance(info, dict) else {}
