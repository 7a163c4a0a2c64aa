"""What the guard's rules find in a pinned definition: the shape in which guard, commands and plan hand it around."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
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
    engine could not read the definition to its end. An `advisory` finding (an attack that the text quotes as an example)
    withholds nothing: it is shown to the reviewer, and `accepted` says that the lock notes it.
    """

    kind: DefinitionKind
    key: str
    rule: str
    pointer: str
    quote: str
    accepted: bool
    acceptable: bool = True
    advisory: bool = False

    @property
    def withholds(self) -> bool:
        """Whether the guard shows the definition to nobody for it."""
        return not self.accepted and not self.advisory

    @property
    def subject(self) -> str:
        return subject_of_kind(self.kind, self.key)

    @property
    def place(self) -> str:
        """The pointer as a line shows it: the server chose the names in it."""
        return visible(self.pointer) or "/"

    def __str__(self) -> str:
        return f"{self.subject} {visible(self.pointer)}: {self.rule}: {self.quote}"


def subject_of_kind(kind: DefinitionKind, key: str) -> str:
    """A definition as a sentence names it: ``tool search``."""
    return f"{_WORDS[kind]} {visible(key)}".strip()


#: How a command names the server's instructions.
INSTRUCTIONS = "instructions"


def name_of(key: str) -> str:
    """The name of a definition in `--accept`."""
    return key or INSTRUCTIONS


#: What is left where a name holds hidden characters.
UNSPELLED = "no command can spell its name: have the server name it without hidden characters"


def can_be_spelled(key: str) -> bool:
    """Whether a command that names this definition can be shown, and pasted."""
    return visible(key) == key


def withheld_line(findings: Sequence[DefinitionFinding], command: str) -> str:
    """What becomes of a definition with findings that nobody accepted, and the command that accepts them."""
    subject = f"the guard withholds {findings[0].subject}"
    if not all(finding.acceptable for finding in findings):
        return f"{subject}, as no engine reads it to its end; have the server corrected"
    if not can_be_spelled(findings[0].key):
        return f"{subject}, and {UNSPELLED}"
    return f"{subject} until a reviewer accepts: {acceptance_command(findings, command)}"


def acceptance_command(findings: Sequence[DefinitionFinding], command: str) -> str:
    """The command that accepts these findings, all of one definition; in backticks, and what stands there can be pasted."""
    rules = dict.fromkeys(finding.rule for finding in findings)
    options = [f"--accept {shlex.quote(f'{name_of(findings[0].key)}:{rule}')}" for rule in rules]
    return f"`{' '.join([command, *options])}`"
