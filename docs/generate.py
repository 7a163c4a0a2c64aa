"""Writes docs/reference/cli.md from the commands' own help and the pages of files from the models: `make docs`.

A test compares them with what is checked in, so that no command, option or key is undocumented or out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

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


class Page(NamedTuple):
    """A page of the reference of files: its head, the formats it describes, and the example it shows whole."""

    head: str
    formats: tuple[str, ...]
    example: str | None = None


#: File below docs/reference -> the page. A type that an earlier page or section describes is linked, not repeated.
PAGES = {
    "environment.md": Page(
        """\
# Environment file

`Pulumi.ENV.yaml` describes one environment: its Cloudflare account, its hosts, its gateway, and the people and agents
that its servers may name. Below is a whole production file first, then every key.
""",
        ("environment",),
        "Pulumi.prod.yaml",
    ),
    "server.md": Page(
        """\
# Server file

`Pulumi.ENV.SERVER.yaml` describes one MCP server: where it listens, who may reach it, and who may call which tool.
`ringwall onboard` writes it. Below is a whole production file first, then every key.
""",
        ("server",),
        "Pulumi.prod.tickets.yaml",
    ),
    "zone.md": Page(
        """\
# Zone file

`Pulumi.zone.NAME.yaml` blocks countries in a zone's firewall. It is optional. The firewall decides before any sign-in, so
it also covers service tokens and OAuth endpoints. Below is a whole file first, then every key.
""",
        ("zone",),
        "Pulumi.zone.example.yaml",
    ),
    "access-tests.md": Page(
        """\
# Access tests

`tests/NAME.access.yaml` in your project says who may use what, and who may never. `ringwall test` proves it from the
files, in your pull requests too. Below is a whole file first, then every key.
""",
        ("access-test",),
        "../../access/tickets.access.yaml",
    ),
    "formats.md": Page(
        """\
# Formats for machines

`ringwall onboard` and `ringwall lock approve` write the tool lock. `ringwall up` and `ringwall guard bundle` write the other
three. People read them in reviews; of the tool lock a reviewer edits a few keys ([tool changes](../howto/tool-changes.md)).
""",
        ("tool-lock", "guard-config", "guard-bundle", "host-bundle"),
    ),
}
TITLES = {
    "tool-lock": "Tool lock: `ENV.SERVER.lock.yaml`",
    "guard-config": "Guard configuration: output `guard_config` of a server",
    "guard-bundle": "Guard bundle: the signed, numbered guard configuration",
    "host-bundle": "Host bundle: output `host_bundle` of a server",
}
MADE = "Made by `make docs` from the models. `ringwall schema FORMAT` prints the same as JSON Schema.\n"
EXAMPLES = DOCS.parent / "examples" / "production" / "stacks"


class FileReference:
    """Every key of every format: type, default, meaning. Each type is described once, where it is met first."""

    def __init__(self) -> None:
        self.homes: dict[str, str] = {}

    def pages(self) -> dict[str, str]:
        """Each page by the name of its file."""
        return {name: self._page(name, page) for name, page in PAGES.items()}

    def _page(self, name: str, page: Page) -> str:
        lines = [page.head, MADE]
        if page.example:
            text = (EXAMPLES / page.example).read_text(encoding="utf-8").rstrip()
            lines += ["## Example", "", f"`{Path(page.example).name}`:", "", "```yaml", text, "```", ""]
        for word in page.formats:
            title = TITLES.get(word, "Keys")
            lines += [f"## {title}", "", *self._format(name, word, alone=len(page.formats) == 1)]
        return "\n".join(lines)

    def _format(self, page: str, word: str, alone: bool) -> list[str]:
        from model.schema import json_schema

        schema = json_schema(word)
        definitions = schema.get("$defs", {})
        waiting = list(_references(schema.get("properties", {})))
        links: dict[str, str] = {}
        shown: list[str] = []
        while waiting:
            reference = waiting.pop(0)
            if reference in links:
                continue
            definition = definitions[reference]
            waiting += _references(definition)
            links[reference] = ""
            if "properties" in definition:
                heading = reference if alone else f"{word}: {reference}"
                identity = json.dumps([reference, definition], sort_keys=True)
                if identity not in self.homes:
                    shown.append(reference)
                    self.homes[identity] = f"{page}#{heading.lower().replace(': ', '-')}"
                links[reference] = self.homes[identity].removeprefix(page)
        lines = _section(schema, definitions, links)
        for reference in shown:
            heading = f"## {reference}" if alone else f"### {word}: {reference}"
            lines += [heading, "", *_section(definitions[reference], definitions, links)]
        return lines


def _section(schema: dict[str, Any], definitions: dict[str, Any], links: dict[str, str]) -> list[str]:
    lines = []
    if text := schema.get("description"):
        lines += [_escaped(" ".join(text.split())), ""]
    required = set(schema.get("required", []))
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in schema.get("properties", {}).items():
        default = "required" if key in required else _default(value.get("default"))
        meaning = value.get("description") or _meaning(value, definitions)
        cells = _escaped(_type(value, links)), _escaped(default), _escaped(" ".join(meaning.split()))
        lines.append(f"| `{key}` | {' | '.join(cells)} |")
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


def _type(value: dict[str, Any], links: dict[str, str]) -> str:
    if "$ref" in value:
        name = str(value["$ref"]).rsplit("/", 1)[-1]
        return f"[{name}]({links[name]})" if links.get(name) else name
    if "enum" in value:
        return " or ".join(f"`{item}`" for item in value["enum"])
    if "const" in value:
        return f"`{value['const']}`"
    if alternatives := value.get("anyOf", value.get("oneOf")):
        return " or ".join(_type(item, links) for item in alternatives if item.get("type") != "null")
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}), links)}"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"map to {_type(value['additionalProperties'], links)}"
    if isinstance(value.get("patternProperties"), dict):
        return "map to " + _type(next(iter(value["patternProperties"].values())), links)
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
    """Text for a cell of a table: in code a < is itself, elsewhere it would begin a tag."""
    parts = text.replace("|", "\\|").replace("\n", " ").split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def pages() -> dict[str, str]:
    """Each page by the name of its file below docs/reference."""
    return {"cli.md": cli_reference(), **FileReference().pages()}


def main(check: bool) -> int:
    stale = 0
    for name, text in pages().items():
        file = DOCS / "reference" / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            stale += 1
            print(f"{file.name}: {'out of date, run `make docs`' if check else 'written'}")
            if not check:
                file.write_text(text, encoding="utf-8")
    return stale if check else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
