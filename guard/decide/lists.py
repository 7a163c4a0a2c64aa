"""What of a server's list one principal sees: what the lock admits and a grant names, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard.decide.grants import Rights
from guard.decide.methods import Section
from guard.decide.pins import Pins

#: Milliseconds a client may keep a list: it is made for one principal and ends with the next bundle.
LONGEST_TTL = 60_000


#: Members of results that decide what is shown on: no other may be read as one of them.
DECIDING = frozenset(
    ("tools", "prompts", "resources", "resourceTemplates", "instructions", "capabilities", "requestState", "resultType")
)


def holds_definitions(result: Mapping[str, Any]) -> bool:
    """Whether a result is a list, whatever it answers: a request's id used twice must not make it pass for another's."""
    return any(isinstance(result.get(section.member), list) for section in Section)


def filter_list(
    pins: Pins, section: Section, rights: Rights, result: Mapping[str, Any], *, modern: bool
) -> tuple[list[dict[str, Any]], dict[str, Any], int]:
    """The definitions that may be shown, the rest of the result, and how many were withheld.

    A list of the 2026 era is marked private and short-lived, as it holds for one principal (MCP caching).
    """
    shown = result.get(section.member, [])
    definitions = shown if isinstance(shown, list) else []
    kept = []
    for definition in definitions:
        if not pins.admits(section, definition) or not _granted(section, definition, rights):
            continue
        # The guard carries no tasks, so it does not offer them.
        kept.append({key: value for key, value in definition.items() if key != "execution"})
    rest = {key: value for key, value in result.items() if key != section.member}
    if modern:
        rest["cacheScope"] = "private"
        ttl = rest.get("ttlMs")
        if isinstance(ttl, int | float) and ttl > LONGEST_TTL:
            rest["ttlMs"] = LONGEST_TTL
    return kept, rest, len(definitions) - len(kept)


def _granted(section: Section, definition: Mapping[str, Any], rights: Rights) -> bool:
    if section is Section.TOOLS:
        return definition["name"] in rights.tools
    if section is Section.PROMPTS:
        return definition["name"] in rights.prompts
    if section is Section.RESOURCES:
        return rights.resource(definition["uri"])
    return rights.template(definition["uriTemplate"])
