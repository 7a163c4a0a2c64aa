"""What an MCP server offers, as a probe brings it: untrusted, and nothing dropped. `guard.probe` asks the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.tool_lock import ClientCapability, EntryKind


@dataclass(frozen=True)
class ServerOffer:
    """What a server says it is and offers; each entry of a list is the JSON value it sent, nothing dropped.

    `protocol_version` is the negotiated one, `protocol_versions` all it named. `failed` says why a list could not be read,
    by its kind (`ToolLock.entries`); that list is then empty here. An entry may be anything: no object, no name, twice.
    `notes` are slips of the server that cost nothing. `client_capabilities` is what the looking client announced.
    """

    name: str
    version: str
    protocol_version: str
    protocol_versions: tuple[str, ...]
    instructions: str | None
    tools: tuple[dict[str, Any], ...]
    prompts: tuple[dict[str, Any], ...]
    resources: tuple[dict[str, Any], ...]
    resource_templates: tuple[dict[str, Any], ...]
    failed: Mapping[EntryKind, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    client_capabilities: tuple[ClientCapability, ...] = ()

    @property
    def lists(self) -> Mapping[EntryKind, tuple[Any, ...]]:
        """The entries by kind, as in `ToolLock.entries`."""
        return {
            "tools": self.tools,
            "prompts": self.prompts,
            "resources": self.resources,
            "resource_templates": self.resource_templates,
        }
