"""What to write instead of a name that does not exist: the nearest of those that do, and which there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Names shown where none is near; more would bury the message.
_SHOWN = 12


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a typo most likely meant; None where none is near. Upper and lower case do not count."""
    names = {candidate.lower(): candidate for candidate in sorted(known, reverse=True)}
    close = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.6)
    return names[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str], *, none: str = "there are none") -> str:
    """What to do about a name that is not among `known`: ``did you mean dev? (known: dev, prod)``.

    `none` is said where nothing is known.
    """
    names = sorted(known)
    if not names:
        return none
    overflow = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    listed = f"known: {', '.join(names[:_SHOWN])}{overflow}"
    close = nearest(name, names)
    return f"did you mean {close}? ({listed})" if close else f"correct it ({listed})"
