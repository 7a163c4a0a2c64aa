"""The policy: one configuration compiled once, never changed, and replaced as a whole by the next.

An exchange begins under the policy in force. State that must outlive a change of configuration (sessions, counters,
taint, the audit log) is in `guard.runtime`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate

from components.gateway.flood import flood_kilobytes
from guard.decide.counters import Counters
from guard.decide.grants import Grants
from guard.decide.limits import Limiter
from guard.decide.pins import Pins, Refusal
from guard.decide.resource_uris import is_plain_uri
from guard.http.http_rules import PublicNames
from guard.identity.verifier import Verifier
from guard.inspect.inspection import Inspector
from guard.inspect.panel import Panel, build_panel
from model.errors import InputError
from model.guard_config import GuardConfig
from model.schema_defaults import Filler, compile_defaults
from model.schemas import Checker, compile_schema
from model.text import visible
from model.tool_lock import ToolEntry


@dataclass(frozen=True, slots=True)
class PinnedTool:
    """A locked tool, ready to be called.

    `check` judges arguments by the pinned input schema; `fill` adds what it requires and has a default for, None where there
    is no such member. `mirrored` says that some arguments travel in headers too.
    """

    schema: Mapping[str, Any]
    check: Checker
    outbound: bool
    cacheable: bool
    writes: bool
    mirrored: bool
    fill: Filler | None = None


class Policy:
    """The compiled configuration.

    Args:
        sha256: digest of the bundle or demo configuration it was made from.
        denied: principals refused at once, whatever their tokens say.
        state: folder where the guard keeps the list of refused definitions; None keeps it in memory.
        previous: the policy before this one. Issuers' keys are taken over, so that no issuer must be up for a new bundle.

    Raises:
        InputError: a pinned schema, grant or secret cannot be used; nothing of the configuration is in force then.
    """

    def __init__(
        self,
        config: GuardConfig,
        *,
        sha256: str,
        sequence: int,
        denied: frozenset[str],
        client: httpx.AsyncClient,
        counters: Counters,
        report: Callable[[Refusal], None],
        state: Path | None = None,
        previous: Policy | None = None,
    ) -> None:
        self.config = config
        self.sha256 = sha256
        self.sequence = sequence
        self.denied = denied
        #: Bytes that a message may have, and bytes after which a body is not read on: in between the refusal can name the
        #: request that it answers.
        self.body_limit = config.limits.body_kilobytes * 1024
        self.body_end = flood_kilobytes(config.limits.body_kilobytes) * 1024
        identity = config.identity
        self.verifier: Verifier = Verifier(
            identity, client, path=config.path, previous=previous.verifier if previous else None
        )
        self.names = PublicNames(_hostnames(config), config.browser_origins, loopback=identity.demo is not None)
        # The bearer token's audience is this very server, so the server may see it (RFC 8707). No other token is forwarded.
        self.forward_bearer = identity.external is not None
        # A demo identity serves one's own machine, where no Kong stands before the guard.
        self.behind_gateway = identity.demo is None
        self.limits = Limiter(config.limits, counters, behind_gateway=self.behind_gateway)
        self.panel: Panel = build_panel(config)
        name = f"{config.server.environment}.{config.server.name}"
        self.server = name
        self.inspector = Inspector(self.panel, config.guard.legs, name)
        refused_file = state / "refused.json" if state else None
        self.pins: Pins = Pins(config.tool_lock, refused_file, report, previous.pins if previous else None)
        try:
            self.grants = Grants(config)
        except ValueError as error:
            raise InputError(str(error), remedy="correct the grant in the server's stack file") from None
        self._tools = {tool.name: _pinned(tool.name, tool.definition, tool) for tool in config.tool_lock.tools}
        self._templates = [(entry.key, _template(entry.key)) for entry in config.tool_lock.resource_templates]

    def tool(self, name: str) -> PinnedTool | None:
        return self._tools.get(name)

    def resource_pinned(self, uri: str) -> bool:
        """Whether a URI is a locked resource, or matches a locked template that the server has not changed."""
        if self.pins.entry("resources", uri) is not None:
            return True
        if not is_plain_uri(uri):
            return False
        return any(
            template.match(uri) is not None and self.pins.entry("resource_templates", key) is not None
            for key, template in self._templates
            if template is not None
        )

    async def close(self) -> None:
        await self.panel.close()


def _hostnames(config: GuardConfig) -> list[str]:
    identity = config.identity
    names = [door.hostname for door in identity.access.front_doors] if identity.access else []
    if identity.external and not identity.access:
        names.append(identity.external.audience.partition("://")[2].partition("/")[0])
    return names


def _pinned(name: str, definition: Mapping[str, Any], entry: ToolEntry) -> PinnedTool:
    schema = definition.get("inputSchema", {"type": "object"})
    try:
        check = compile_schema(schema)
    except ValueError as error:
        raise InputError(
            f"the input schema of {visible(name)} cannot be enforced: {error}",
            key="tool_lock.tools",
            remedy="have the server corrected, or take the tool out of the lock",
        ) from None
    return PinnedTool(
        schema,
        check,
        entry.outbound,
        entry.cacheable,
        entry.risk != "read",
        mirrored='"x-mcp-header"' in json.dumps(schema),
        fill=compile_defaults(schema),
    )


def _template(text: str) -> UriTemplate | None:
    """The template ready to be matched; None if it is ambiguous, so that no URI matches it."""
    try:
        return UriTemplate.parse(text)
    except InvalidUriTemplate:
        return None
