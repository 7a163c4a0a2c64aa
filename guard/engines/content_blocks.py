"""Reads a result's blocks as they are shown: one after the other, and its Markdown references as the links that they are.

A phrase may be cut over several blocks, and the address of an image may stand elsewhere in the text than the image. All
work is linear in the length of the texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from guard.inspect.verdict import Text

#: Strings that MCP puts between the texts of two blocks or messages, by their places.
_MARK = re.compile(r"(?:/[^/]+)?/(?:content|contents|messages)/\d+(?:/content(?:/\d+)?)?/(?:type|role)")
_MARKS = frozenset(("text", "image", "audio", "resource", "resource_link", "user", "assistant"))
_BLOCK = re.compile(r"(?:/[^/]+)?/(?:content|contents|messages)/\d+(?:/(?:content|resource)(?:/\d+)?)?/text")
#: Characters on either side of the seam of two blocks.
_SIDE = 120
#: What may stand within the brackets of a reference, and references that are followed in one text.
_LABEL = r"\[((?:[^\[\]\n\\]|\\.){1,200})\]"
_MOST = 1000
_DEFINITION = re.compile(
    rf"^ {{0,3}}{_LABEL}:[ \t]{{0,80}}\n?[ \t]{{0,80}}(<[^<>\n]{{1,2000}}>|[^\s<]\S{{0,2000}})", re.MULTILINE
)
_REFERENCE = re.compile(rf"(!?)\[((?:[^\[\]\n\\]|\\.){{0,200}})\](?:{_LABEL}|(?![(:]))")


def without_marks_between(texts: Sequence[Text]) -> Sequence[Text]:
    """The texts with the marks of MCP's own blocks at their end, so that the blocks stand side by side."""
    marks = [text for text in texts if text.value in _MARKS and _MARK.fullmatch(text.pointer)]
    if len(marks) < 2:
        return texts
    known = set(map(id, marks))
    return [*(text for text in texts if id(text) not in known), *marks]


def seams(texts: Sequence[Text]) -> Iterator[Text]:
    """The words that neighbouring blocks make together where they are cut within a word; of a long block only its ends."""
    run: list[str] = []
    pointer = ""
    before = ""
    for text in texts:
        if _BLOCK.fullmatch(text.pointer) is None or not text.value:
            continue
        if before[-1:].isalnum() and text.value[0].isalnum():
            run = run or [before[-_SIDE:]]
            run.append(text.value if len(text.value) <= 2 * _SIDE else text.value[:_SIDE])
            pointer = text.pointer
        if run and (pointer != text.pointer or len(text.value) > 2 * _SIDE):
            yield Text(pointer, "".join(run))
            run = []
        before = text.value
    if run:
        yield Text(pointer, "".join(run))


def linked(texts: Sequence[Text]) -> Iterator[Text]:
    """The links and images of a text whose address stands in a definition of its own (CommonMark, section 6.3)."""
    for text in texts:
        if "]:" not in text.value:
            continue
        definitions: dict[str, str] = {}
        for match in _DEFINITION.finditer(text.value):
            definitions.setdefault(_folded(match[1]), match[2])
        references = list(_REFERENCE.finditer(text.value))[:_MOST] if definitions else ()
        addresses = {
            f"{match[1]}[]({address})"
            for match in references
            if (address := definitions.get(_folded(match[3] or match[2]))) is not None
        }
        if addresses:
            yield Text(text.pointer, "\n".join(sorted(addresses)))


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())
