"""The text of a stack file with the key `lockdown` written into its server's or model route's manifest, or taken out again.

The edit is made in the text, so that every other byte stays, and checked by parsing the result. No file is touched here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.loader import KeyPath, parse
from model.project import config_of
from model.stack_names import MODEL_KEY, SERVER_KEY

#: Where the manifest of a server or of a model route stands; a file holds one of the two.
MANIFESTS: tuple[KeyPath, ...] = (("config", SERVER_KEY), ("config", MODEL_KEY))
KEY = "lockdown"


def locked(text: str, reason: str, since: str) -> str:
    """`text` with the server closed. The key comes first in the manifest, where a reviewer cannot overlook it.

    Raises:
        InputError: the server is closed already, or the file holds no such manifest.
    """
    node = _manifest(text)
    if any(key.value == KEY for key, _ in node.value):
        raise InputError("is closed already", key=KEY)
    entry = f"{KEY}: {{reason: {_quoted(reason)}, since: {_quoted(since)}}}"
    start = node.start_mark
    if node.flow_style:
        after = f"{text[: start.index + 1]}{entry}, {text[start.index + 1 :]}"
    else:
        end = "\r\n" if "\r\n" in text else "\n"
        after = f"{text[: start.index]}{entry}{end}{' ' * start.column}{text[start.index :]}"
    return _checked(text, after, {"reason": reason, "since": since})


def lifted(text: str) -> str:
    """`text` with the server open again; raises InputError where it is not closed."""
    node = _manifest(text)
    pairs = node.value
    index = next((index for index, (key, _) in enumerate(pairs) if key.value == KEY), None)
    if index is None:
        raise InputError("is not closed", key=KEY)
    key, value = pairs[index]
    start, end = key.start_mark.index, _end(text, value)
    if node.flow_style:
        if index + 1 < len(pairs):
            end = pairs[index + 1][0].start_mark.index
        elif index:
            start = _end(text, pairs[index - 1][1])
    else:
        # Remove the lines of the entry, with a comment behind its last one.
        line = text.find("\n", end)
        end = len(text) if line < 0 else line + 1
        start = text.rfind("\n", 0, start) + 1
    return _checked(text, text[:start] + text[end:], None)


def _manifest(text: str) -> Any:
    from model.composer import compose
    from model.loader import MAX_DEPTH

    root, _ = compose(text, MAX_DEPTH + 2)
    for path in MANIFESTS:
        node = root
        for part in path:
            pairs = node.value if type(node).__name__ == "MappingNode" else ()
            node = next((value for key, value in pairs if key.value == part), None)
        if type(node).__name__ == "MappingNode" and node.value:
            return node
    raise InputError("there is no manifest of a server or model route in this file", key="config")


def _end(text: str, node: Any) -> int:
    """The index behind a value's last character. A block's end mark is no help: it is where the next node starts."""
    children = [] if type(node).__name__ == "ScalarNode" or node.flow_style else node.value
    if children:
        last = children[-1]
        return _end(text, last[1] if isinstance(last, tuple) else last)
    return len(text[: node.end_mark.index].rstrip())


def _quoted(text: str) -> str:
    """A JSON string is a double-quoted scalar of YAML 1.2."""
    return json.dumps(text, ensure_ascii=False)


def _checked(before: str, after: str, lockdown: dict[str, str] | None) -> str:
    """The edited text, once it is proven that the edit changed `lockdown` and nothing else; raises InputError otherwise."""
    try:
        expected, actual = _value(before), _value(after)
    except InputError:
        expected, actual = {}, {"?": None}
    expected.pop(KEY, None)
    if lockdown is not None:
        expected[KEY] = lockdown
    if expected != actual:
        entry = f"{KEY}: {{reason: ..., since: ...}} first in the manifest"
        raise InputError(
            "cannot be edited safely in the way it is laid out",
            key=KEY,
            remedy=f"edit {entry} by hand, then run this again",
        )
    return after


def _value(text: str) -> dict[str, Any]:
    config = config_of(parse(text, Path("text")))
    return dict(config.get(SERVER_KEY) or config[MODEL_KEY])
