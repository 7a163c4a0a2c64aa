"""The tool lock: the definitions that one server may offer, pinned in Git. Comparing two locks belongs to `plan.diff`.

An entry holds the **whole** definition, not a description of it: a rug pull can sit in a parameter's default, an enum
or an output schema as well as in the text (mcp-scan, which hashes the description alone, misses those). Being in the
lock is being approved; the guard neither lists nor calls what is not in it or no longer equals it.

A definition stands in the file as JSON text in a literal block. JSON leaves nothing to a YAML reader ("NO", dates,
1e3, long numbers), keeps diffs line by line, and hidden characters stand in it as visible escapes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from model.base import Many, Model, Version1, validate
from model.canonical import digest
from model.errors import InputError
from model.json import parse_json
from model.loader import Document, Json, parse
from model.text import is_hidden, visible

_REMEDY = "put back the lock that Git has instead of editing it, then run `ringwall lock approve ENV.SERVER`"

Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Risk = Literal["read", "write", "execute", "unknown"]
#: What a text argument is; the guard judges it as that (a URL by its host, a command by what it would run). A local_url may
#: name the guard's own machine besides: what is being developed there, in a browser.
ParameterKind = Literal["text", "url", "local_url", "command", "query", "path"]
#: What a client may be able to do for a server; some servers offer more to a client that can.
ClientCapability = Literal["elicitation", "roots", "sampling"]
EntryKind = Literal["tools", "prompts", "resources", "resource_templates"]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
MediaType = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9!#$&^_.+*-]+$")]

PatternPlace = Annotated[str, StringConstraints(pattern=r"^/inputSchema(/[\s\S]*)?/pattern$")]


def _empty(value: Any) -> bool:
    return not value


def optional(default: Any, description: str) -> Any:
    """A key that stands in the file and in the digest only when it says something, so that older locks keep theirs."""
    return Field(default, description=description, exclude_if=_empty)


def _absent(value: Any) -> bool:
    return value is None


def _definition(value: Any) -> Any:
    return parse_json(value) if isinstance(value, str) else value


Definition = Annotated[
    dict[str, Any],
    BeforeValidator(_definition),
    WithJsonSchema(
        {
            "description": "The whole definition as the server sent it: JSON text, or the object itself.",
            "anyOf": [{"type": "object"}, {"type": "string", "contentMediaType": "application/json"}],
        }
    ),
]


class Entry(Model):
    """One pinned definition. Everything but the definition is derived from it and checked against it."""

    name: Annotated[str, StringConstraints(min_length=1)] = Field(description="As the server spells it.")
    description: str = Field("", description="The definition's description, readable: hidden characters shown.")
    sha256: Sha256 = Field(description="Of the canonical JSON of the whole definition.")
    accepted: Many[RuleId] = optional((), "Rules of the guard that match this definition and that a reviewer accepted.")
    noted: Many[RuleId] = optional(
        (), "Rules that match what is only quoted: shown to the reviewer, and they stop nothing."
    )
    definition: Definition

    @property
    def key(self) -> str:
        """The key that no other entry of its kind has."""
        return self.name

    @model_validator(mode="after")
    def _true(self) -> Self:
        shown = visible(self.name)
        if digest(self.definition) != self.sha256:
            raise ValueError(f"{shown}: its sha256 is not the digest of its definition; {_REMEDY}")
        if self.definition.get("name") != self.name:
            raise ValueError(f"{shown}: its name is not the one in its definition; {_REMEDY}")
        if readable_description(self.definition) != self.description:
            raise ValueError(f"{shown}: its description is not the one in its definition; {_REMEDY}")
        return self


class ToolEntry(Entry):
    """A tool, with what a reviewer decides about it: everything from risk to media_types may be edited by hand."""

    risk: Risk = Field(description="What calling it can do; unknown is granted like write.")
    reasons: Many[str] = Field((), description="Why it has this risk.")
    outbound: bool = Field(True, description="It may send data to hosts outside.")
    cacheable: bool = Field(False, description="Its results may be cached by exact key; only for risk: read.")
    parameters: dict[str, ParameterKind] = optional(
        {}, "What each text argument is, by its JSON pointer in the arguments, `*` for every item of a list."
    )
    strict_arguments: bool | None = Field(
        None,
        description="Refuse arguments that its schema does not name, where the schema leaves open whether there are any; "
        "without it the lock's `strict_arguments` holds.",
        exclude_if=_absent,
    )
    media_types: Many[MediaType] = optional((), "Media types of its results that pass without being inspected.")
    left_to_server: Many[PatternPlace] = optional(
        (),
        "JSON pointers of patterns that the guard cannot match in linear time, so that only the server enforces them.",
    )

    @model_validator(mode="after")
    def _only_reads_are_cached(self) -> Self:
        if self.cacheable and self.risk != "read":
            raise ValueError(f"{visible(self.name)}: cacheable needs risk: read, as a cached call is not made again")
        return self


class PromptEntry(Entry):
    """A prompt template."""


class ResourceEntry(Entry):
    """A resource; its URI is its key, several may share a name."""

    uri: str = Field(description="Its URI.")
    media_types: Many[MediaType] = optional((), "Media types that pass without being inspected.")

    @property
    def key(self) -> str:
        return self.uri

    @model_validator(mode="after")
    def _same_uri(self) -> Self:
        if self.definition.get("uri") != self.uri:
            raise ValueError(f"{visible(self.name)}: its uri is not the one in its definition; {_REMEDY}")
        return self


class ResourceTemplateEntry(Entry):
    """A resource template; its URI template is its key."""

    uri_template: str = Field(description="Its URI template.")
    media_types: Many[MediaType] = optional((), "Media types that pass without being inspected.")

    @property
    def key(self) -> str:
        return self.uri_template

    @model_validator(mode="after")
    def _same_template(self) -> Self:
        if self.definition.get("uriTemplate") != self.uri_template:
            raise ValueError(f"{visible(self.name)}: its uri_template is not the one in its definition; {_REMEDY}")
        return self


E = TypeVar("E", bound=Entry)
#: Unlike `Many`, checked for repeats by key below, which stays linear for thousands of tools.
Entries = Annotated[tuple[E, ...], Field(strict=False)]


class LockedServer(Model):
    """What the server says about itself (MCP: serverInfo). It is self-reported, so never a reason to trust the server."""

    name: str = Field("", description="As it names itself.")
    version: str = Field("", description="As it numbers itself.")
    protocol_versions: Many[str] = Field((), description="What it spoke when it was onboarded.")
    instructions: str | None = Field(None, description="Text it asks clients to show the model; pinned like a tool.")
    instructions_sha256: Sha256 | None = Field(None, description="Of the canonical JSON of the instructions.")
    accepted: Many[RuleId] = optional(
        (), "Rules of the guard that match the instructions and that a reviewer accepted."
    )
    noted: Many[RuleId] = optional(
        (), "Rules that match what is only quoted: shown to the reviewer, and they stop nothing."
    )
    client_capabilities: Many[ClientCapability] = optional(
        (), "What the client that looked could do; a server may offer more tools to one that can."
    )

    @model_validator(mode="after")
    def _true(self) -> Self:
        expected = None if self.instructions is None else digest(self.instructions)
        if expected != self.instructions_sha256:
            raise ValueError(f"instructions_sha256 is not the digest of the instructions; {_REMEDY}")
        return self


class LeftOut(Model):
    """Something the server offers that cannot be pinned or enforced, so that nobody can use it."""

    kind: EntryKind = Field(description="Which list it stands in.")
    key: str = Field(description="Its name or URI; empty: the whole list.")
    reason: str = Field(description="Why.")


class ToolLock(Model):
    """Everything one server may offer through its guard. Not in the lock means neither listed nor callable."""

    version: Version1 = Field(1, description="Format of this file.")
    strict_arguments: bool = optional(False, "What `strict_arguments` is for tools that do not say it themselves.")
    server: LockedServer
    tools: Entries[ToolEntry] = ()
    prompts: Entries[PromptEntry] = ()
    resources: Entries[ResourceEntry] = ()
    resource_templates: Entries[ResourceTemplateEntry] = ()
    left_out: Many[LeftOut] = optional((), "What the server offers beside that, and why it cannot be used.")

    @model_validator(mode="after")
    def _once(self) -> Self:
        for kind, entries in self.entries().items():
            keys: set[str] = set()
            for entry in entries:
                if entry.key in keys:
                    raise ValueError(f"{kind} has {visible(entry.key)} twice")
                keys.add(entry.key)
        return self

    def entries(self) -> dict[str, tuple[Entry, ...]]:
        """All pinned entries by kind, in the order of the file."""
        return {
            "tools": self.tools,
            "prompts": self.prompts,
            "resources": self.resources,
            "resource_templates": self.resource_templates,
        }

    def is_strict(self, tool: ToolEntry) -> bool:
        """Whether arguments that the tool's schema does not name are refused."""
        return self.strict_arguments if tool.strict_arguments is None else tool.strict_arguments

    def tool(self, name: str) -> ToolEntry | None:
        """The pinned tool of exactly this name."""
        return next((tool for tool in self.tools if tool.name == name), None)


def readable_description(definition: dict[str, Any]) -> str:
    """The definition's description on one line with hidden characters shown; empty when it has none."""
    text = definition.get("description")
    return visible(text) if isinstance(text, str) else ""


def from_text(text: str, file: Path) -> ToolLock:
    """Read a lock from YAML or JSON text; `file` only names it in errors.

    Raises:
        InputError: not YAML or JSON, an unknown key, or an entry whose sha256, name or description is not that of its
            definition (edited by hand): one line per problem, with file, line, key and what to do.
    """
    document = _json_document(text, file) if text.lstrip()[:1] == "{" else parse(text, file)
    return validate(ToolLock, document.value, document, ())


def _json_document(text: str, file: Path) -> Document:
    try:
        value: Json = parse_json(text)
    except ValueError as error:
        raise InputError(str(error), file=file, remedy="correct the JSON") from None
    return Document(file, value, {(): 1})


_HEADER = """\
# What this server may offer: its tools, prompts and resources as they were approved.
# The guard lists and runs only what stands here, unchanged. Do not edit definitions or digests by hand:
# `ringwall lock diff` shows what the running server changed, `ringwall lock approve` accepts it.
# Yours to set on a tool: risk, outbound, cacheable, parameters, strict_arguments, media_types, accepted.
"""


def to_yaml(lock: ToolLock) -> str:
    """The lock as a file: the same lock gives the same bytes, entries sorted by key."""
    lines = [_HEADER.rstrip("\n"), f"version: {lock.version}"]
    lines += ["strict_arguments: true"] if lock.strict_arguments else []
    lines.append("server:")
    lines += _fields(lock.server.dump(), "  ")
    for kind, entries in lock.entries().items():
        lines.append(f"{kind}:" if entries else f"{kind}: []")
        for entry in sorted(entries, key=lambda item: (item.key, item.sha256)):
            fields = list(_fields(_in_order(entry.dump()), "    "))
            lines += ["  - " + fields[0].removeprefix("    "), *fields[1:]]
    if lock.left_out:
        lines.append("left_out:")
    for left_out in sorted(lock.left_out, key=lambda item: (item.kind, item.key, item.reason)):
        fields = list(_fields(left_out.dump(), "    "))
        lines += ["  - " + fields[0].removeprefix("    "), *fields[1:]]
    return "\n".join(lines) + "\n"


_ORDER = (
    "name",
    "uri",
    "uri_template",
    "risk",
    "reasons",
    "outbound",
    "cacheable",
    "parameters",
    "strict_arguments",
    "media_types",
    "left_to_server",
    "accepted",
    "noted",
    "description",
    "sha256",
    "definition",
)


def _in_order(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in _ORDER if key in entry}


def _fields(values: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in values.items():
        if key == "definition":
            text = _escaped(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True))
            yield f"{indent}{key}: |-"
            yield from (f"{indent}  {line}" for line in text.split("\n"))
        elif isinstance(value, list):
            yield f"{indent}{key}:" if value else f"{indent}{key}: []"
            yield from (f"{indent}  - {_quoted(item)}" for item in value)
        elif isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from (f"{indent}  {_quoted(item)}: {_quoted(value[item])}" for item in sorted(value))
        elif isinstance(value, str):
            yield f"{indent}{key}: {_quoted(value)}"
        else:
            yield f"{indent}{key}: {json.dumps(value)}"


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar, which is never read as anything but a string; hidden characters escaped."""
    body = json.dumps(text, ensure_ascii=False)
    if body.isascii() and body.isprintable():
        return body
    return "".join(f"\\U{ord(char):08X}" if is_hidden(char) else char for char in body)


def _escaped(text: str) -> str:
    """JSON text with every hidden character inside its strings as a JSON escape (surrogate pairs beyond the BMP)."""
    return "\n".join(
        line
        if line.isascii() and line.isprintable()
        else "".join(_json_escape(char) if is_hidden(char) else char for char in line)
        for line in text.split("\n")
    )


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[offset]:02x}{units[offset + 1]:02x}" for offset in range(0, len(units), 2))
