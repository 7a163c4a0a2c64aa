"""Turns pydantic's errors into plain words: one line per mistake in a file, with its line, key and what to do."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from model.errors import InputError
from model.loader import Document, KeyPath
from model.suggestions import nearest as close_name


class Wrong(ValueError):
    """A validator raises it to refuse a value. It carries the remedy and, for a mistake below that value, its key."""

    def __init__(self, problem: str, remedy: str | None = None, key: KeyPath = ()) -> None:
        super().__init__(problem)
        self.remedy = remedy
        self.key = key


#: Each pattern in words, which a message shows instead of the expression.
PATTERN_WORDS: dict[str, str] = {}

_WORDS = {
    "missing": ("a required key is missing", "add it"),
    "string_type": ("must be text", "quote it"),
    "int_type": ("must be a whole number", "write it without quotes"),
    "int_from_float": ("must be a whole number", "write it without a fraction"),
    "bool_type": ("must be true or false", "write it without quotes"),
    "dict_type": ("must be a mapping", "write it as key: value lines"),
    "model_type": ("must be a mapping", "write it as key: value lines, or as {} when it has none"),
    "model_attributes_type": ("must be a mapping", "write it as key: value lines, or as {} when it has none"),
    "tuple_type": ("must be a list", "write it as [a, b]"),
    "list_type": ("must be a list", "write it as [a, b]"),
    "string_too_short": ("must not be empty", "fill it in, or remove the key"),
}
_BOUNDS = {
    "greater_than": ("must be more than {}", "gt"),
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than": ("must be less than {}", "lt"),
    "less_than_equal": ("must be at most {}", "le"),
    "string_too_long": ("must be at most {} characters long", "max_length"),
}
_KEY = "[key]"


def plain(error: ValidationError, model: type[BaseModel], document: Document, below: KeyPath) -> list[InputError]:
    """One `InputError` per key of the file that is wrong; never quotes a value that pydantic was given."""
    mistakes: dict[KeyPath, list[tuple[str, str | None]]] = {}
    items = [(_file_path(item["loc"], item["type"], document, below), item) for item in error.errors(include_url=False)]
    meant = _meant(items, model)
    for path, item in items:
        loc = item["loc"]
        text, remedy, key = _words(item, model)
        if item["type"] == "missing" and path in meant.values():
            continue  # said at the key that was meant to be this one
        if path in meant:
            remedy = f"write {meant[path][-1]}, which is required"
        if loc and loc[-1] == _KEY:
            # Names that are free have a pattern; of names that are given the remedy lists them.
            is_given = item["type"] == "literal_error"
            text, remedy = ("there is no such name", remedy) if is_given else (f"the name {text}", "rename it")
        mistakes.setdefault((*path, *key), []).append((text, remedy))
    problems = []
    for path, texts in mistakes.items():
        below_too = any(nested != path and nested[: len(path)] == path for nested in mistakes)
        if below_too and all(text == "must not be empty" for text, _ in texts):
            continue  # a list whose entries are all wrong counts as empty to pydantic
        # The branches of a union fail side by side; they are alternatives for one value, not several mistakes.
        problem = " or ".join(dict.fromkeys(text for text, _ in texts))
        remedy = next((remedy for _, remedy in texts if remedy), "correct it")
        problems.append(document.error(path, problem, remedy))
    return problems


def _meant(items: Sequence[tuple[KeyPath, Mapping[str, Any]]], model: type[BaseModel]) -> dict[KeyPath, KeyPath]:
    """The missing key that an unknown one beside it was meant to be, by the unknown one."""
    missing = {path for path, item in items if item["type"] == "missing"}
    meant: dict[KeyPath, KeyPath] = {}
    for path, item in items:
        close = _closest(str(item["loc"][-1]), _keys(model, item["loc"][:-1])) if _is_unknown(item) else None
        if close is not None and (*path[:-1], close) in missing:
            meant[path] = (*path[:-1], close)
    return meant


def _is_unknown(item: Mapping[str, Any]) -> bool:
    return bool(item["type"] == "extra_forbidden")


def _words(item: Mapping[str, Any], model: type[BaseModel]) -> tuple[str, str | None, KeyPath]:
    kind, context = item["type"], item.get("ctx", {})
    if _is_unknown(item):
        return "unknown key", nearest(str(item["loc"][-1]), _keys(model, item["loc"][:-1])), ()
    if kind == "value_error" and isinstance(context.get("error"), Wrong):
        wrong = context["error"]
        return str(wrong), wrong.remedy, wrong.key
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"must be {PATTERN_WORDS[pattern]}" if pattern in PATTERN_WORDS else f"must match {pattern}", None, ()
    if kind == "literal_error":
        return "is not a value it can have", _choice(str(item["input"]), context["expected"]), ()
    if kind == "too_short":
        return "must not be empty", f"give at least {context['min_length']}, or remove the key", ()
    if kind in _BOUNDS:
        form, bound = _BOUNDS[kind]
        return form.format(context[bound]), None, ()
    if kind in _WORDS:
        text, remedy = _WORDS[kind]
        return text, remedy, ()
    message = str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return message[:1].lower() + message[1:], None, ()


def _file_path(loc: tuple[int | str, ...], kind: str, document: Document, below: KeyPath) -> KeyPath:
    """pydantic adds union branches and ``[key]`` to a location; keep only the parts that stand in the file, and the name
    of a missing key."""
    path = below
    for index, part in enumerate(loc):
        if (*path, part) in document.lines or (kind == "missing" and index == len(loc) - 1):
            path = (*path, part)
    return path


def _choice(text: str, expected: str) -> str:
    """What to write where the allowed values are given: the nearest, and which there are. `expected` is pydantic's list of
    them, such as ``'a', 'b' or 'c'``; the text itself is not repeated, as it may be a secret in the wrong place."""
    names = [name.strip("'").replace("True", "true") for name in re.split(r", | or ", expected)]
    listed = expected.replace("'", "").replace("True", "true")
    if len(names) == 1 or not text.isascii() or not re.search("[A-Za-z]", text):  # of signs none is near another
        return f"write {listed}"
    close = _closest(text, names) or next((name for name in names if text.lower() in re.split("[_-]", name)), None)
    return f"write {close} (it can be {listed})" if close else f"write {listed}"


def nearest(key: str, known: list[str]) -> str:
    """What to do about an unknown key where `known` are the ones that exist."""
    close = _closest(key, known)
    if close is not None:
        return f"write {close}, or remove it"
    if 0 < len(known) <= 8:
        return f"remove it; known here: {', '.join(known)}"
    return "remove it or correct its name"


def _closest(key: str, known: list[str]) -> str | None:
    return close_name(key.replace("-", "_"), known)


def _keys(model: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    """The keys that the model at `loc` below `model` has."""
    kinds: list[Any] = [model]
    for part in loc:
        following: list[Any] = []
        for annotation in _flat(kinds):
            if _is_model(annotation):
                following += [f.annotation for name, f in annotation.model_fields.items() if (f.alias or name) == part]
            elif get_origin(annotation) is dict:
                following.append(get_args(annotation)[1])
            elif get_origin(annotation) is tuple:
                following.append(get_args(annotation)[0])
        # A part that leads nowhere is the name of a union branch.
        kinds = following or kinds
    return sorted(
        {
            field.alias or name
            for annotation in _flat(kinds)
            if _is_model(annotation)
            for name, field in annotation.model_fields.items()
        }
    )


def _flat(kinds: list[Any]) -> list[Any]:
    result: list[Any] = []
    for kind in kinds:
        origin = get_origin(kind)
        if origin is Annotated:
            result += _flat([get_args(kind)[0]])
        elif origin in (Union, types.UnionType):
            result += _flat(list(get_args(kind)))
        else:
            result.append(kind)
    return result


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
