"""jsonschema's validators with the keywords replaced that a hostile schema or instance could make expensive."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, ClassVar

from jsonschema import (  # type: ignore[import-untyped]
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]
from jsonschema.validators import extend  # type: ignore[import-untyped]

from guard.patterns import Matcher, compile_pattern
from model.tool_lock import canonical_json

#: Formats that `jsonschema` checks without further packages and without running the value as an expression.
ENFORCED_FORMATS = ("date", "email", "ipv4", "ipv6", "uuid")
#: Keywords that only describe or name; nothing is lost when nobody enforces them.
PLAIN_ANNOTATIONS = frozenset(
    {"$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "$defs", "definitions"}
    | {"$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    # Read by the keyword beside them: `if`, `contains`.
    | {"then", "else", "minContains", "maxContains"}
)


class Exhausted(Exception):
    """A check followed more references than any honest schema needs."""


class Budget:
    """References a check may still follow. One event loop, and a check never awaits: one counter is enough.

    References that fan out (a refers to b twice, b to c twice, ...) cost 2^n steps in a schema of n lines.
    """

    PER_CHECK: ClassVar[int] = 20_000
    left: ClassVar[int] = 0


@functools.lru_cache(maxsize=4096)
def _matcher(pattern: str) -> Matcher:
    return compile_pattern(pattern)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _matcher(pattern)(instance):
        yield ValidationError("pattern")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, subschema in patterns.items():
        matches = _matcher(pattern)
        for key, value in instance.items():
            if matches(key):
                yield from validator.descend(value, subschema, path=key, schema_path=pattern)


def _additional_properties(validator: Any, additional: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    properties = schema.get("properties", {})
    matchers = [_matcher(pattern) for pattern in schema.get("patternProperties", {})]
    for key, value in instance.items():
        if key in properties or any(matches(key) for matches in matchers):
            continue
        if additional is False:
            yield ValidationError("additionalProperties")
        elif additional is not True:
            yield from validator.descend(value, additional, path=key)


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """In linear time; jsonschema compares every pair of objects."""
    if wanted and isinstance(instance, list) and len({canonical_json(item) for item in instance}) != len(instance):
        yield ValidationError("uniqueItems")


def _counted(follow: Any) -> Any:
    def reference(validator: Any, target: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        Budget.left -= 1
        if Budget.left < 0:
            raise Exhausted
        yield from follow(validator, target, instance, schema) or ()

    return reference


def _safe(base: Any) -> Any:
    own = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        if keyword in base.VALIDATORS:
            own[keyword] = _counted(base.VALIDATORS[keyword])
    safe: Any = extend(base, own)
    safe.compile_pattern = staticmethod(_matcher)
    return safe


DIALECTS: dict[str, Any] = {
    "http://json-schema.org/draft-04/schema": _safe(Draft4Validator),
    "http://json-schema.org/draft-06/schema": _safe(Draft6Validator),
    "http://json-schema.org/draft-07/schema": _safe(Draft7Validator),
    "https://json-schema.org/draft/2019-09/schema": _safe(Draft201909Validator),
    "https://json-schema.org/draft/2020-12/schema": _safe(Draft202012Validator),
}
