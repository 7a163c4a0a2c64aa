"""The risk class of a tool, judged from its name, schema and annotations, and the signs of a poisoned definition.

Every input here was written by the server. Annotations are untrusted (MCP specification, "ToolAnnotations"), so they may
raise a risk and never lower what name or schema prove. A name without a known verb gives `unknown`, which is granted like
`write`.
The warnings serve the first review: a later change cannot pass the lock, but a tool that was poisoned from the start would
be pinned as it is unless the reviewer is warned. The work is linear in the size of the definitions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.text import hidden_in, is_hidden, visible
from model.tool_lock import Risk
from operations.onboard.risk_names import Verdict, judge_name, may_read, shared_prefix, without_prefix, words
from operations.onboard.risk_parameters import judge_parameters, own_parameters
from operations.onboard.risk_secrets import ServerTraits, secrets_read
from operations.onboard.risk_words import (
    COMMANDS,
    LOCAL_FILE,
    OUTBOUND,
    OUTBOUND_TEXT,
    QUERIES,
    QUERY_LANGUAGES,
    READ_QUERIES,
    SECRET_KEEPERS,
    WRITE,
)

if TYPE_CHECKING:
    from wire.mcp import ServerOffer


_LEVELS: tuple[Risk, ...] = ("read", "unknown", "write", "execute")
#: As much of a description as is judged; what a tool does stands first.
_TEXT_LIMIT = 20_000
#: The longest name that MCP recommends (specification, "Tool Names").
_NAME_LENGTH = 128
_LETTERS = re.compile(r"[^\W\d_]+")
_ALPHABETS = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})
_NAME_LIKE = re.compile(r"[A-Za-z0-9_.-]+")

_IMPERATIVES = (
    "ignore previous",
    "ignore all previous",
    "ignore the above",
    "disregard previous",
    "disregard all",
    "forget previous",
    "do not tell the user",
    "don't tell the user",
    "do not mention",
    "don't mention",
    "do not inform",
    "without telling",
    "without informing",
    "hide this from",
    "<important>",
    "<system>",
    "[system]",
    "you must always",
    "before using any other tool",
    "instead of using",
)
#: What a description may well speak of ("paths such as ~/.ssh are refused"), and may not ask a model for.
_PRIVATE = re.compile(
    r"(?<!not )(?<!never )(?<!n't )\b(?:read|send|include|pass|upload|copy|cat|open|print|reveal|repeat|output|show|leak|"
    r"give|attach|ignore|override|forward|return|share|append|tell|write)\b[^.!?;]{0,60}?"
    r"(system prompt|~/\.ssh|id_rsa|\.env file|mcp\.json)"
)


@dataclass(frozen=True)
class RiskJudgement:
    """A tool's risk class, the reasons for it, and whether the tool may carry data out."""

    risk: Risk
    reasons: tuple[str, ...]
    outbound: bool


@dataclass(frozen=True)
class Concern:
    """Something in a definition that a person should look at before approving it."""

    part: str
    name: str
    pointer: str
    problem: str

    def __str__(self) -> str:
        location = f" {self.pointer}" if self.pointer else ""
        return f"{self.part} {visible(self.name)}{location}: {self.problem}"


def traits_of(definitions: Iterable[dict[str, Any]], server_name: str = "") -> ServerTraits:
    """Look at all tools of a server before each one is judged."""
    tools = list(definitions)
    return ServerTraits(
        prefix=shared_prefix([str(tool.get("name", "")) for tool in tools]),
        runs_commands=any(not COMMANDS.isdisjoint(_parameter_words(tool)) for tool in tools),
        keeps_secrets=not SECRET_KEEPERS.isdisjoint(re.findall("[a-z]+", server_name.lower())),
    )


def assess(definition: dict[str, Any], traits: ServerTraits | None = None) -> RiskJudgement:
    """Judge the risk class of one tool definition; anything unclear or malformed makes it higher, never lower.

    `traits` are those of the server it belongs to. A server's hint that a tool only reads settles a name in which reading
    is one of two senses ("alert_policy_list"); it never lowers what name or schema prove, nor speaks for a name that says
    nothing.
    """
    traits = traits or ServerTraits()
    schema = definition.get("inputSchema")
    every = words(str(definition.get("name", "")))
    parts = without_prefix(every, traits.prefix)
    annotations = definition.get("annotations")
    hints = annotations if isinstance(annotations, dict) else {}
    says_read_only = hints.get("readOnlyHint") is True
    verdicts = [*judge_name(parts), *judge_parameters(schema, parts, says_read_only=says_read_only)]
    verdicts += _by_text(definition, parts)
    if hints.get("destructiveHint") is True and not says_read_only:
        verdicts.append(("write", "the server says it is destructive"))
    if hints.get("readOnlyHint") is False:
        verdicts.append(("write", "the server says it is not read-only"))
    level = max((risk for risk, _ in verdicts), key=_LEVELS.index)
    if level == "unknown" and says_read_only and may_read(parts):
        level, verdicts = "read", [("read", "its name may read, and the server says it only does")]
    if level == "read" and (secrets := [*secrets_read(definition, every, traits)]):
        level, verdicts = "unknown", [("unknown", reason) for reason in secrets]
    reasons = tuple(dict.fromkeys(reason for risk, reason in verdicts if risk == level))
    return RiskJudgement(level, reasons, _outbound(definition, level, every, hints))


def _parameter_words(definition: dict[str, Any]) -> set[str]:
    return {"_".join(words(name)) for name in own_parameters(definition.get("inputSchema"))}


def _by_text(definition: dict[str, Any], parts: list[str]) -> Iterator[Verdict]:
    """What a description adds: its first word, where that writes, and a query language that can write."""
    text = definition.get("description")
    described = words(text[:_TEXT_LIMIT]) if isinstance(text, str) else []
    if described and described[0].removesuffix("s") in WRITE:
        yield "write", f'its description begins with "{described[0]}"'
    queried = _parameter_words(definition) & QUERIES
    if queried and not QUERY_LANGUAGES.isdisjoint(described) and READ_QUERIES.isdisjoint((*parts, *described)):
        yield "execute", f'its parameter "{min(queried)}" takes a statement that may write'


def _outbound(definition: dict[str, Any], level: Risk, parts: list[str], hints: dict[str, Any]) -> bool:
    """Whether a call may carry data out: yes, unless the server denies it and nothing speaks against that.

    Without a hint MCP's own default is an open world. A tool that writes carries its arguments to the service it writes
    to; only one that works by path on files of its host keeps them there.
    """
    if hints.get("openWorldHint") is not False or level in ("unknown", "execute"):
        return True
    parameters = own_parameters(definition.get("inputSchema"))
    if level == "write" and not ({"_".join(words(name)) for name in parameters} <= LOCAL_FILE and parameters):
        return True
    text = definition.get("description")
    described = words(text[:_TEXT_LIMIT]) if isinstance(text, str) else []
    spoken = {*parts, *(word for name in parameters for word in words(name))}
    return not OUTBOUND.isdisjoint(spoken) or not OUTBOUND_TEXT.isdisjoint(described)


def examine(offer: ServerOffer, foreign_names: Iterable[str] = ()) -> tuple[Concern, ...]:
    """List what a person should look at before approving this offer; `foreign_names` are the tools of further servers."""
    siblings = {str(tool.get("name", "")) for tool in offer.tools}
    foreign = [name for name in foreign_names if name not in siblings]
    concerns = [
        Concern("server", offer.name, "", problem) for problem in text_problems(f"{offer.name} {offer.version}")
    ]
    concerns += [Concern("server", offer.name, "/instructions", p) for p in text_problems(offer.instructions or "")]
    concerns += warnings("tool", offer.tools, foreign)
    concerns += warnings("prompt", offer.prompts, foreign)
    concerns += warnings("resource", offer.resources, foreign)
    concerns += warnings("resource template", offer.resource_templates, foreign)
    return tuple(concerns)


def warnings(
    part: str, definitions: Iterable[dict[str, Any]], foreign_names: Iterable[str] = ()
) -> tuple[Concern, ...]:
    """List what looks wrong in definitions of one kind.

    `part` names the kind in the text ("tool"). `foreign_names` are names of further servers' tools, which a description
    here has no reason to mention (shadowing). One that speaks of its own server's tools only helps its reader.
    """
    entries = list(definitions)
    names = [str(definition.get("name", "")) for definition in entries]
    foreign = {name for name in foreign_names if re.search(r"[_.A-Z-]", name) and len(name) > 3}
    concerns: list[Concern] = []
    for name, definition in zip(names, entries, strict=True):
        concerns += [Concern(part, name, "", problem) for problem in _name_problems(name, part)]
        for pointer, text in _strings(definition):
            concerns += [Concern(part, name, pointer, problem) for problem in text_problems(text)]
            if foreign and pointer == "/description":
                mentions = sorted(foreign.intersection(w.strip(".") for w in _NAME_LIKE.findall(text)) - {name})
                concerns += [Concern(part, name, pointer, f"speaks of another server's tool, {m}") for m in mentions]
    concerns += _look_alikes(part, names)
    return tuple(concerns)


def text_problems(text: str) -> list[str]:
    """List the hidden characters, terminal escapes and phrases that give orders to a model in one text."""
    problems = []
    if "\x1b" in text or "\x9b" in text:
        problems.append("holds a terminal escape sequence")
    hidden = [f"U+{ord(char):04X}" for char in hidden_in(text) if char not in "\x1b\x9b"]
    if hidden:
        remainder = f" and {len(hidden) - 5} more" if len(hidden) > 5 else ""
        problems.append(f"holds hidden characters ({', '.join(hidden[:5])}{remainder})")
    bare = "".join(char for char in unicodedata.normalize("NFKC", text) if not is_hidden(char))
    plain = " ".join(bare.casefold().replace("\u2019", "'").split())
    problems += [f'says "{phrase}"' for phrase in _IMPERATIVES if phrase in plain]
    problems += [f'asks for "{phrase}"' for phrase in dict.fromkeys(_PRIVATE.findall(plain))]
    return problems


def _name_problems(name: str, part: str) -> Iterator[str]:
    if part == "tool" and not 0 < len(name) <= _NAME_LENGTH:
        yield f"its name is not 1 to {_NAME_LENGTH} characters long"
    if unicodedata.normalize("NFKC", name) != name or any(map(_mixes_alphabets, _LETTERS.findall(name))):
        yield "its name is written in look-alike characters"


def _mixes_alphabets(word: str) -> bool:
    """Whether Latin letters stand beside those of an alphabet that has letters of the same shape."""
    if word.isascii():
        return False
    return len({unicodedata.name(char, "").split(" ")[0] for char in word} & _ALPHABETS) > 1


def _look_alikes(part: str, names: list[str]) -> Iterator[Concern]:
    first: dict[str, str] = {}
    for name in names:
        folded = "".join(words(unicodedata.normalize("NFKC", name))) or name
        namesake = first.setdefault(folded, name)
        if namesake != name:
            yield Concern(part, name, "", f"its name looks like {visible(namesake)}")


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every string in `value` and every key, with its JSON pointer (RFC 6901)."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        pointer, item = stack.pop()
        if isinstance(item, str):
            yield pointer, item
        elif isinstance(item, dict):
            for key, inner in item.items():
                child = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
                yield f"{child} (key)", str(key)
                stack.append((child, inner))
        elif isinstance(item, list):
            stack.extend((f"{pointer}/{index}", inner) for index, inner in enumerate(item))
