"""The risk class of a tool, judged from its name, schema and annotations, and the signs of a poisoned definition.

Every input here was written by the server. Annotations are untrusted (MCP specification, "ToolAnnotations"), so they may
raise a risk and never lower it. A name without a known verb gives `unknown`, which is granted like `write`.
The warnings serve the first review: a later change cannot pass the lock, but a tool that was poisoned from the start would
be pinned as it is unless the reviewer is warned. The work is linear in the size of the definitions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model.text import is_hidden, visible
from model.tool_lock import Risk

if TYPE_CHECKING:
    from wire.mcp import ServerOffer


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LEVELS: tuple[Risk, ...] = ("read", "unknown", "write", "execute")

_EXECUTE = _set(
    "exec execute executes eval evaluate shell bash sh zsh cmd command commands powershell terminal script scripts sql "
    "subprocess spawn sudo argv repl interpreter"
)
_EXECUTE_FIRST = frozenset({"run", "console", "python", "javascript"})
_EXECUTE_EXACT = frozenset({"code", "source_code", "program", "expression"})
_READ = _set(
    "get list search read fetch describe find show view lookup count check query inspect browse summarize summarise "
    "explain preview status stat head tail diff compare validate verify resolve whoami ping echo help info explore "
    "retrieve select scan analyze analyse calculate compute convert translate"
)
#: Words that write wherever they stand ("search_and_replace").
_WRITE = _set(
    "create add insert update upsert edit modify replace write save delete remove drop purge clear destroy erase move "
    "rename upload send publish assign unassign approve reject revoke rotate enable disable install uninstall deploy "
    "restart kill overwrite truncate"
)
#: Words that write when they lead ("close_ticket") and describe when they follow ("list_open_tickets", "get_commit").
_WRITE_FIRST = _WRITE | _set(
    "set put post open close start stop mark make generate schedule book order reply comment import sync lock unlock "
    "apply register login click type navigate fill press drag change connect share pin label tag block link merge fork "
    "commit push append reset trigger toggle copy archive cancel submit subscribe unsubscribe transfer pay invite "
    "grant patch"
)
_WRITE_PARAMETERS = _set("overwrite delete remove update upsert write patch payload force recipients")
_WRITE_EXACT = frozenset({"content", "contents", "body", "data", "destination", "new_name", "new_value"})
_OUTBOUND = _set(
    "url urls uri webhook http https email mail send post publish upload share fetch download browse navigate host "
    "hostname endpoint domain recipient recipients notify sms slack export push sync callback website web crawl"
)

#: Reading these hands out credentials for other systems ("get-env"): never granted without a person's decision.
_SENSITIVE = _set(
    "env environ environment secret secrets credential credentials password passwords passwd token tokens apikey apikeys "
    "privatekey keychain cookie cookies"
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_GOOD_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
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
    "system prompt",
    "you must always",
    "before using any other tool",
    "before using this tool",
    "instead of using",
    "~/.ssh",
    "id_rsa",
    ".env file",
    "mcp.json",
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


def words(name: str) -> list[str]:
    """Split ``getUserByID``, ``get_user_by_id`` or ``get-user-by-id`` into get, user, by, id."""
    return [word.lower() for word in _WORD.findall(name)]


def assess(definition: dict[str, Any]) -> RiskJudgement:
    """Judge the risk class of one tool definition; anything unclear or malformed makes it higher, never lower."""
    name = str(definition.get("name", ""))
    name_words = words(name)
    parameters = list(dict.fromkeys(_parameters(definition.get("inputSchema"))))
    verdicts: list[tuple[Risk, str]] = [_by_verb(name_words)]
    for word in name_words:
        if word in _EXECUTE:
            verdicts.append(("execute", f'its name says "{word}"'))
        elif word in _WRITE:
            verdicts.append(("write", f'its name says "{word}"'))
        elif word in _SENSITIVE:
            verdicts.append(("unknown", f'it reads what its name calls "{word}"'))
    for parameter in parameters:
        verdicts.extend(_by_parameter(parameter))
    if _sends_http(definition.get("inputSchema")):
        verdicts.append(("write", 'its parameter "method" allows more than GET'))
    annotations = definition.get("annotations")
    hints = annotations if isinstance(annotations, dict) else {}
    if hints.get("destructiveHint") is True:
        verdicts.append(("write", "the server says it is destructive"))
    if hints.get("readOnlyHint") is False:
        verdicts.append(("write", "the server says it is not read-only"))
    level = max((risk for risk, _ in verdicts), key=_LEVELS.index)
    reasons = tuple(dict.fromkeys(reason for risk, reason in verdicts if risk == level))
    # A tool that can run anything can send anything.
    return RiskJudgement(level, reasons, level == "execute" or _outbound(name_words, parameters, hints))


def _by_verb(name_words: list[str]) -> tuple[Risk, str]:
    for word in name_words:
        if word in _EXECUTE_FIRST:
            return "execute", f'its verb is "{word}"'
        if word in _WRITE_FIRST:
            return "write", f'its verb is "{word}"'
        if word in _READ:
            return "read", f'its verb is "{word}"'
    return "unknown", "its name has no verb that says what it does"


def _by_parameter(parameter: str) -> Iterator[tuple[Risk, str]]:
    parts = words(parameter)
    shown = f'its parameter "{visible(parameter)}"'
    if _EXECUTE.intersection(parts) or "_".join(parts) in _EXECUTE_EXACT:
        yield "execute", f"{shown} carries something to run"
    if _WRITE_PARAMETERS.intersection(parts) or "_".join(parts) in _WRITE_EXACT:
        yield "write", f"{shown} carries something to write"


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside `value`, without recursion."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _parameters(schema: Any) -> Iterator[str]:
    for node in _nodes(schema):
        properties = node.get("properties")
        if isinstance(properties, dict):
            yield from properties


def _sends_http(schema: Any) -> bool:
    for node in _nodes(schema):
        properties = node.get("properties")
        method = properties.get("method") if isinstance(properties, dict) else None
        if isinstance(method, dict):
            allowed = method.get("enum")
            verbs = {str(verb).upper() for verb in allowed} if isinstance(allowed, list) else {"POST"}
            if verbs & {"POST", "PUT", "PATCH", "DELETE"}:
                return True
    return False


def _outbound(name_words: list[str], parameters: list[str], hints: dict[str, Any]) -> bool:
    if hints.get("openWorldHint") is True:
        return True
    return any(not _OUTBOUND.isdisjoint(part) for part in (name_words, *(words(p) for p in parameters)))


def examine(offer: ServerOffer, foreign_names: Iterable[str] = ()) -> tuple[Concern, ...]:
    """List what a person should look at before approving this offer; `foreign_names` as in `warnings`."""
    tools = [str(tool.get("name", "")) for tool in offer.tools]
    concerns = [
        Concern("server", offer.name, "", problem) for problem in text_problems(f"{offer.name} {offer.version}")
    ]
    concerns += [Concern("server", offer.name, "/instructions", p) for p in text_problems(offer.instructions or "")]
    concerns += warnings("tool", offer.tools, foreign_names)
    concerns += warnings("prompt", offer.prompts, (*tools, *foreign_names))
    concerns += warnings("resource", offer.resources, (*tools, *foreign_names))
    concerns += warnings("resource template", offer.resource_templates, (*tools, *foreign_names))
    return tuple(concerns)


def warnings(
    part: str, definitions: Iterable[dict[str, Any]], foreign_names: Iterable[str] = ()
) -> tuple[Concern, ...]:
    """List what looks wrong in definitions of one kind.

    `part` names the kind in the text ("tool"). `foreign_names` are names of tools of other kinds or servers, which a
    description here has no reason to mention (shadowing).
    """
    entries = list(definitions)
    names = [str(definition.get("name", "")) for definition in entries]
    mentioned = {name for name in (*names, *foreign_names) if re.search(r"[_.A-Z-]", name) and len(name) > 3}
    concerns: list[Concern] = []
    for name, definition in zip(names, entries, strict=True):
        concerns += [Concern(part, name, "", problem) for problem in _name_problems(name, part)]
        for pointer, text in _strings(definition):
            concerns += [Concern(part, name, pointer, problem) for problem in text_problems(text)]
            if pointer == "/description":
                mentions = sorted(mentioned.intersection(w.strip(".") for w in _NAME_LIKE.findall(text)) - {name})
                concerns += [
                    Concern(part, name, pointer, f"speaks of another tool, {mentioned_name}")
                    for mentioned_name in mentions
                ]
    concerns += _look_alikes(part, names)
    return tuple(concerns)


def text_problems(text: str) -> list[str]:
    """List the hidden characters, terminal escapes and phrases that give orders to a model in one text."""
    problems = []
    if "\x1b" in text or "\x9b" in text:
        problems.append("holds a terminal escape sequence")
    hidden = sorted({f"U+{ord(char):04X}" for char in text if is_hidden(char) and char not in "\x1b\x9b"})
    if hidden:
        remainder = f" and {len(hidden) - 5} more" if len(hidden) > 5 else ""
        problems.append(f"holds hidden characters ({', '.join(hidden[:5])}{remainder})")
    bare = "".join(char for char in unicodedata.normalize("NFKC", text) if not is_hidden(char))
    plain = " ".join(bare.casefold().replace("\u2019", "'").split())
    problems += [f'says "{phrase}"' for phrase in _IMPERATIVES if phrase in plain]
    return problems


def _name_problems(name: str, part: str) -> Iterator[str]:
    if part == "tool" and not _GOOD_NAME.fullmatch(name):
        yield "its name is not 1 to 128 of A-Z a-z 0-9 _ . -"
    if unicodedata.normalize("NFKC", name) != name:
        yield "its name is written in look-alike characters"


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
