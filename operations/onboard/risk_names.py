"""What a tool's name says about its risk: its verb, wherever a server's prefix put that, and what the verb acts on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from model.tool_lock import Risk
from operations.onboard.risk_words import (
    ENDINGS,
    EXECUTE,
    EXECUTE_FIRST,
    EXECUTE_OBJECTS,
    GETTING,
    JOINTS,
    LEADING_NOUNS,
    LISTING,
    MANY,
    NOUNS,
    READ,
    READ_NOUNS,
    READ_WITH,
    SCREEN,
    UNCLEAR,
    VERBS_WITH,
    WRITE,
    WRITE_FIRST,
    WRITE_WITH,
)

Verdict = tuple[Risk, str]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
#: A prefix is what this many tools of a server, and half of them, begin with.
_PREFIX_TOOLS = 3


def words(name: str) -> list[str]:
    """Split ``getUserByID``, ``get_user_by_id`` or ``get-user-by-id`` into get, user, by, id."""
    return [word.lower() for word in _WORD.findall(name)]


def shared_prefix(names: Sequence[str]) -> str | None:
    """The word that a server puts before its tools' names (``jira_get_issue``), None where there is none."""
    counts: dict[str, int] = {}
    for name in names:
        parts = words(name)
        if len(parts) > 1:
            counts[parts[0]] = counts.get(parts[0], 0) + 1
    word = max(counts, key=lambda key: counts[key], default=None)
    if word is None or counts[word] < _PREFIX_TOOLS or 2 * counts[word] < len(names):
        return None
    return (
        None
        if word in NOUNS or word in READ or word in WRITE_FIRST or word in UNCLEAR or word in EXECUTE_FIRST
        else word
    )


def without_prefix(parts: list[str], prefix: str | None) -> list[str]:
    """The words of a name less its server's prefix, and less a last "tool"."""
    stem = parts[:-1] if len(parts) > 1 and parts[-1] == "tool" else parts
    return stem[1:] if prefix is not None and len(stem) > 1 and stem[0] == prefix else stem


def verb_of(parts: Sequence[str]) -> tuple[int, str] | None:
    """The first word that says what a tool does, and its place."""
    for place, word in enumerate(parts):
        objects = VERBS_WITH.get(word)
        if objects is not None and objects.isdisjoint(parts[place + 1 :]):
            continue
        if word in EXECUTE_FIRST or word in WRITE_FIRST or word in READ or word in UNCLEAR:
            return place, word
    return None


def reads_many(parts: Sequence[str]) -> bool:
    """Whether a name says that its tool looks through many things, among which a state only chooses."""
    verb = verb_of(parts)
    if verb is None:
        return False
    place, word = verb
    tail = parts[place + 1 :]
    plural = any(part in MANY or (part.endswith("s") and not part.endswith(("ss", "us", "is"))) for part in tail)
    return word in LISTING or (word in GETTING and plural)


def may_read(parts: Sequence[str]) -> bool:
    """Whether reading is one sense of a name: no verb in it is unclear, and its last word is something to read, or all of
    them name things ("my_issues")."""
    if not parts or not UNCLEAR.isdisjoint(parts):
        return False
    return parts[-1] in READ_NOUNS or all(part in NOUNS for part in parts)


def judge_name(parts: Sequence[str]) -> Iterator[Verdict]:
    """Every verdict that the words of a name allow; the highest counts."""
    yield _by_verb(parts)
    verb = verb_of(parts)
    for place, word in enumerate(parts):
        if word in EXECUTE and not _is_read(parts, place, verb):
            yield "execute", f'its name says "{word}"'
        elif word in WRITE and not _is_object(parts, place, verb):
            yield "write", f'its name says "{word}"'


def _by_verb(parts: Sequence[str]) -> Verdict:
    verb = verb_of(parts)
    if verb is None:
        return _by_noun(parts)
    place, word = verb
    tail = parts[place + 1 :]
    if word in EXECUTE_FIRST:
        return "execute", f'its verb is "{word}"'
    if tail and not READ_WITH.get(word, frozenset()).isdisjoint((tail[0], tail[-1])):
        return "read", f'its verb is "{word}", and its object "{tail[-1]}"'
    if word in UNCLEAR:
        if tail and _is_look(parts):
            return "read", f'it takes a look, a "{tail[-1]}"'
        return "unknown", f'its verb, "{word}", does not say whether it changes anything'
    if word in WRITE_FIRST:
        # ``volume-snapshot-get``: what stands before `get` is a thing. Before `list` it may be one.
        if word not in WRITE and tail and tail[-1] == "get":
            return "read", 'its verb is "get"'
        if word not in WRITE and tail and tail[-1] == "list":
            return "unknown", f'its verb may be "{word}" or "list"'
        return "write", f'its verb is "{word}"'
    changed = WRITE_WITH.get(word, frozenset())
    if not changed.isdisjoint((*parts[:place], *tail)):
        return "write", f'its verb is "{word}", of which this kind changes something'
    if (second := _second_verb(tail)) is not None:
        return second
    if tail and tail[-1] in ENDINGS and word not in ("get", "describe"):
        return "write", f'it ends in the verb "{tail[-1]}"'
    if word in LEADING_NOUNS and len(tail) == 1 and (tail[0] in WRITE_FIRST or tail[0] in EXECUTE_FIRST):
        return "write", f'its verb may be "{tail[0]}"'
    if word in READ_NOUNS and not tail and not all(part in NOUNS for part in parts[:place]):
        return "unknown", f'its verb may be "{parts[0]}"'
    return "read", f'its verb is "{word}"'


def _is_look(parts: Sequence[str]) -> bool:
    """Whether a name ends in a picture of a screen; a snapshot of anything else is a backup."""
    return parts[-1] in ("screenshot", "screenshots") or (parts[-1] == "snapshot" and not SCREEN.isdisjoint(parts))


def _second_verb(tail: Sequence[str]) -> Verdict | None:
    """What a word after "and", "or" or "then" adds: a verb, a word that may be one, or nothing ("users_and_groups")."""
    place = next((index for index, part in enumerate(tail) if part in JOINTS), None)
    if place is None:
        return None
    changing = next((part for part in tail[place:] if part in WRITE_FIRST or part in EXECUTE_FIRST), None)
    if changing is not None:
        return "write", f'its second verb is "{changing}"'
    word = tail[place + 1] if place + 1 < len(tail) else ""
    if not word or word in READ or word in NOUNS or word in READ_NOUNS or word.endswith("s"):
        return None
    return "unknown", f'its second verb may be "{word}"'


def _by_noun(parts: Sequence[str]) -> Verdict:
    """``git_log``, ``directory_tree``, ``browser_snapshot``: no verb, and a last word that is something to read."""
    if parts and all(part in NOUNS for part in parts[:-1]):
        if parts[-1] in READ_NOUNS:
            return "read", f'it gives a "{parts[-1]}"'
        if _is_look(parts):
            return "read", f'it takes a look, a "{parts[-1]}"'
    return "unknown", "its name has no verb that says what it does"


def _is_read(parts: Sequence[str], place: int, verb: tuple[int, str] | None) -> bool:
    """Whether a word for what can run is what a tool reads: "list_scripts", "model_eval_list_runs"."""
    if verb is None or verb[1] not in READ or parts[place] not in EXECUTE_OBJECTS:
        return False
    return place > verb[0] or verb[1] in ("get", "list", "describe")


def _is_object(parts: Sequence[str], place: int, verb: tuple[int, str] | None) -> bool:
    """Whether a writing word is what a reading verb reads ("get_upload_url"), and no second verb ("get_or_create")."""
    if verb is None or place <= verb[0] or verb[1] not in ("get", "describe", "count"):
        return False
    return JOINTS.isdisjoint(parts[verb[0] : place])
