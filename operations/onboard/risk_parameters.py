"""What a tool's input schema says about its risk: a parameter that runs, writes or sets a state beats any verb.

Only what a caller sets directly counts as written or set. Deeper in the schema the same words are part of filters and
documents, except those that carry something to run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from model.text import visible
from operations.onboard.risk_names import Verdict, reads_many, verb_of, words
from operations.onboard.risk_words import (
    ACTIONS,
    ANSWER_OPTIONS,
    COMPUTE,
    EXECUTE,
    EXECUTE_EXACT,
    EXECUTE_FIRST,
    NOT_WRITTEN,
    OUTPUT_FIRST,
    OUTPUT_LAST,
    READ,
    REFERENCES,
    STATE_CHOICES,
    STATES,
    WRITE_EXACT,
    WRITE_FIRST,
    WRITE_PARAMETER_VERBS,
    WRITE_PARAMETERS,
)

Parameters = dict[str, dict[str, Any]]

_TEXTS_OF_A_MESSAGE = frozenset({"subject", "body", "message", "text"})


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside `value`, without recursion."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def every_parameter(schema: Any) -> Parameters:
    """The parameters at every depth of a schema; of two with one name, the last."""
    parameters: Parameters = {}
    for node in nodes(schema):
        parameters.update(_properties(node))
    return parameters


def own_parameters(schema: Any) -> Parameters:
    """The parameters that a caller sets directly: those of the top and its branches, and of a single wrapping object."""
    top = _top(schema)
    if len(top) == 1:
        inner = _top(_resolved(next(iter(top.values())), schema))
        return {**top, **inner}
    return top


def _top(schema: Any) -> Parameters:
    if not isinstance(schema, dict):
        return {}
    branches = [schema]
    for keyword in ("allOf", "anyOf", "oneOf"):
        members = schema.get(keyword)
        branches += [member for member in members if isinstance(member, dict)] if isinstance(members, list) else []
    return {name: part for branch in branches for name, part in _properties(branch).items()}


def _properties(node: dict[str, Any]) -> Parameters:
    properties = node.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {str(name): part if isinstance(part, dict) else {} for name, part in properties.items()}


def _resolved(part: dict[str, Any], schema: Any) -> Any:
    """The subschema itself, or the definition it refers to in the same document, one step."""
    reference = part.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/") or not isinstance(schema, dict):
        return part
    target: Any = schema
    for step in reference[2:].split("/"):
        target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
    return target


def judge_parameters(schema: Any, name_parts: Sequence[str], *, says_read_only: bool) -> Iterator[Verdict]:
    """Every verdict that the parameters allow; the highest counts."""
    verb = verb_of(name_parts)
    word = verb[1] if verb else ""
    direct = own_parameters(schema)
    for name, part in every_parameter(schema).items():
        yield from _runs(name, part, exact=not (word in READ and word not in COMPUTE))
    filters = reads_many(name_parts)
    travels = not {"origin", "origins"}.isdisjoint(direct)
    for name, part in direct.items():
        if travels and name in ("destination", "destinations"):
            continue
        yield from _writes(name, part, computes=word in COMPUTE)
        if not filters:
            yield from _sets_state(name, part, says_read_only=says_read_only)
        yield from _acts(name, part, filters=filters)
    if "to" in direct and not _TEXTS_OF_A_MESSAGE.isdisjoint(direct):
        yield "write", 'its parameters "to" and a text are a message'


def _shown(name: str) -> str:
    return f'its parameter "{visible(name)}"'


def _runs(name: str, part: dict[str, Any], *, exact: bool) -> Iterator[Verdict]:
    parts = words(name)
    if _is_boolean(part) or not parts or parts[-1] in REFERENCES:
        return
    if not EXECUTE.isdisjoint(parts) or (exact and "_".join(parts) in EXECUTE_EXACT):
        yield "execute", f"{_shown(name)} carries something to run"
    elif parts == ["pipeline"] and part.get("type") == "array":
        yield "execute", f"{_shown(name)} carries stages, which may write"


def _writes(name: str, part: dict[str, Any], *, computes: bool) -> Iterator[Verdict]:
    parts = words(name)
    joined = "_".join(parts)
    if not parts:
        return
    if not WRITE_PARAMETERS.isdisjoint(parts) or (joined in WRITE_EXACT and not computes):
        yield "write", f"{_shown(name)} carries something to write"
    elif len(parts) > 1 and parts[0] in WRITE_PARAMETER_VERBS and parts[-1] not in NOT_WRITTEN:
        if not (_is_boolean(part) and parts[0] in ANSWER_OPTIONS):
            yield "write", f"{_shown(name)} carries something to write"
    elif len(parts) > 1 and parts[0] in OUTPUT_FIRST and parts[-1] in OUTPUT_LAST:
        yield "write", f"{_shown(name)} names a file to write"


def _sets_state(name: str, part: dict[str, Any], *, says_read_only: bool) -> Iterator[Verdict]:
    joined = "_".join(words(name))
    choice = isinstance(part.get("enum"), list) or isinstance(part.get("const"), str)
    if joined.removeprefix("is_") in STATES or (joined in STATE_CHOICES and choice and not says_read_only):
        yield "write", f"{_shown(name)} sets a state"


def _acts(name: str, part: dict[str, Any], *, filters: bool) -> Iterator[Verdict]:
    """``action: list | delete``, ``method: POST``: the call itself says what it does.

    Where a tool looks through many, an action such as ``merge_train_removed`` chooses among them.
    """
    joined = "_".join(words(name))
    if joined not in ACTIONS:
        return
    allowed = part.get("enum")
    if not isinstance(allowed, list):
        if joined == "method" and part.get("type") in (None, "string"):
            yield "write", f"{_shown(name)} allows more than GET"
        return
    for value in allowed:
        first = "_".join(words(str(value))) if filters else (words(str(value)) or [""])[0]
        if first in EXECUTE or first in EXECUTE_FIRST:
            yield "execute", f"{_shown(name)} can be {visible(str(value))}"
        elif first in WRITE_FIRST:
            yield "write", f"{_shown(name)} can be {visible(str(value))}"


def _is_boolean(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    if kind is None:
        choices = [branch for key in ("anyOf", "oneOf") if isinstance(part.get(key), list) for branch in part[key]]
        kinds = [choice.get("type") for choice in choices if isinstance(choice, dict)]
        return bool(kinds) and set(map(str, kinds)) <= {"boolean", "null"}
    return kind == "boolean" or (isinstance(kind, list) and {str(item) for item in kind} <= {"boolean", "null"})
