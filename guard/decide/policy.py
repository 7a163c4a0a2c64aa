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

from components.gateway.flood import flood_kilobytes
from guard.decide.counters import Counters
from guard.decide.definitions import Definitions
from guard.decide.grants import Grants
from guard.decide.limits import Limiter
from guard.decide.methods import Section
from guard.decide.pins import Pins, Refusal
from guard.decide.question_answers import IN_PARAMS
from guard.decide.resource_uris import is_plain_uri
from guard.decide.term import NO_END, Term
from guard.http.http_rules import PublicNames, hostnames_of
from guard.identity.introduction import CallerIntroduction
from guard.identity.verifier import Verifier
from guard.inspect.exceptions import Exceptions
from guard.inspect.inspection import Inspector
from guard.inspect.panel import Panel, build_panel
from model.errors import InputError
from model.guard_config import GuardConfig
from model.parameter_kinds import KindTree, kinds_in_force
from model.schema_defaults import Filler, compile_defaults
from model.schemas import Checker, Unenforceable
from model.tool_lock import ToolEntry
from model.tool_schema import check_of
from wire.uri_templates import parse_template


@dataclass(frozen=True, slots=True)
class PinnedTool:
    """A locked tool, ready to be called.

    `check` judges arguments by the pinned input schema; `fill` adds what it requires and has a default for, None where there
    is no such member. `mirrored` says that some arguments travel in headers too. `kinds` says what each argument is, by its
    pointer in the params. `reaches` says that a call changes something, fetches an address or runs a command.
    """

    schema: Mapping[str, Any]
    check: Checker
    outbound: bool
    cacheable: bool
    writes: bool
    reaches: bool
    mirrored: bool
    kinds: KindTree
    fill: Filler | None = None


class Policy:
    """The compiled configuration.

    Args:
        sha256: digest of the bundle or demo configuration it was made from.
        denied: principals refused at once, whatever their tokens say.
        term: until when it may be served by.
        state: folder where the guard keeps the list of refused definitions; None keeps it in memory.
        introduction: tells the server who calls; None where the stack file has it told nothing.
        previous: the policy before this one. Issuers' keys are taken over, so that no issuer must be up for a new bundle.

    Raises:
        InputError: a grant or secret cannot be used; nothing of the configuration is in force then. A pinned tool whose
            schema cannot be enforced is refused by itself (`pins.unenforceable`).
    """

    def __init__(
        self,
        config: GuardConfig,
        *,
        sha256: str,
        sequence: int,
        denied: frozenset[str],
        term: Term = NO_END,
        client: httpx.AsyncClient,
        counters: Counters,
        report: Callable[[Refusal], None],
        state: Path | None = None,
        introduction: CallerIntroduction | None = None,
        previous: Policy | None = None,
    ) -> None:
        self.config = config
        self.sha256 = sha256
        self.sequence = sequence
        self.denied = denied
        self.term = term
        #: Bytes that a message may have, and bytes after which a body is not read on: in between the refusal can name the
        #: request that it answers.
        self.body_limit = config.limits.body_kilobytes * 1024
        self.body_end = flood_kilobytes(config.limits.body_kilobytes) * 1024
        identity = config.identity
        self.verifier: Verifier = Verifier(
            identity, client, path=config.path, previous=previous.verifier if previous else None
        )
        self.names = PublicNames(hostnames_of(identity), config.browser_origins, loopback=identity.demo is not None)
        # The bearer token's audience is this very server, so the server may see it (RFC 8707). No other token is forwarded,
        # nor is this one where the server is sent another in exchange for it.
        self.forward_bearer = identity.external is not None and config.origin.token_exchange is None
        self.introduction = introduction
        # A demo identity serves one's own machine, where no Kong stands before the guard.
        self.behind_gateway = identity.demo is None
        self.limits = Limiter(config.limits, counters, behind_gateway=self.behind_gateway)
        self.panel: Panel = build_panel(config)
        name = f"{config.server.environment}.{config.server.name}"
        self.server = name
        self.inspector = Inspector(self.panel, config.guard.legs, name, Exceptions(config.guard.exceptions))
        refused_file = state / "refused.json" if state else None
        self._tools: dict[str, PinnedTool] = {}
        unenforceable: dict[str, str] = {}
        for entry in config.tool_lock.tools:
            try:
                self._tools[entry.name] = _pinned(entry, strict=config.tool_lock.is_strict(entry))
            except Unenforceable as error:
                unenforceable[f"{Section.TOOLS}/{entry.name}"] = f"its input schema cannot be enforced: {error}"
        self.pins: Pins = Pins(
            config.tool_lock, refused_file, report, previous.pins if previous else None, unenforceable
        )
        try:
            self.grants = Grants(config)
        except ValueError as error:
            raise InputError(str(error), remedy="correct the grant in the server's stack file") from None
        self.definitions: Definitions = Definitions(config.tool_lock, self.inspector)
        lock = config.tool_lock
        self._media_types: dict[tuple[Section | None, str], frozenset[str]] = {
            **{(Section.TOOLS, tool.name): frozenset(tool.media_types) for tool in lock.tools},
            **{(Section.RESOURCES, entry.key): frozenset(entry.media_types) for entry in lock.resources},
            **{
                (Section.RESOURCE_TEMPLATES, entry.key): frozenset(entry.media_types)
                for entry in lock.resource_templates
            },
        }
        self._templates = [(entry.key, parse_template(entry.key)) for entry in config.tool_lock.resource_templates]

    def tool(self, name: str) -> PinnedTool | None:
        return self._tools.get(name)

    def pinning(self, uri: str) -> list[tuple[str, str]]:
        """The locked definitions by which a URI may be read: the resource itself, or else every template that it matches.

        None of them was changed by the server.
        """
        if self.pins.entry("resources", uri) is not None:
            return [("resources", uri)]
        if not is_plain_uri(uri):
            return []
        return [
            ("resource_templates", key)
            for key, template in self._templates
            if template is not None
            and template.match(uri) is not None
            and self.pins.entry("resource_templates", key) is not None
        ]

    def media_types(self, section: Section | None, name: str) -> frozenset[str]:
        """The media types that the lock lets pass uninspected in what this tool or resource returns."""
        if section is not Section.RESOURCES:
            return self._media_types.get((section, name), frozenset())
        listed = self._media_types.get((section, name))
        if listed is not None:
            return listed
        matching = (
            key for key, template in self._templates if template is not None and template.match(name) is not None
        )
        # Of several templates that match, only what each of them lists: nobody knows which of them the server follows.
        sets = [self._media_types.get((Section.RESOURCE_TEMPLATES, key), frozenset()) for key in matching]
        return frozenset.intersection(*sets) if sets else frozenset()

    async def close(self) -> None:
        await self.panel.close()


def _pinned(entry: ToolEntry, *, strict: bool) -> PinnedTool:
    """Raises Unenforceable: this tool cannot be used, and every other can."""
    schema, kinds = entry.definition.get("inputSchema", {"type": "object"}), kinds_in_force(entry)
    return PinnedTool(
        schema,
        check_of(entry.definition, entry.left_to_server, strict_arguments=strict),
        entry.outbound,
        entry.cacheable,
        entry.risk != "read",
        entry.risk != "read" or not {"url", "local_url", "command"}.isdisjoint(kinds.values()),
        mirrored='"x-mcp-header"' in json.dumps(schema),
        kinds=KindTree({**IN_PARAMS, **{f"/arguments{place}": kind for place, kind in kinds.items()}}),
        fill=compile_defaults(schema),
    )
