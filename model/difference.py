"""Where two JSON values differ: one change a place, named by its JSON pointer (RFC 6901).

What a change means (looser, tighter, a secret) is not judged here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model.tool_lock import digest, visible

#: Characters of a value that are shown; a longer one is cut and named by its digest.
MAX_SHOWN = 160


@dataclass(frozen=True)
class ValueChange:
    """One place inside a value; None where it is absent, else the value there as short readable JSON."""

    pointer: str
    before: str | None
    after: str | None


def pointers(before: Any, after: Any, pointer: str = "") -> Iterator[ValueChange]:
    """Every place where two JSON values differ, sorted. Lists of different lengths differ as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            here = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in before:
                yield ValueChange(here, None, short_json(after[key]))
            elif key not in after:
                yield ValueChange(here, short_json(before[key]), None)
            else:
                yield from pointers(before[key], after[key], here)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from pointers(old, new, f"{pointer}/{index}")
    elif digest(before) != digest(after):
        yield ValueChange(pointer, short_json(before), short_json(after))


def short_json(value: Any) -> str:
    """A value as JSON with hidden characters shown, cut after `MAX_SHOWN` characters."""
    text = visible(json.dumps(value, ensure_ascii=False, sort_keys=True))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)} characters, {digest(value)[:19]}…)"
