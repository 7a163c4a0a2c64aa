"""Compiles JSON Schemas that others wrote into checks that are safe to run on every call.

A check uses no network, no backtracking expression and a bounded number of steps, and its message quotes no value. Pinned
input schemas are compiled here, whose author may be hostile, and the argument constraints of grants, whose author must not
be able to write one that silently does nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import referencing
import referencing.exceptions
from jsonschema import FormatChecker  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError, ValidationError  # type: ignore[import-untyped]
from referencing.jsonschema import UnknownDialect, specification_with

from model.canonical import canonical_json
from model.schema_keywords import (
    DIALECTS,
    ENFORCED_FORMATS,
    NEEDS,
    PLAIN_ANNOTATIONS,
    REF_STANDS_ALONE,
    Budget,
    Exhausted,
)

DEFAULT_DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
#: Values in one call's arguments. A megabyte can hold half a million, which take seconds to check one by one.
MAX_VALUES = 50_000

#: Empty, so that no reference leaves the document: not for the network, nor for the drafts' own metaschemas.
_NOTHING: referencing.Registry[Any] = referencing.Registry()

Checker = Callable[[Any], str | None]


def compile_schema(schema: Any, *, strict: bool = False) -> Checker:
    """A function from arguments to None, or to a short text that names the place and the keyword they break.

    Args:
        schema: an object or a boolean; `$schema` picks the draft (04, 06, 07, 2019-09, 2020-12), 2020-12 without it.
        strict: refuse what would not be enforced as well: unknown keywords, and formats nobody checks here. Without it
            `format` is an annotation, as the specification has it.

    Raises:
        ValueError: not a schema, too large or deep, a reference out of the document (never fetched: MCP, "JSON Schema
            usage") or to nothing, or a pattern that cannot be matched in linear time.
    """
    if not isinstance(schema, dict | bool):
        raise ValueError("a schema is an object or a boolean")
    _bounded(schema)
    dialect = schema.get("$schema", DEFAULT_DIALECT) if isinstance(schema, dict) else DEFAULT_DIALECT
    if not isinstance(dialect, str) or dialect.rstrip("#") not in DIALECTS:
        raise ValueError("its $schema is no draft that can be enforced here")
    validator_class = DIALECTS[dialect.rstrip("#")]
    schema = copy.deepcopy(schema)
    try:
        # Without a format checker: Python's own `re` would judge ECMA expressions.
        validator_class.check_schema(schema, format_checker=None)
        names = _prepare(schema, dialect, validator_class, strict)
    except SchemaError as error:
        place = "".join(f"/{part}" for part in list(error.absolute_path)[:8])
        raise ValueError(f"it is not a schema at {place or '/'}: {error.validator}") from None
    except (referencing.exceptions.Unresolvable, UnknownDialect):
        raise ValueError("a reference in it leads out of it or nowhere, and none is ever fetched") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    formats = FormatChecker(ENFORCED_FORMATS) if strict else None
    return _checker(validator_class(schema, registry=_NOTHING, format_checker=formats), names)


def _bounded(schema: Any) -> None:
    if len(canonical_json(schema)) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES // 1024} KiB")
    level: list[Any] = [schema]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _prepare(schema: Any, dialect: str, validator_class: Any, strict: bool) -> frozenset[str]:
    """Resolve every reference, try every pattern, and return the property names that the schema itself speaks.

    `$schema` is removed throughout: jsonschema would change to its own class there, and to its own regular expressions.
    """
    specification = specification_with(dialect)
    root = specification.create_resource(schema)
    registry = _NOTHING.with_resource("", root).crawl()
    names: set[str] = set()
    keywords: set[str] = set()
    visited: set[int] = set()
    pending = [(root, registry.resolver(root.id() or ""))]
    while pending:
        resource, resolver = pending.pop()
        contents = resource.contents
        if not isinstance(contents, dict) or id(contents) in visited:
            continue
        visited.add(id(contents))
        pending += [(sub, resolver.in_subresource(sub)) for sub in resource.subresources()]
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            target = contents.get(keyword)
            if isinstance(target, str):
                resolved = resolver.lookup(target)
                if not isinstance(resolved.contents, dict | bool):
                    raise ValueError("a reference in it leads to something that is no schema")
                pending.append((specification.create_resource(resolved.contents), resolved.resolver))
        _inspect(contents, dialect, validator_class, strict)
        names |= _names(contents)
        keywords |= contents.keys()
    if {"patternProperties", "unevaluatedProperties"} <= keywords:
        # Wherever it stands: jsonschema matches patterns with Python's `re` when it looks for what is unevaluated.
        raise ValueError("unevaluatedProperties together with patternProperties cannot be enforced in linear time")
    return frozenset(names)


def _inspect(contents: dict[str, Any], dialect: str, validator_class: Any, strict: bool) -> None:
    if contents.pop("$schema", dialect) not in (dialect, dialect.rstrip("#"), dialect + "#"):
        raise ValueError("it mixes two drafts")
    patterns = contents.get("patternProperties")
    written = [contents["pattern"]] if isinstance(contents.get("pattern"), str) else []
    for pattern in (*written, *(patterns if isinstance(patterns, dict) else ())):
        validator_class.compile_pattern(pattern)
    if not strict:
        return
    unknown = sorted(contents.keys() - validator_class.VALIDATORS.keys() - PLAIN_ANNOTATIONS)
    if "$ref" in contents and dialect.rstrip("#") in REF_STANDS_ALONE:
        unknown = sorted(contents.keys() - PLAIN_ANNOTATIONS - {"$ref"})
    if unknown:
        raise ValueError(f"{unknown[0]} is no keyword that would be enforced")
    for keyword, needed in NEEDS.items():
        if keyword in contents and needed not in contents:
            raise ValueError(f"{keyword} is not enforced without {needed}")
    if contents.get("format", ENFORCED_FORMATS[0]) not in ENFORCED_FORMATS:
        raise ValueError(f"a format that is not enforced here; these are: {', '.join(ENFORCED_FORMATS)}")


def _names(contents: dict[str, Any]) -> set[str]:
    properties, required = contents.get("properties"), contents.get("required")
    names = set(properties) if isinstance(properties, dict) else set()
    return names | {item for item in required if isinstance(item, str)} if isinstance(required, list) else names


def _checker(validator: Any, names: frozenset[str]) -> Checker:
    def check(arguments: Any) -> str | None:
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
    """``/pointer: keyword``. Names the schema does not speak are the caller's data and appear as ``*``."""
    parts = [str(part) if isinstance(part, int) or part in names else "*" for part in error.absolute_path]
    place = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts[:8]) or "/"
    keyword = str(error.validator or "false")
    if keyword == "required" and isinstance(error.validator_value, list) and isinstance(error.instance, dict):
        missing = next((name for name in error.validator_value if name not in error.instance), None)
        return f"{place}: lacks {missing}"
    return f"{place}: breaks {keyword}"
