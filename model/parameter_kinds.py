"""What each text argument of a tool is (text, URL, local URL, command, query, path), and what is looked for in it.

A kind is inferred from the tool's schema, as the tool lock pins it, and a reviewer may write another into the lock. It
only takes rules away from an argument: `content` that is written into a file is no command and no address to fetch.
What the schema does not name (further properties, free-form objects) has no kind, and is judged as everything. A local
URL is never inferred: a reviewer says it of a browser's tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from model.schema_references import referenced
from model.tool_lock import ParameterKind, Risk, ToolEntry

#: What a rule for arguments looks for: private addresses, among them this machine's own (`loopback`), files and pages by
#: URL, metadata services, shell and template abuse, commands in a row, SQL that does harm and SQL that leaves the place of a
#: value, fields of a header behind a line end, key files and traversal.
Subject = Literal[
    "address", "loopback", "file_url", "data_url", "metadata", "command", "chain", "sql", "breakout", "header", "path"
]
SUBJECTS: frozenset[Subject] = frozenset(get_args(Subject))

#: The subjects of each kind. A shell may reach its own host anyway and writes whole requests and mails, a file's place may
#: be given as a `file:` URL, and a `data:` URL carries its page along, whose text is judged like any other. Whoever writes a
#: whole command may write several.
JUDGED: Mapping[ParameterKind, frozenset[Subject]] = {
    "text": frozenset(),
    "url": SUBJECTS - {"sql", "breakout", "data_url"},
    "local_url": SUBJECTS - {"sql", "breakout", "data_url", "loopback"},
    "path": SUBJECTS - {"sql", "breakout", "file_url", "data_url"},
    "command": SUBJECTS - {"address", "loopback", "file_url", "header", "chain"},
    "query": SUBJECTS - {"address", "loopback", "file_url"},
}

#: Schema nodes that are looked at in one tool, and steps of one pointer; what lies beyond is judged as everything.
MAX_NODES, MAX_DEPTH = 2000, 8

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_URL = _set("url uri href link hyperlink endpoint webhook callback baseurl iri website site host hostname proxy")
_COMMAND = _set("command cmd script shell argv args bash powershell executable entrypoint")
_PROGRAM = _set("code program source js javascript python function snippet expression")
#: What a tool that runs things is given to run, unless another word beside it says whose it is ("file_text").
_INPUT = _set("input stdin text content body data")
_SQL = _set("sql query statement cypher jql cql promql logql kql sparql graphql gql soql xpath aql flux mql ddl")
_QUERY = _set(
    "query search filter where q condition predicate selector pattern regex regexp keyword keywords term terms prompt"
)
_PATH = _set("path paths file files filename filepath directory dir folder cwd root workdir destination workspace glob")
_CONTENT = _set(
    "content contents body text message description title summary comment note notes markdown html prose caption subject "
    "reason explanation thought question answer paragraph blocks children document template readme changelog patch diff "
    "edit edits replacement oldtext newtext oldstr newstr oldstring newstring cell value values data payload snippet code "
    "prompt instructions observations entities label"
)
#: Names of things: what a server puts into its own query, address or command line.
_IDENTIFIER = _set(
    "id key name user username login email owner account tenant customer branch repo ref sha tag table database db "
    "schema collection index column bucket project namespace cluster resource type sort order cursor token version "
    "method mode format language locale encoding timezone"
)
#: A thing that is named by its address.
_PLACE = _set("address location page resource image attachment download feed domain")
#: Where something comes from or goes to: an address, unless the parameter's description speaks of something else.
_END = _set("source src target dest remote origin")
#: Tools that fetch what they are given.
_FETCHING = _set("fetch crawl scrape browse navigate goto download http https curl wget webhook visit screenshot")
#: Words of a browser's tools: its user sees what they open.
_BROWSING = _set(
    "browser navigate goto page tab playwright puppeteer chrome chromium firefox webkit selenium screenshot"
)
_SEARCHING = _set("search find query lookup filter select count list get")
_SAYS_URL = re.compile(r"(?i)\bUR[LI]s?\b|\bhttps?:|\bweb ?(?:page|site)\b|\blink to\b|\bendpoint\b")
#: The scheme as it stands in a list of schemes, and no parameter named `file`.
_SAYS_FILE_URL = re.compile(r"(?i)\bfile:(?:/|[`'\",]| or\b| and\b)|\bfile UR[IL]s?\b")
_SAYS_PATH = re.compile(r"(?i)\b(?:file ?)?path\b|\bfile(?:name)?\b|\bdirector(?:y|ies)\b|\bfolder\b")
_URL_FORMATS = frozenset(("uri", "uri-reference", "iri", "iri-reference", "url"))


def parameter_kinds(definition: Mapping[str, Any], risk: Risk) -> dict[str, ParameterKind]:
    """The kind of every text parameter that the tool's schema names, by its pointer in the arguments, `*` for any item.

    Args:
        risk: the tool's; it decides what a parameter is whose name says nothing.
    """
    tool = _Tool(definition, risk)
    kinds: dict[str, ParameterKind] = {}
    for pointer, name, schema in _strings(definition.get("inputSchema")):
        kind = tool.kind(name, schema)
        known = kinds.get(pointer)
        # Two branches may say different things about one place: the one under which more is looked for counts.
        if kind is not None and (known is None or len(JUDGED[kind]) > len(JUDGED[known])):
            kinds[pointer] = kind
    return kinds


def page_parameters(definition: Mapping[str, Any], kinds: Mapping[str, ParameterKind]) -> list[str]:
    """The places of the URLs that a browser's tool opens: whoever develops a page opens it from their own machine."""
    name = definition.get("name")
    if _BROWSING.isdisjoint(_words(name if isinstance(name, str) else "")):
        return []
    return sorted(place for place, kind in kinds.items() if kind == "url")


def kinds_in_force(entry: ToolEntry) -> dict[str, ParameterKind]:
    """The kinds of a locked tool: what the lock says, and for a place that it does not name what the schema says."""
    return {**parameter_kinds(entry.definition, entry.risk), **entry.parameters}


def kinds_to_compare(base: ToolEntry, head: ToolEntry) -> tuple[dict[str, ParameterKind], dict[str, ParameterKind]]:
    """The kinds of two entries of one tool. Of a changed definition those of arguments that both have: the others are new
    or gone with the definition, which is approved as a whole."""
    before, after = kinds_in_force(base), kinds_in_force(head)
    if base.sha256 == head.sha256:
        return before, after
    common = before.keys() & after.keys()
    return {place: before[place] for place in common}, {place: after[place] for place in common}


class KindTree:
    """Kinds by pointer in a message part, ready to be asked. A kind holds for all that stands below its place."""

    def __init__(self, kinds: Mapping[str, ParameterKind]) -> None:
        self._root: dict[str, Any] = {}
        for pointer, kind in kinds.items():
            node = self._root
            for step in pointer.split("/")[1:]:
                node = node.setdefault(step, {})
            node[""] = kind

    def exact(self, pointer: str) -> ParameterKind | None:
        """The kind that stands at just this place; None where it is inherited or there is none."""
        node: Any = self._root
        for step in pointer.split("/")[1:]:
            node = (node.get(step) if step else None) or node.get("*")
            if node is None:
                return None
        kind: ParameterKind | None = node.get("")
        return kind

    def kind(self, pointer: str) -> ParameterKind | None:
        """The kind of the text at `pointer`; None where it is judged as everything, as the text of a key is."""
        if pointer.endswith("#"):
            return None
        node, kind = self._root, None
        for step in pointer.split("/")[1:]:
            inner = node.get(step) if step else None
            if inner is None:
                inner = node.get("*")
            if inner is None:
                break
            node = inner
            kind = node.get("", kind)
        return kind


class _Tool:
    """What a tool's own name and text say about its parameters."""

    def __init__(self, definition: Mapping[str, Any], risk: Risk) -> None:
        self._risk = risk
        self._words = frozenset(_words(str(definition.get("name", ""))))
        description = definition.get("description")
        self._description = description if isinstance(description, str) else ""

    def kind(self, name: str, schema: Mapping[str, Any]) -> ParameterKind | None:
        """The kind of one parameter; None for an object or list of unnamed form that holds no content."""
        words = _words(name)
        last = words[-1] if words else ""
        joined = "".join(words)
        description = schema.get("description")
        description = description if isinstance(description, str) else ""
        content = last in _CONTENT or joined in _CONTENT
        types = _types(schema)
        if types and "string" not in types:
            # An object or a list of which the schema says nothing.
            return "text" if content and self._risk == "write" else None
        if schema.get("format") in _URL_FORMATS or joined in _URL or last in _URL:
            return self._address(description)
        if last in _COMMAND or (self._risk == "execute" and (last in _PROGRAM or joined in _INPUT)):
            return "command"
        if last in _SQL and (last != "query" or self._risk != "write"):
            return "query"
        if last in _PATH or joined in _PATH:
            return "path"
        if content and not (self._risk == "read" and self._words & _SEARCHING):
            return "text"
        if last in _IDENTIFIER or last in _QUERY or content:
            return "query"
        if last in _PLACE or self._words & _FETCHING or _SAYS_URL.search(description):
            return self._address(description)
        if _SAYS_PATH.search(description):
            return "path"
        if last in _END:
            return "query" if description else "url"
        if not types:
            return None
        if self._risk == "execute":
            return "command"
        return "text" if self._risk == "write" else "query"

    def _address(self, description: str) -> ParameterKind:
        """A tool that says it takes `file:` URLs reads the host's files by them, as one that takes their paths."""
        return "path" if _SAYS_FILE_URL.search(description) or _SAYS_FILE_URL.search(self._description) else "url"


def _words(name: str) -> list[str]:
    """The words of a name in lower case; a plural counts as its singular."""
    words = [word.lower() for word in _WORD.findall(name)]
    return [
        word[:-1] if word.endswith("s") and word[:-1] in _URL | _COMMAND | _PATH | _PLACE | _IDENTIFIER else word
        for word in words
    ]


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    value = schema.get("type")
    return frozenset(item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str))


def _strings(schema: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every place of the arguments that may hold a string: pointer, name, schema."""
    stack: list[tuple[str, str, Any, int]] = [("", "", schema, 0)]
    remaining = MAX_NODES
    while stack and remaining:
        pointer, name, node, depth = stack.pop()
        remaining -= 1
        if node is True:
            node = {}
        if not isinstance(node, dict) or depth > MAX_DEPTH:
            continue
        if isinstance(target := referenced(schema, node.get("$ref")), dict):
            stack.append((pointer, name, target, depth + 1))
        branches = [
            branch for word in ("anyOf", "oneOf", "allOf") if isinstance(node.get(word), list) for branch in node[word]
        ]
        stack += [(pointer, name, branch, depth + 1) for branch in branches]
        stack += [(pointer, name, node[word], depth + 1) for word in ("if", "then", "else") if word in node]
        inner = list(_inner(pointer, name, node, depth))
        stack += inner
        fixed = "enum" in node or "const" in node
        if pointer and not fixed and not inner and not branches and "$ref" not in node:
            types = _types(node)
            if not types or types & {"string", "object", "array"}:
                yield pointer, name, node


def _inner(pointer: str, name: str, node: Mapping[str, Any], depth: int) -> Iterator[tuple[str, str, Any, int]]:
    properties = node.get("properties")
    if isinstance(properties, dict):
        for key, child in properties.items():
            yield f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", key, child, depth + 1
    for word in ("items", "additionalProperties", "prefixItems", "patternProperties"):
        child = node.get(word)
        if isinstance(child, dict) and word == "patternProperties":
            yield from ((f"{pointer}/*", name, value, depth + 1) for value in child.values())
        elif isinstance(child, dict):
            yield f"{pointer}/*", name, child, depth + 1
        elif isinstance(child, list):
            yield from ((f"{pointer}/{index}", name, value, depth + 1) for index, value in enumerate(child))
