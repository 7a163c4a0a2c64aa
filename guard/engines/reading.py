"""Reads the parts of a vendor's answer strictly: what is not as documented is not passed over."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeGuard

from guard.engines.decoding import fold

_NO_LETTER = re.compile(r"[^a-z0-9]+")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _./:-]{0,99}")


class Undocumented(Exception):
    """A member of an answer has another type than its vendor documents; the argument is its name."""


def mapping(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object of this name; an empty one where it is absent or null."""
    part = value.get(name)
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise Undocumented(name)
    return part


def rows(value: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of objects of this name; an empty one where it is absent or null."""
    part = value.get(name)
    if part is None:
        return []
    if not isinstance(part, list) or not all(isinstance(row, dict) for row in part):
        raise Undocumented(name)
    return part


def is_label(value: Any) -> TypeGuard[str]:
    """Whether a value is a name that is fit for a log."""
    return isinstance(value, str) and _LABEL.fullmatch(value) is not None


def label(value: str) -> str:
    """A vendor's name of a finding if it is fit for a log: it may come from a user's own rule, or quote the text."""
    return value if is_label(value) else "unnamed"


def reference(value: Any) -> str | None:
    """A vendor's id of a scan; None if the value does not look like one."""
    return value if is_label(value) else None


def look_alike(members: Iterable[str], known: Collection[str]) -> bool:
    """Whether a member is not in `known` and reads like one that is: another case, script, space or mark.

    Another reader of the answer might take it for that one, so what it says is not certain.
    """
    plain = {_letters(name) for name in known}
    return any(name not in known and _letters(name) in plain for name in members)


def failed(answer: Mapping[str, Any]) -> bool:
    """Whether an answer says that something failed, in a member for which the vendor documents no such use."""
    return any(answer.get(name) not in (None, False, []) for name in ("error", "errors", "timeout", "timed_out"))


def _letters(name: str) -> str:
    return _NO_LETTER.sub("", fold(name).casefold())
