"""What the guard's rules find in a pinned definition: the shape in which guard, commands and plan hand it around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from model.text import visible
from model.tool_lock import EntryKind

#: The kinds of `ToolLock.entries`, and the server's instructions, whose key is empty.
DefinitionKind = EntryKind | Literal["instructions"]

_WORDS: dict[DefinitionKind, str] = {
    "tools": "tool",
    "prompts": "prompt",
    "resources": "resource",
    "resource_templates": "resource template",
    "instructions": "the server's instructions",
}


@dataclass(frozen=True)
class DefinitionFinding:
    """One rule that matches a pinned definition.

    `pointer` is the place in the definition (RFC 6901), `quote` the words there, bounded and with hidden characters shown.
    `accepted` says that the lock accepts the rule for this definition. What is not `acceptable` is no match of a rule: the
    engine could not read the definition to its end.
    """

    kind: DefinitionKind
    key: str
    rule: str
    pointer: str
    quote: str
    accepted: bool
    acceptable: bool = True

    @property
    def subject(self) -> str:
        return f"{_WORDS[self.kind]} {visible(self.key)}".strip()

    def __str__(self) -> str:
        return f"{self.subject} {self.pointer}: {self.rule}: {self.quote}"
