"""Characters that a person does not see and a model reads: tags, zero width, bidi, variation selectors, terminal controls.

In definitions any of them counts: nobody needs them there. In results only what carries or disguises text does: joiners in
emoji and Persian, a colour in a terminal's output and a byte order mark are ordinary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.verdict import Leg

_TAGS = re.compile("[\U000e0000-\U000e007f]+")
_FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a]{2,6}\U000e007f")
_ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\u2060-\u2064\ufeff\u00ad\u180e\u034f\u115f\u1160\u3164\uffa0]")
_ZERO_WIDTH_RUN = re.compile("[\u200b\u200c\u200d\u2060-\u2064\ufeff\u180e]{4,}")
_SPLIT_WORD = re.compile("(?:[A-Za-z][\u200b\u2060\u00ad\ufeff]){3}")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_OVERRIDE = re.compile("[\u202d\u202e]")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}|[\U000e0100-\U000e01ef]")
_ESCAPE = re.compile("[\x1b\x9b]")
#: Anything a terminal does but colours; concealed text (8) is no colour.
_NOT_COLOUR = re.compile("\x1b(?!\\[[0-9;]*m)|\x9b|\x1b\\[(?:[0-9;]*;)?8m")

_STRICT = (
    ("tag-characters", _TAGS),
    ("zero-width", _ZERO_WIDTH),
    ("bidi-control", _BIDI),
    ("variation-selectors", _SELECTORS),
    ("terminal-escape", _ESCAPE),
)
_LENIENT = (
    ("tag-characters", _TAGS),
    ("zero-width", _ZERO_WIDTH_RUN),
    ("split-words", _SPLIT_WORD),
    ("bidi-override", _OVERRIDE),
    ("variation-selectors", _SELECTORS),
    ("terminal-escape", _NOT_COLOUR),
)
_EMOJI_JOINED = re.compile("(?<=[\u2190-\U0001faff\ufe0f])\u200d(?=[\u2190-\U0001faff])")


def hidden(text: str, leg: Leg) -> Iterator[str]:
    """Rule ids of what hides in `text`."""
    if text.isascii() and "\x1b" not in text:
        return
    # Flags of regions are tag characters, families joined emoji: what everyone's keyboard writes.
    shown = _EMOJI_JOINED.sub("", _FLAG.sub("", text))
    for name, pattern in _STRICT if leg is Leg.DEFINITIONS else _LENIENT:
        if pattern.search(shown):
            yield name


def tag_text(text: str) -> str:
    """What tag characters spell."""
    return "".join(chr(ord(char) - 0xE0000) for char in text if "\U000e0020" <= char <= "\U000e007e")


def unhidden(text: str) -> str:
    """`text` as a model may read it: without the characters that draw nothing."""
    return re.sub(
        "[\u200b-\u200d\u2060-\u2064\ufeff\u00ad\u180e\u034f\u202a-\u202e\u2066-\u2069\ufe00-\ufe0f\U000e0000-\U000e01ef]",
        "",
        text,
    )
