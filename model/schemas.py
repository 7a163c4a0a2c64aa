"""Compiles JSON Schemas that others wrote into checks that are safe to run on every call.

A check uses no network, no backtracking expression and a bounded number of steps, and its message quotes no value. Pinned
input schemas are compiled here, whose author may be hostile, and the argument constraints of grants, whose author must not
be able to write one that silently does nothing.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import referencing
import referencing.exceptions
from jsonschema import FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError, ValidationError  # type: ignore[import-untyped]
from referencing.jsonschema import UnknownDialect, specification_with

from model.canonical import canonical_json
from model.difference import short_json
from model.plain_schemas import fits_at_once
from model.schema_keywords import (
    DIALECTS,
    ENFORCED_FORMATS,
    NEEDS,
    PLAIN_ANNOTATIONS,
    REF_STANDS_ALONE,
    Budget,
    Exhausted,
)
from model.schema_words import in_words
from model.text import visible

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
#: Values in one call's arguments. A megabyte can hold half a million, which take seconds to check one by one.
MAX_VALUES = 50_000

#: Empty, so that no reference leaves the document: not for the network, nor for the drafts' own metaschemas.
_NOTHING: referencing.Registry[Any] = referencing.Registry()
_NOWHERE = "a reference in it leads out of it or nowhere, and none is ever fetched"
#: Drafts by their identifiers without the scheme.
_DIALECT_NAMES = {dialect.partition("://")[2]: dialect for dialect in DIALECTS}
#: Keywords below which a schema that allows more makes the whole one refuse more, or judge by another branch.
_INVERTING = ("not", "if", "oneOf", "contains")

Checker = Callable[[Any], str | None]


class Unenforceable(ValueError):
    """A schema cannot be enforced: `problem` says why, `pointer` (RFC 6901) where in it; empty is the schema as a whole."""

    def __init__(self, problem: str, pointer: str = "") -> None:
        self.problem = problem
        self.pointer = pointer
        super().__init__(f"{problem} (at {visible(pointer)})" if pointer else problem)


def compile_schema(schema: Any, *, strict: bool = False, left_to_server: Collection[str] = ()) -> Checker:
    """A function from arguments to None, or to a short text that names the place and the keyword they break.

    Args:
        schema: an object or a boolean; `$schema` picks the draft (04, 06, 07, 2019-09, 2020-12), 2020-12 without it.
        strict: refuse what would not be enforced as well: unknown keywords, and formats nobody checks here. Without it
            `format` is an annotation, as the specification has it.
        left_to_server: pointers of patterns that `patterns_left_to_server` answers and a reviewer saw. They are not
            enforced; every other pattern that cannot be is an error.

    Raises:
        Unenforceable: not a schema, too large or deep, a reference out of the document (never fetched: MCP, "JSON Schema
            usage") or to nothing, or a pattern that cannot be matched in linear time.
    """
    return _compile(schema, strict, left_to_server)[0]


def patterns_left_to_server(schema: Any) -> tuple[str, ...]:
    """Pointers of the patterns in a schema that cannot be matched in linear time, where leaving them to the server alone
    allows more and refuses nothing else: not below `not`, `if`, `oneOf` or `contains`.

    Raises:
        Unenforceable: anything else in the schema keeps it from being compiled.
    """
    return _compile(schema, False, None)[1]


def _compile(schema: Any, strict: bool, skippable: Collection[str] | None) -> tuple[Checker, tuple[str, ...]]:
    """The checker, and the patterns it leaves out: those of `skippable`, or all that may be where that is None."""
    if not isinstance(schema, dict | bool):
        raise Unenforceable("a schema is an object or a boolean")
    _bounded(schema)
    schema = copy.deepcopy(schema)
    dialect = _dialect(schema)
    validator_class = DIALECTS[dialect]
    places = _Places(schema)
    try:
        # Without a format checker: Python's own `re` would judge ECMA expressions.
        validator_class.check_schema(schema, format_checker=None)
        preparation = _Preparation(dialect, places, strict, skippable)
        preparation.run(schema)
    except SchemaError as error:
        name = dialect.removesuffix("/schema").rpartition("/")[2]
        problem = f"JSON Schema {name} does not allow {short_json(error.instance)} there"
        raise Unenforceable(problem, pointer(error.absolute_path)) from None
    except UnknownDialect:
        raise Unenforceable("a $schema in it is no draft that can be enforced here") from None
    except referencing.exceptions.Unresolvable:
        raise Unenforceable(_NOWHERE) from None
    except RecursionError:
        raise Unenforceable("it is nested too deep") from None
    formats = FormatChecker(ENFORCED_FORMATS) if strict else None
    validator = validator_class(schema, registry=_NOTHING, format_checker=formats)
    return _checker(validator, schema, frozenset(preparation.names)), tuple(sorted(preparation.left_out))


def _dialect(schema: Any) -> str:
    """The draft that the schema is written for; its `$schema` is written as that draft's own metaschema has it.

    Servers write http for https, and the empty fragment or none. Either can mean one draft alone.
    """
    if not isinstance(schema, dict) or "$schema" not in schema:
        return DEFAULT_DIALECT
    dialect = known_dialect(schema["$schema"])
    if dialect is None:
        raise Unenforceable("its $schema is no draft that can be enforced here", "/$schema")
    schema["$schema"] = dialect
    return dialect


def known_dialect(written: Any) -> str | None:
    """The metaschema's identifier for any of its spellings; None for what is no draft of `DIALECTS`."""
    if not isinstance(written, str):
        return None
    return _DIALECT_NAMES.get(re.sub(r"^https?://", "", written.strip()).rstrip("#"))


def _bounded(schema: Any) -> None:
    try:
        size = len(canonical_json(schema))
    except ValueError as error:
        raise Unenforceable(str(error)) from None
    if size > MAX_BYTES:
        raise Unenforceable(f"it is larger than {MAX_BYTES // 1024} KiB")
    level: list[Any] = [schema]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise Unenforceable(f"it is nested deeper than {MAX_DEPTH} levels")


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def pointer(path: Iterable[Any]) -> str:
    """The JSON pointer (RFC 6901) of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


class _Places:
    """Pointers of the objects in a schema, found by their identity when the first is asked for."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._pointers: dict[int, str] = {}

    def of(self, contents: Any, *further: str) -> str:
        if not self._pointers:
            pending = [(self._schema, "")]
            while pending:
                value, place = pending.pop()
                self._pointers[id(value)] = place
                children = value.items() if isinstance(value, dict) else enumerate(value)
                pending += [
                    (child, place + pointer([key])) for key, child in children if isinstance(child, dict | list)
                ]
        return self._pointers.get(id(contents), "") + pointer(further)


class _Preparation:
    """Resolves every reference and tries every pattern of a schema.

    `names` are the property names that the schema itself speaks. `$schema` is removed throughout: jsonschema would change
    to its own class there, and to its own regular expressions.
    """

    def __init__(self, dialect: str, places: _Places, strict: bool, skippable: Collection[str] | None) -> None:
        self.names: set[str] = set()
        self.left_out: set[str] = set()
        self._dialect = dialect
        self._class = DIALECTS[dialect]
        self._places = places
        self._strict = strict
        self._skippable = skippable

    def run(self, schema: Any) -> None:
        specification = specification_with(self._dialect)
        root = specification.create_resource(schema)
        registry = _NOTHING.with_resource("", root).crawl()
        keywords: set[str] = set()
        visited: set[tuple[int, bool]] = set()
        # Patterns are tried when everything is visited: one that is left out is still met below `not` or `if`.
        patterns: dict[int, tuple[dict[str, Any], bool]] = {}
        pending = [(root, registry.resolver(root.id() or ""), False)]
        while pending:
            resource, resolver, inverted = pending.pop()
            contents = resource.contents
            if not isinstance(contents, dict) or (id(contents), inverted) in visited:
                continue
            visited.add((id(contents), inverted))
            below = {id(child) for keyword in _INVERTING for child in _listed(contents.get(keyword))}
            pending += [
                (sub, resolver.in_subresource(sub), inverted or id(sub.contents) in below)
                for sub in resource.subresources()
            ]
            for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
                target = contents.get(keyword)
                if isinstance(target, str):
                    resolved = self._resolved(resolver, target, contents, keyword)
                    pending.append((specification.create_resource(resolved.contents), resolved.resolver, inverted))
            if id(contents) not in patterns:
                self._inspect(contents)
                self.names |= _names(contents)
                keywords |= contents.keys()
            patterns[id(contents)] = contents, inverted or patterns.get(id(contents), (contents, False))[1]
        if {"patternProperties", "unevaluatedProperties"} <= keywords:
            # Wherever it stands: jsonschema matches patterns with Python's `re` when it looks for what is unevaluated.
            raise Unenforceable(
                "unevaluatedProperties together with patternProperties cannot be enforced in linear time"
            )
        for contents, inverted in patterns.values():
            self._try_patterns(contents, inverted)

    def _resolved(self, resolver: Any, target: str, contents: Any, keyword: str) -> Any:
        try:
            resolved = resolver.lookup(target)
        except referencing.exceptions.Unresolvable:
            raise Unenforceable(_NOWHERE, self._places.of(contents, keyword)) from None
        if not isinstance(resolved.contents, dict | bool):
            raise Unenforceable(
                "a reference in it leads to something that is no schema", self._places.of(contents, keyword)
            )
        return resolved

    def _inspect(self, contents: dict[str, Any]) -> None:
        if known_dialect(contents.pop("$schema", self._dialect)) != self._dialect:
            raise Unenforceable("it mixes two drafts", self._places.of(contents, "$schema"))
        if not self._strict:
            return
        unknown = sorted(contents.keys() - self._class.VALIDATORS.keys() - PLAIN_ANNOTATIONS)
        if "$ref" in contents and self._dialect in REF_STANDS_ALONE:
            unknown = sorted(contents.keys() - PLAIN_ANNOTATIONS - {"$ref"})
        if unknown:
            raise Unenforceable(f"{unknown[0]} is no keyword that would be enforced")
        for keyword, needed in NEEDS.items():
            if keyword in contents and needed not in contents:
                raise Unenforceable(f"{keyword} is not enforced without {needed}")
        if contents.get("format", ENFORCED_FORMATS[0]) not in ENFORCED_FORMATS:
            raise Unenforceable(f"a format that is not enforced here; these are: {', '.join(ENFORCED_FORMATS)}")

    def _try_patterns(self, contents: dict[str, Any], inverted: bool) -> None:
        by_name = contents.get("patternProperties")
        for pattern in by_name if isinstance(by_name, dict) else ():
            try:
                self._class.compile_pattern(pattern)
            except ValueError as error:
                raise Unenforceable(str(error), self._places.of(contents, "patternProperties")) from None
        if not isinstance(contents.get("pattern"), str):
            return
        try:
            self._class.compile_pattern(contents["pattern"])
        except ValueError as error:
            place = self._places.of(contents, "pattern")
            if inverted or self._strict or not (self._skippable is None or place in self._skippable):
                raise Unenforceable(str(error), place) from None
            del contents["pattern"]
            self.left_out.add(place)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _names(contents: dict[str, Any]) -> set[str]:
    properties, required = contents.get("properties"), contents.get("required")
    names = set(properties) if isinstance(properties, dict) else set()
    return names | {item for item in required if isinstance(item, str)} if isinstance(required, list) else names


def _checker(validator: Any, schema: Any, names: frozenset[str]) -> Checker:
    fits = fits_at_once(schema)

    def check(arguments: Any) -> str | None:
        if fits(arguments):
            return None
        Budget.remaining = Budget.PER_CHECK
        try:
            _countable(arguments)
            error = next(iter(validator.iter_errors(arguments)), None)
        except Exhausted:
            return "takes too many steps to check"
        except (RecursionError, referencing.exceptions.Unresolvable, ValueError, ArithmeticError):
            return "the schema cannot be applied"
        return None if error is None else _describe(error, names)

    return check


def _countable(arguments: Any) -> None:
    pending, count = [arguments], 0
    while pending:
        value = pending.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > MAX_VALUES:
                raise Exhausted
            pending += value.values() if isinstance(value, dict) else value


def _describe(error: ValidationError, names: frozenset[str]) -> str:
    """``/pointer: what is wrong``. Names the schema does not speak are the caller's data and appear as ``*``."""
    parts = [str(part) if isinstance(part, int) or part in names else "*" for part in error.absolute_path]
    place = pointer(parts[:8]) or "/"
    if error.validator == "required" and isinstance(error.validator_value, list) and isinstance(error.instance, dict):
        missing = next((name for name in error.validator_value if name not in error.instance), None)
        return f"{place}: lacks {missing}"
    return f"{place}: {in_words(error)}"
