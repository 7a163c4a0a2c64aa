"""Sets one member in a client's settings file, JSON with or without comments; every other byte stays.

Clients read comments and trailing commas (VS Code's "JSON with Comments", Gemini CLI); a file written anew from its values
would lose them. So comments and trailing commas are blanked in a copy of equal length, the copy is parsed, and the edit is
made in the text at the place the copy shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model.json import MAX_DEPTH, NotJson, read_json

#: A string (an unfinished one runs to the end), or a comment.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|//[^\r\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_SPACE = re.compile(r"\s*")
_INDENT = re.compile(r'^([ \t]+)"', re.MULTILINE)


@dataclass(frozen=True)
class _Member:
    key: int
    value: int
    end: int


def read_object(text: str) -> dict[str, Any]:
    """The object of a settings file; raises NotJson. An empty file is an empty object."""
    plain = _without_commas(_without_comments(text))
    value = read_json(plain, MAX_DEPTH) if plain.strip() else {}
    if not isinstance(value, dict):
        raise NotJson("holds no JSON object")
    return value


def set_member(text: str, path: Sequence[str], value: Any) -> str:
    """`text` with the member at `path` set to `value`; objects on the way are made where they are missing.

    Raises:
        NotJson: the text is no JSON object, a value on the way is none, or it is laid out so that nothing can be set safely.
    """
    expected = read_object(text)
    inner = expected
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise NotJson(f"{key} is no object")
    inner[path[-1]] = value
    # A file of nothing, or of comments alone, is given its object behind them.
    empty = not _without_comments(text).strip()
    after = _edit(f"{text.rstrip()}\n{{}}\n".lstrip() if empty else text, path, value)
    if read_object(after) != expected or _comments(after) != _comments(text):
        raise NotJson("is laid out in a way that cannot be edited safely")
    return after


def _edit(text: str, path: Sequence[str], value: Any) -> str:
    stripped = _without_comments(text)
    plain = _without_commas(stripped)
    start = plain.index("{")
    for depth, key in enumerate(path):
        members, end = _members(plain, start)
        if key not in members:
            for missing in reversed(path[depth + 1 :]):
                value = {missing: value}
            return _insert(text, stripped, start, list(members.values()), end, f"{json.dumps(key)}: ", value)
        member = members[key]
        if depth == len(path) - 1:
            return text[: member.value] + _rendered(text, value, _margin(text, member.key)) + text[member.end :]
        start = member.value
    raise AssertionError("path is empty")


def _insert(text: str, stripped: str, start: int, members: Sequence[_Member], end: int, key: str, value: Any) -> str:
    """`text` with a member added as the last of the object from `start` to its closing bracket at `end`."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    if not members:
        margin = _margin(text, start) or ""
        indent = margin + _unit(text)
        head = text[:end].rstrip(" \t")
        head = head if head.endswith("\n") else head + line_end
        return f"{head}{indent}{key}{_rendered(text, value, indent)}{line_end}{margin}{text[end:]}"
    last = members[-1]
    comma = _after_space(stripped, last.end)
    trailing = stripped[comma] == ","
    anchor = comma + 1 if trailing else last.end
    last_margin = _margin(text, last.key)
    if last_margin is None:
        added = f"{key}{json.dumps(value, ensure_ascii=False)}"
        return f"{text[:anchor]}{' ' if trailing else ', '}{added}{',' if trailing else ''}{text[anchor:]}"
    indent = last_margin
    # Behind a comment in the same line: it belongs to the member before.
    line = stripped.find("\n", anchor, end)
    place = anchor if line < 0 or stripped[anchor:line].strip() else line - (stripped[line - 1] == "\r")
    added = f"{line_end}{indent}{key}{_rendered(text, value, indent)}{',' if trailing else ''}"
    return f"{text[:anchor]}{'' if trailing else ','}{text[anchor:place]}{added}{text[place:]}"


def _members(plain: str, start: int) -> tuple[dict[str, _Member], int]:
    """The members of the object that begins at `start`, and the place of its closing bracket."""
    decoder = json.JSONDecoder()
    members: dict[str, _Member] = {}
    place = _after_space(plain, start + 1)
    while plain[place] != "}":
        key, colon = decoder.raw_decode(plain, place)
        value = _after_space(plain, _after_space(plain, colon) + 1)
        _, end = decoder.raw_decode(plain, value)
        members[key] = _Member(place, value, end)
        place = _after_space(plain, end)
        if plain[place] == ",":
            place = _after_space(plain, place + 1)
    return members, place


def _without_comments(text: str) -> str:
    """`text` with spaces for comments, for their line ends too."""
    return _TOKEN.sub(lambda token: token[0] if token[0][0] == '"' else " " * len(token[0]), text)


def _without_commas(text: str) -> str:
    return _COMMA.sub(lambda token: " " if token[0] == "," else token[0], text)


def _comments(text: str) -> list[str]:
    return [token[0] for token in _TOKEN.finditer(text) if token[0][0] != '"']


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _margin(text: str, place: int) -> str | None:
    """The indent of the line at `place`; None where something stands before it in the line."""
    line = text[text.rfind("\n", 0, place) + 1 : place]
    if not line.strip():
        return line
    return None if text[place] != "{" else line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    match = _INDENT.search(text)
    return match[1] if match else "  "


def _rendered(text: str, value: Any, margin: str | None) -> str:
    line_end = "\r\n" if "\r\n" in text else "\n"
    if margin is None:
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, indent=_unit(text)).replace("\n", line_end + margin)
