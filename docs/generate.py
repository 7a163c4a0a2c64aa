"""Writes docs/cli.md from the commands' own help and docs/files.md from the models: `make docs`.

A test compares both with what is checked in, so that no command, option or key is undocumented or out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent


def cli_reference() -> str:
    """Every command with its help, at a fixed width."""
    from typer.main import get_command

    from cli import commands, main

    root: Any = get_command(main.app)
    root.commands = {name: commands.load(name) for name in commands.COMMANDS}
    lines = ["# Command line", "", "Made by `make docs` from the commands themselves.", ""]
    for path, command in _walk(root, ("ringwall",)):
        context = command.make_context(
            " ".join(path), [], resilient_parsing=True, terminal_width=100, max_content_width=100
        )
        lines += [f"## {' '.join(path)}", "", "```", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(lines)


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, child in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(child, (*path, name))


TITLES = {
    "environment": "Environment: `ringwall:environment` of `Pulumi.<env>.yaml`",
    "server": "Server: `ringwall:server` of `Pulumi.<env>.<server>.yaml`",
    "zone": "Zone: `ringwall:zone` of `Pulumi.zone.<name>.yaml`",
    "tool-lock": "Tool lock: `<env>.<server>.lock.yaml`",
    "guard-config": "Guard configuration: output `guard_config` of a server",
    "guard-bundle": "Guard bundle: the signed, numbered guard configuration",
    "host-bundle": "Host bundle: output `host_bundle` of a server",
    "access-test": "Access tests: `tests/NAME.access.yaml`",
}


def files_reference() -> str:
    """Every key of every format: type, default, meaning."""
    from model.schema import FORMATS, json_schema

    lines = [
        "# Files",
        "",
        "Made by `make docs` from the models. `ringwall schema` prints the same as JSON Schema.",
        "",
    ]
    for name in FORMATS:
        schema = json_schema(name)
        lines += [f"## {TITLES[name]}", ""]
        definitions = schema.get("$defs", {})
        lines += _section(schema, definitions)
        shown: set[str] = set()
        waiting = list(_references(schema.get("properties", {})))
        while waiting:
            reference = waiting.pop(0)
            if reference in shown:
                continue
            shown.add(reference)
            definition = definitions[reference]
            if "properties" in definition:
                lines += [f"### {name}: {reference}", "", *_section(definition, definitions)]
            waiting += _references(definition)
    return "\n".join(lines)


def _section(schema: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    lines = []
    if text := schema.get("description"):
        lines += [" ".join(text.split()), ""]
    required = set(schema.get("required", []))
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in schema.get("properties", {}).items():
        default = "required" if key in required else _default(value.get("default"))
        meaning = value.get("description") or _meaning(value, definitions)
        lines.append(
            f"| `{key}` | {_escaped(_type(value))} | {_escaped(default)} | {_escaped(' '.join(meaning.split()))} |"
        )
    return [*lines, ""]


def _meaning(value: dict[str, Any], definitions: dict[str, Any]) -> str:
    for reference in _references(value):
        text = str(definitions[reference].get("description", ""))
        return text.split("\n\n")[0]
    return ""


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rsplit("/", 1)[-1]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return str(value["$ref"]).rsplit("/", 1)[-1]
    if "enum" in value:
        return " or ".join(f"`{item}`" for item in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if alternatives := value.get("anyOf", value.get("oneOf")):
        return " or ".join(_type(item) for item in alternatives if item.get("type") != "null")
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}))}"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"map to {_type(value['additionalProperties'])}"
    if isinstance(value.get("patternProperties"), dict):
        return "map to " + _type(next(iter(value["patternProperties"].values())))
    words = {
        "string": "text",
        "integer": "whole number",
        "boolean": "true or false",
        "object": "mapping",
        "number": "number",
    }
    return words.get(str(value.get("type")), "any")


def _default(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return "none"
    if isinstance(value, dict):
        return "see there"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def main(check: bool) -> int:
    stale = 0
    for name, text in (("cli.md", cli_reference()), ("files.md", files_reference())):
        file = DOCS / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale += 1
            print(f"{file.name}: {'out of date, run `make docs`' if check else 'written'}")
            if not check:
                file.write_text(text, encoding="utf-8")
    return stale if check else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
