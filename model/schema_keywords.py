"""jsonschema's validators, with safe versions of the keywords that a hostile schema or instance could make expensive.

`model.schemas` compiles a schema with them.
"""

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

from model.canonical import canonical_json
from model.patterns import Matcher, compile_pattern

#: Formats that `jsonschema` checks without further packages and without running the value as an expression.
ENFORCED_FORMATS = ("date", "email", "ipv4", "ipv6", "uuid")
#: Keywords that only describe or name; nothing is lost when nobody enforces them.
PLAIN_ANNOTATIONS = frozenset(
    {"$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$vocabulary", "$defs", "definitions"}
    | {"$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    # Read by the keyword beside them.
    | {"then", "else", "minContains", "maxContains"}
)
#: Keywords that have no effect unless the other keyword stands beside them.
NEEDS = {"then": "if", "else": "if", "minContains": "contains", "maxContains": "contains"}
#: Drafts in which everything beside `$ref` is ignored (draft-07 core, section 8.3).
REF_STANDS_ALONE = frozenset(f"http://json-schema.org/draft-{number}/schema" for number in ("04", "06", "07"))


class Exhausted(Exception):
    """A check took more steps than any honest schema needs."""


class Budget:
    """The steps that a check may still take. A value judged by a subschema is one step; a keyword that can fan out costs
    more. One counter for the process is enough: it has one event loop, and a check never awaits.

    References that fan out (a refers to b twice, b to c twice, ...) cost 2^n steps in a schema of n lines, and so do
    `unevaluated...` keywords below one another, which judge everything beneath them once more.
    """

    PER_CHECK: ClassVar[int] = 400_000
    REFERENCE: ClassVar[int] = 20
    TYPE_QUESTION: ClassVar[int] = 5
    remaining: ClassVar[int] = 0

    @classmethod
    def spend(cls, steps: int) -> None:
        cls.remaining -= steps
        if cls.remaining < 0:
            raise Exhausted


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


def _unique_items(validator: Any, required: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`uniqueItems` in linear time; jsonschema compares every pair of objects."""
    if required and isinstance(instance, list) and len({canonical_json(item) for item in instance}) != len(instance):
        yield ValidationError("uniqueItems")


def _enum(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """`enum` by one look-up; jsonschema compares each item of a long list with each allowed value."""
    if isinstance(allowed, list) and canonical_json(instance) not in _values(allowed):
        yield ValidationError("enum")


#: Values of an enum by the identity of its list, which is kept so that the identity stays its own.
_ENUMS: dict[int, tuple[list[Any], frozenset[bytes]]] = {}


def _values(allowed: list[Any]) -> frozenset[bytes]:
    known = _ENUMS.get(id(allowed))
    if known is None:
        if len(_ENUMS) >= 4096:
            _ENUMS.clear()
        known = _ENUMS[id(allowed)] = allowed, frozenset(canonical_json(value) for value in allowed)
    return known[1]


def _counted(follow: Any) -> Any:
    def reference(validator: Any, target: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        Budget.spend(Budget.REFERENCE)
        yield from follow(validator, target, instance, schema) or ()

    return reference


def _unevaluated(judge: Any) -> Any:
    def unevaluated(validator: Any, required: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        # jsonschema looks each key or index up in a list.
        Budget.spend(len(instance) ** 2 // 200 if isinstance(instance, dict | list) else 0)
        yield from judge(validator, required, instance, schema) or ()

    return unevaluated


def _is_boolean(checker: Any, value: Any) -> bool:
    """The type check for `boolean`, counted: every step of jsonschema's search for what was evaluated begins by asking
    whether a schema is a boolean, and that search follows references that no keyword sees."""
    Budget.spend(Budget.TYPE_QUESTION)
    return isinstance(value, bool)


def _safe(base: Any) -> Any:
    keywords = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
        "enum": _enum,
    }
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        if keyword in base.VALIDATORS:
            keywords[keyword] = _counted(base.VALIDATORS[keyword])
    for keyword in ("unevaluatedItems", "unevaluatedProperties"):
        if keyword in base.VALIDATORS:
            keywords[keyword] = _unevaluated(base.VALIDATORS[keyword])
    safe: Any = extend(base, keywords, type_checker=base.TYPE_CHECKER.redefine("boolean", _is_boolean))
    judge = safe.descend

    def descend(self: Any, *args: Any, **named: Any) -> Iterator[ValidationError]:
        Budget.spend(1)
        return judge(self, *args, **named)  # type: ignore[no-any-return]

    safe.descend = descend
    safe.compile_pattern = staticmethod(_matcher)
    return safe


DIALECTS: dict[str, Any] = {
    "http://json-schema.org/draft-04/schema": _safe(Draft4Validator),
    "http://json-schema.org/draft-06/schema": _safe(Draft6Validator),
    "http://json-schema.org/draft-07/schema": _safe(Draft7Validator),
    "https://json-schema.org/draft/2019-09/schema": _safe(Draft201909Validator),
    "https://json-schema.org/draft/2020-12/schema": _safe(Draft202012Validator),
}
