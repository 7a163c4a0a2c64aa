"""The one YAML reader.

Pulumi's own reader (Go, yaml.v3) and a Python YAML library disagree on dates, long numbers, octals and duplicate keys,
and `pulumi stack init` rewrites some of them in place. A file that two programs read differently cannot be reviewed, so
every scalar on which they could differ is refused here with the line it stands on; the rest means the same to both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.comment_marks import IMPLICIT_MARKS, mark_outside_comments
from model.errors import InputError
from model.files import FileTooLarge, NoFile, read_bytes
from model.text import first_unseen

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
KeyPath = tuple[str | int, ...]

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
#: What is remembered of files: values and lines by text, of texts of up to this length. A character takes 17 bytes.
_KEPT_LENGTH = 16 * 1024
_KEPT_TEXTS = 256
_parsed: dict[str, tuple[Json, dict[KeyPath, int]]] = {}

_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_NULL = {"", "~", "null", "Null", "NULL"}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+")
# yaml.v3 drops underscores first and takes the prefixes 0x, 0o and 0b in either case.
_NUMBERISH = re.compile(
    r"([-+]_*)?(\.?[0-9][0-9_]*[0-9a-fA-FxXoObB_.:]*([eE][-+]?[0-9]+)?|\.(inf|Inf|INF)|\.(nan|NaN|NAN))"
)
#: Line ends to YAML 1.1 readers, Pulumi's among them, and plain characters to YAML 1.2 ones.
_OLD_LINE_END = re.compile("[\x85\u2028\u2029]")
#: Pulumi's reader skips it wherever a token may start, so that it is text to one reader and nothing to the other.
_BYTE_ORDER_MARK = "\ufeff"
#: Pulumi's reader takes no tab before the first character of a line, not even in the text of a block scalar.
_TAB_BEFORE_TEXT = re.compile("(?:^|[\r\n]) *\t")
#: ``{a\t:b: 1}`` ends the key at the tab to one reader and not to the other.
_TAB_AFTER_TEXT = re.compile(" *\t")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")
MAX_DIGITS = 15


def dotted(path: KeyPath) -> str:
    """A key path as people write it: ``config.ringwall:server.limits.0.tools``."""
    return ".".join(str(part) for part in path)


@dataclass(frozen=True)
class Document:
    """One YAML file as plain values, with the line (1-based) of every key path, and its text as it was read."""

    file: Path
    value: Json
    lines: dict[KeyPath, int] = field(default_factory=dict, repr=False)
    text: str = field(default="", repr=False)

    def line(self, path: KeyPath) -> int | None:
        """The line of the nearest enclosing key that exists in the file."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None

    def location(self, path: KeyPath) -> str:
        """File and line of a key path."""
        line = self.line(path)
        return f"{self.file}:{line}" if line else str(self.file)

    def error(self, path: KeyPath, problem: str, remedy: str | None = None) -> InputError:
        return InputError(problem, file=self.location(path), key=dotted(path) or None, remedy=remedy)


def read(file: Path) -> Document:
    """Read one YAML file; raises `InputError` with file, line, key and remedy."""
    return parse(read_text(file), file)


def read_text(file: Path) -> str:
    """A text file of bounded size; raises `InputError` when it cannot be read or is not UTF-8."""
    try:
        raw = read_bytes(file, MAX_BYTES)
    except FileNotFoundError:
        raise InputError("no such file", file=file, remedy="correct the path") from None
    except FileTooLarge as error:
        raise InputError(str(error.strerror), file=file, remedy="make it smaller") from None
    except NoFile as error:
        raise InputError(str(error.strerror), file=file, remedy="put the file itself there") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=file, remedy="correct its permissions") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start})", file=file, remedy="save it as UTF-8") from None


def parse(text: str, file: Path) -> Document:
    """Parse YAML text; `file` only names it in errors.

    What a process has read, it remembers: to compose a text takes seven eighths of reading a file, a comparison reads most
    of its files twice, and an `up` reads its own a second time for the engine.
    """
    if (parsed := _parsed.get(text)) is None:
        parsed = _parse(text, file)
        if len(text) <= _KEPT_LENGTH:
            if len(_parsed) >= _KEPT_TEXTS:
                _parsed.clear()
            _parsed[text] = parsed
    value, lines = parsed
    return Document(file, _copy(value), dict(lines), text)


def _copy(value: Json) -> Json:
    """A value of its own for each reader, as the callers may change theirs."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _parse(text: str, file: Path) -> tuple[Json, dict[KeyPath, int]]:
    from ruamel.yaml.composer import MaxDepthExceededError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    from model.composer import compose

    _refuse_directives(text, file)
    if odd := _OLD_LINE_END.search(text):
        raise InputError(
            f"holds the character U+{ord(odd[0]):04X}, a line end to some YAML readers",
            file=_line_at(file, text, odd.start()),
            remedy="remove it, or write it as an escape in double quotes",
        )
    if (mark := text.find(_BYTE_ORDER_MARK, 1)) > 0:
        raise InputError(
            "holds the character U+FEFF (byte order mark), which not all YAML readers read",
            file=_line_at(file, text, mark),
            remedy="remove it, or write it as an escape in double quotes",
        )
    if unseen := first_unseen(text.removeprefix(_BYTE_ORDER_MARK), passed=IMPLICIT_MARKS):
        # Those that show the rest of a line in another order are among them (CVE-2021-42574).
        raise _invisible(file, text, unseen)
    if tab := _TAB_BEFORE_TEXT.search(text):
        raise InputError(
            "a tab before the first character of a line, which Pulumi does not read",
            file=_line_at(file, text, tab.end()),
            remedy="indent with spaces, or write the tab as \\t in double quotes",
        )
    try:
        root, tags = compose(text, MAX_DEPTH + 2)
    except MaxDepthExceededError as error:
        place = f"{file}:{error.problem_mark.line + 1}" if error.problem_mark else str(file)
        raise InputError(f"is nested deeper than {MAX_DEPTH} levels", file=place, remedy="flatten it") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}" if mark else str(file)
        problem = " ".join(str(error.problem or error.context or "is not valid YAML").split())
        if problem == "but found another document":
            problem = "a second document, which Pulumi would not read"
        raise InputError(problem, file=place, remedy=_yaml_remedy(problem)) from None
    except ReaderError as error:
        raise InputError(
            f"holds the control character U+{_code(error.character):04X}",
            file=_line_at(file, text, error.position),
            remedy="remove it, or write it as an escape in double quotes",
        ) from None
    except YAMLError as error:
        raise InputError(" ".join(str(error).split()), file=file, remedy="correct the YAML") from None
    except (ValueError, OverflowError):
        raise InputError("holds an escape that is no Unicode character", file=file, remedy="correct the YAML") from None
    if mark_in_text := mark_outside_comments(text, root):
        raise _invisible(file, text, mark_in_text)
    lines: dict[KeyPath, int] = {}
    if root is None:
        return None, {(): 1}
    return _Reader(file, text, lines, tags).value(root, ()), lines


def _invisible(file: Path, text: str, unseen: tuple[int, str]) -> InputError:
    place, char = unseen
    return InputError(
        f"holds the invisible character U+{ord(char):04X}, which no reviewer sees",
        file=_line_at(file, text, place),
        remedy="remove it, or write it as an escape in double quotes",
    )


#: What the reader's own words mostly come from.
_YAML_REMEDIES = {
    "mapping values are not allowed here": "check the indentation of this line and of the one above, and quote a value that"
    " holds a colon",
    "could not find expected ':'": "write it as key: value, and check the line above",
    "expected ',' or": "close the bracket, here or on a line above",
    "expected <block end>": "check the indentation of this line and of the one above",
    "expected '<document start>'": "check the indentation of this line and of the one above",
    "found undefined alias": "quote a value that begins with *",
    "found character '@'": "quote a value that begins with @",
    "found character '%'": "quote a value that begins with %",
    "found character '`'": "quote a value that begins with a backquote",
    "found unexpected end of stream": "close the quotes",
}


def _yaml_remedy(problem: str) -> str:
    return next((remedy for words, remedy in _YAML_REMEDIES.items() if words in problem), "correct the YAML")


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character))


def _line_at(file: Path, text: str, position: int) -> str:
    return f"{file}:{text.count(chr(10), 0, position) + 1}"


def _refuse_directives(text: str, file: Path) -> None:
    """``%YAML 1.1`` changes what one reader sees and not the other."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line.startswith("%"):
            raise InputError("directives are not read", file=f"{file}:{number}", remedy="remove the line")
        if line.strip() and not line.lstrip().startswith("#"):
            return


class _Reader:
    """Turns the nodes of one file into plain values, and refuses each node that two readers could take differently."""

    def __init__(self, file: Path, source: str, lines: dict[KeyPath, int], tags: dict[int, str]) -> None:
        self.file = file
        self.source = source
        self.lines = lines
        self.tags = tags
        self.visited: set[int] = set()

    def refuse(self, node: Any, path: KeyPath, problem: str, remedy: str) -> InputError:
        return InputError(
            problem, file=f"{self.file}:{node.start_mark.line + 1}", key=dotted(path) or None, remedy=remedy
        )

    def unquoted(self, node: Any, path: KeyPath, problem: str, remedy: str) -> InputError:
        """The refusal of text without its quotes, which a person forgot or a tool took off when it wrote the file.

        `pulumi config set` keeps quotes and comments (run, 3.256); older ones and editors of YAML do not.
        """
        return self.refuse(node, path, problem, f"{remedy}; if a tool took the quotes off, `git diff` shows where")

    def value(self, node: Any, path: KeyPath, *, flow: bool = False) -> Json:
        """The plain value of a node. `flow`: it stands inside braces or brackets."""
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > MAX_DEPTH:
            raise self.refuse(node, path, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
        self.plain(node, path)
        kind = type(node).__name__
        if kind == "MappingNode":
            return self.mapping(node, path, flow=flow or node.flow_style)
        if kind == "SequenceNode":
            flow = flow or node.flow_style
            return [self.value(item, (*path, index), flow=flow) for index, item in enumerate(node.value)]
        if path == () and node.style in ("|", ">"):
            raise self.refuse(node, path, "the whole file is one text", "write keys and values")
        return self.scalar(node, path, flow=flow)

    def plain(self, node: Any, path: KeyPath) -> None:
        """Refuse what makes a node mean more than it shows."""
        if node.anchor is not None or id(node) in self.visited:
            raise self.refuse(node, path, "anchors and aliases are not read", "write the value out where it applies")
        if id(node) in self.tags:
            raise self.refuse(node, path, f"the tag {self.tags[id(node)]} is not read", "remove the tag")
        self.visited.add(id(node))

    def mapping(self, node: Any, path: KeyPath, *, flow: bool) -> dict[str, Json]:
        result: dict[str, Json] = {}
        for key_node, value_node in node.value:
            self.plain(key_node, path)
            key = key_node.value
            if type(key_node).__name__ != "ScalarNode" or (not isinstance(self.scalar(key_node, path, flow=flow), str)):
                raise self.refuse(key_node, path, "a key must be a string", "quote the key")
            key_path = (*path, str(key))
            if key == "<<":
                raise self.refuse(
                    key_node, key_path, "merge keys are not read", "write the values out where they apply"
                )
            if key in result:
                raise self.refuse(
                    key_node,
                    key_path,
                    f"the key appears twice (first on line {self.lines[key_path]})",
                    "remove one of the two",
                )
            self.lines[key_path] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, key_path, flow=flow)
        return result

    def scalar(self, node: Any, path: KeyPath, *, flow: bool) -> Json:
        text: str = node.value
        if _SURROGATE.search(text):
            raise self.refuse(node, path, "an escape that is half a character", "write the character itself")
        if node.style is not None:  # quoted or block: a string, whatever it looks like
            if node.style == '"' and "/" in _ESCAPE.findall(self.source[node.start_mark.index : node.end_mark.index]):
                raise self.refuse(node, path, "the escape \\/, which Pulumi does not read", "write / alone")
            return text
        # yaml.v3 ends a plain scalar inside braces or brackets at any "?" and takes a leading ":" for a value
        # (scannerc.go: yaml_parser_scan_plain_scalar, yaml_parser_fetch_next_token).
        if flow and ("?" in text or text.startswith(":")):
            sign = "?" if "?" in text else ":"
            raise self.refuse(
                node,
                path,
                f"unquoted text with {sign} inside braces or brackets, which Pulumi does not read",
                "quote it",
            )
        if flow and _TAB_AFTER_TEXT.match(self.source, node.end_mark.index):
            raise self.refuse(node, path, "a tab behind unquoted text inside braces or brackets", "remove the tab")
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        if _DATE.fullmatch(text):
            raise self.unquoted(node, path, f"an unquoted date ({text}), which Pulumi rewrites", f'write "{text}"')
        if _INT.fullmatch(text) or _FLOAT.fullmatch(text):
            if sum(c.isdigit() for c in text) > MAX_DIGITS:
                raise self.unquoted(
                    node, path, f"a number of over {MAX_DIGITS} digits, which Pulumi rewrites", "quote it"
                )
            return int(text) if _INT.fullmatch(text) else float(text)
        if _NUMBERISH.fullmatch(text) and not re.search(r"\..*\.", text):
            raise self.unquoted(
                node, path, f"{text} is read as a number by some YAML readers and as text by others", f'write "{text}"'
            )
        return text


def walk(value: Json, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Json]]:
    """Every value below `value` with its key path, the root first, in file order."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))
