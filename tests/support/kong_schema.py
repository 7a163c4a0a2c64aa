"""Judge a value by Kong's own schema format (what `GET /schemas/...` answers on 3.9.3).

Knows every keyword the vendored-beside schemas use and fails on one it does not, so that nothing goes unjudged.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2].parent / "shared" / "kong-schemas" / "oss-3.9.3"

Schema = dict[str, Any]

_ANNOTATIONS = {
    "abstract", "auto", "default", "deprecation", "description", "encrypted", "err", "on_delete", "reference",
    "referenceable", "required", "shorthand_fields", "timestamp", "type", "unique", "entity_checks", "fields",
    "elements", "keys", "values",
}  # fmt: skip
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "set": (list,),
    "map": (dict,),
    "record": (dict,),
    "foreign": (dict,),
}


def load(kind: str, name: str) -> Schema:
    """Schema of a plugin (`plugins`) or an entity (`entities`); skips where the reference data is absent."""
    file = ROOT / kind / f"{name}.json"
    if not ROOT.is_dir():
        pytest.skip("../shared is not here: Kong's schemas not checked")
    schema: Schema = json.loads(file.read_text(encoding="utf-8"))
    return schema


def config_schema(name: str) -> Schema:
    """The `config` record of a plugin."""
    return fields(load("plugins", name))["config"]


def fields(schema: Schema) -> dict[str, Schema]:
    return {key: value for one in schema["fields"] for key, value in one.items()}


def plugin_problems(name: str, config: dict[str, Any]) -> list[str]:
    """What Kong would refuse about a plugin's config."""
    schema = load("plugins", name)
    found = judge(fields(schema)["config"], config, "config")
    return found + _entity_checks(schema.get("entity_checks", []), {"config": config}, name)


def entity_problems(name: str, entity: dict[str, Any]) -> list[str]:
    """What Kong would refuse about a route, service, upstream or target. Absent fields take their defaults."""
    schema = load("entities", name)
    known = fields(schema)
    filled = {key: one["default"] for key, one in known.items() if one.get("default") is not None} | entity
    present = {key: value for key, value in filled.items() if key in known or key in entity}
    required = {key: one for key, one in known.items() if not one.get("auto")}
    return judge({**schema, "type": "record", "fields": [{k: v} for k, v in required.items()]}, present, name)


def judge(schema: Schema, value: Any, where: str) -> list[str]:
    """Problems of `value` and all below it; `where` names it in them."""
    if value is None:
        return [f"{where}: required"] if schema.get("required") and "default" not in schema else []
    kind = schema["type"]
    if not _is(kind, value):
        return [f"{where}: expected {kind}, not {value!r}"]
    problems = [
        f"{where}: {key} {expected!r} refuses {value!r}"
        for key, expected in schema.items()
        if key not in _ANNOTATIONS and not _holds(key, expected, value)
    ]
    if kind in ("array", "set"):
        if kind == "set" and len({json.dumps(one) for one in value}) != len(value):
            problems.append(f"{where}: repeats an element")
        for index, one in enumerate(value):
            problems += judge(schema["elements"], one, f"{where}[{index}]")
    elif kind == "map":
        for key, one in value.items():
            problems += judge(schema["keys"], key, f"{where} key")
            problems += judge(schema["values"], one, f"{where}.{key}")
    elif kind == "record":
        problems += _record(schema, value, where)
    elif kind == "foreign":
        problems += [] if set(value) == {"id"} else [f"{where}: must be a reference"]
    return problems


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def shorthands(schema: Schema) -> dict[str, Schema]:
    """Deprecated names beside a record's fields."""
    return {key: one for named in schema.get("shorthand_fields", []) for key, one in named.items()}


def _replacements(shorthand: Schema) -> list[str]:
    """Paths of the fields that took a deprecated name's place."""
    return [".".join(one["path"]) for one in shorthand.get("deprecation", {}).get("replaced_with", [])]


def answered(name: str, config: dict[str, Any]) -> dict[str, Any]:
    """What the Admin API answers once `config` was written: a deprecated name that the schema says is replaced comes
    back with the new field's value, any other one does not (kong/db/schema/init.lua, `process_auto_fields`)."""
    old_names = shorthands(config_schema(name))
    found = {key: value for key, value in config.items() if key not in old_names}
    return found | {key: _at(config, path) for key, one in old_names.items() for path in _replacements(one)}


def _record(schema: Schema, value: dict[str, Any], where: str) -> list[str]:
    known = fields(schema)
    old_names = shorthands(schema)
    problems = [f"{where}.{key}: unknown field" for key in value if key not in known and key not in old_names]
    for key, one in old_names.items():
        if value.get(key) is None:
            continue
        problems += judge(one, value[key], f"{where}.{key}")
        for path in _replacements(one):
            if _at(value, path) not in (None, value[key]):
                problems.append(f"{where}.{key}: both deprecated and new field are used but their values mismatch")
    for key, one in known.items():
        problems += judge(one, value.get(key, one.get("default")), f"{where}.{key}")
    return problems + _entity_checks(schema.get("entity_checks", []), value, where)


def _holds(key: str, expected: Any, value: Any) -> bool:
    match key:
        case "one_of":
            return bool(value in expected)
        case "not_one_of":
            return bool(value not in expected)
        case "between":
            return bool(expected[0] <= value <= expected[1])
        case "gt":
            return bool(value > expected)
        case "eq":
            return bool(value == expected)
        case "len_min":
            return bool(len(value) >= expected)
        case "len_max":
            # Lua counts the bytes of a string.
            return bool(len(value.encode() if isinstance(value, str) else value) <= expected)
        case "len_eq":
            return bool(len(value) == expected)
        case "starts_with":
            return bool(value.startswith(expected))
        case "contains":
            return bool(expected in value)
        case "match":
            return lua_match(expected, value)
        case "match_none":
            return not any(lua_match(one["pattern"], value) for one in expected)
        case "match_all":
            return all(lua_match(one["pattern"], value) for one in expected)
        case "match_any":
            return any(lua_match(one, value) for one in expected["patterns"])
        case "uuid":
            return bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value))
        case "mutually_exclusive_subsets":
            return sum(bool(set(value) & set(one)) for one in expected) <= 1
        case "elements":
            return not any(judge(expected, one, "") for one in value)
    raise NotImplementedError(f"schema keyword {key}")


def _at(entity: dict[str, Any], path: str) -> Any:
    value: Any = entity
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _entity_checks(checks: list[dict[str, Any]], entity: dict[str, Any], where: str) -> list[str]:
    problems = []
    for check in checks:
        ((key, rule),) = check.items()
        given = [path for path in rule if _at(entity, path) is not None] if isinstance(rule, list) else []
        if key == "at_least_one_of":
            holds = bool(given)
        elif key == "only_one_of":
            holds = len(given) <= 1
        elif key == "mutually_required":
            holds = len(given) in (0, len(rule))
        elif key == "conditional_at_least_one_of":
            holds = not _matches(rule["if_match"], _at(entity, rule["if_field"])) or any(
                _at(entity, path) is not None for path in rule["then_at_least_one_of"]
            )
        elif key == "distinct":
            values = [_at(entity, path) for path in given]
            holds = len(set(values)) == len(values)
        elif key == "conditional":
            holds = not _matches(rule["if_match"], _at(entity, rule["if_field"])) or _matches(
                rule["then_match"], _at(entity, rule["then_field"])
            )
        elif key == "custom_entity_check":
            continue  # a Lua function; its sources are all it says about itself
        else:
            raise NotImplementedError(f"entity check {key}")
        if not holds:
            problems.append(f"{where}: {key} {rule}")
    return problems


def _matches(rule: dict[str, Any], value: Any) -> bool:
    for key, expected in rule.items():
        if key == "required":
            if expected and value is None:
                return False
        elif key == "eq" and expected is None:
            if value is not None:
                return False
        elif key == "len_eq" and expected == 0:
            if value:
                return False
        elif value is None or not _holds(key, expected, value):
            return False
    return True


def lua_match(pattern: str, value: str) -> bool:
    """Lua's own matcher, where `string.match` finds something."""
    from lupa.luajit21 import LuaRuntime

    return bool(LuaRuntime(encoding="latin-1").eval("string.find")(value, pattern))


def referenceable(name: str) -> set[str]:
    """Paths of a plugin's config where Kong resolves `{vault://...}`; elsewhere the text stays as it is."""
    found: set[str] = set()

    def walk(schema: Schema, path: str) -> None:
        if schema.get("referenceable"):
            found.add(path)
        for key, one in fields(schema).items() if "fields" in schema else ():
            walk(one, f"{path}.{key}" if path else key)
        if "values" in schema:
            walk(schema["values"], f"{path}.*")

    walk(config_schema(name), "")
    # What is written under a deprecated name is kept, and resolved, under the new one.
    return found | {key for key, one in shorthands(config_schema(name)).items() if found & set(_replacements(one))}


def unwritten(schema: Schema, value: dict[str, Any], path: str = "") -> list[str]:
    """Fields of a record that a config leaves to Kong, nested records and maps of records included."""
    missing = []
    for key, one in fields(schema).items():
        here = f"{path}.{key}" if path else key
        if key not in value:
            missing.append(here)
        elif one["type"] == "record" and value[key] is not None:
            missing += unwritten(one, value[key], here)
        elif one["type"] == "map" and one["values"]["type"] == "record" and value[key]:
            for name, inner in value[key].items():
                missing += unwritten(one["values"], inner, f"{here}.{name}")
    return missing
