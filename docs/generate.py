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
#: An example of each command; a test parses them.
COMMAND_EXAMPLES = {
    "demo": "ringwall demo",
    "scan": "ringwall scan",
    "init": "ringwall init dev --project ~/mcp --account-id 00000000000000000000000000000001 --zone example.com"
    " --zone-id 00000000000000000000000000000002 --team example --country SE --host dev-1",
    "onboard": "ringwall onboard tickets --env dev --url http://127.0.0.1:3000/mcp --people you@example.com",
    "adopt": "ringwall adopt dev desk --hostname desk.example.com --dry-run",
    "model add": "ringwall model add dev.models --model small=openai/gpt-4o-mini --credential '{vault://env/openai-key}'"
    " --grant small --people you@example.com",
    "model list": "ringwall model list dev",
    "clients": "ringwall clients dev.tickets cursor --link",
    "local": "ringwall local dev.tickets -- python tickets.py",
    "list": "ringwall list",
    "plan": "ringwall plan dev.tickets",
    "check": "ringwall check",
    "explain": "ringwall explain dev.tickets get_ticket '{\"ticket_id\": 1}' --as person:ada@example.com --country SE",
    "who": "ringwall who dev.tickets create_ticket",
    "test": "ringwall test",
    "diff": "ringwall diff origin/main --merge-base",
    "comment": "ringwall comment --pr 12 --from ringwall-diff --repo example/perimeters --dry-run",
    "editions": "ringwall editions dev",
    "lock diff": "ringwall lock diff dev.tickets",
    "lock approve": "ringwall lock approve dev.tickets --accept search_docs:poisoning.loot",
    "doctor": "ringwall doctor dev",
    "preview": "ringwall preview dev --refresh",
    "up": "ringwall up dev",
    "status": "ringwall status dev",
    "outputs": "ringwall outputs dev.tickets host_bundle",
    "refresh": "ringwall refresh dev",
    "cancel": "ringwall cancel dev.tickets",
    "repair": "ringwall repair dev.tickets --dry-run",
    "import": "ringwall import dev.tickets tunnel f70ff985-a4ef-4643-bbbc-4a0ed4fc8415",
    "hosted refresh": "ringwall hosted refresh --check",
    "destroy": "ringwall destroy dev --servers",
    "offboard": "ringwall offboard dev.tickets",
    "host render": "ringwall host render dev --offline --output hosts",
    "host check": "ringwall host check hosts --offline",
    "guard run": "ringwall guard run --config guard.bundle.json --public-key guard-signing.pub --server dev.tickets",
    "guard keygen": "ringwall guard keygen --output ~/ringwall-keys",
    "guard bundle": "ringwall guard bundle dev.tickets --key ~/ringwall-keys/guard-signing.key",
    "guard verify": "ringwall guard verify dev.tickets.guard.bundle.json --public-key guard-signing.pub",
    "guard identity": "ringwall guard identity --state /var/lib/ringwall/dev.tickets",
    "audit show": "ringwall audit show dev.tickets --incident 9a4c05fa4d8d882d",
    "audit tail": "ringwall audit tail dev.tickets --follow",
    "audit verify": "ringwall audit verify dev.tickets --anchors heads.jsonl",
    "audit export": "ringwall audit export dev.tickets --to syslog+tls://siem.example.com --position ~/tickets.position",
    "gateway export": "ringwall gateway export dev -o kong.yaml",
    "keys sync": "ringwall keys sync dev --watch",
    "agents show": "ringwall agents show dev ci",
    "agents rotate": "ringwall agents rotate dev ci --grace 24h",
    "verify": "ringwall verify dev.tickets --strict",
    "drift": "ringwall drift dev",
    "lockdown": 'ringwall lockdown dev.tickets --reason "Suspicious calls. Ada" --key ~/ringwall-keys/guard-signing.key',
    "revoke": 'ringwall revoke person:ada@example.com --env dev --reason "Laptop stolen. Ada"'
    " --key ~/ringwall-keys/guard-signing.key",
    "engine install": "ringwall engine install --plugins",
    "engine addons": "ringwall engine addons ~/.ringwall",
    "engine status": "ringwall engine status",
    "schema": "ringwall schema server",
    "migrate": "ringwall migrate --check",
    "help": "ringwall help guard bundle",
    "version": "ringwall version",
}


def cli_reference() -> str:
    """Every command with its help, at a fixed width, and an example, in the groups of `ringwall --help`."""
    from typer.main import get_command

    from cli import commands, main, root_commands
    from cli.presentation import GROUPS

    root: Any = get_command(main.app)
    context = _context(root, "ringwall", None)
    lines = ["# Command line", "", "Made by `make docs` from the commands themselves.", "", *_help(context)]
    grouped = {name for members in GROUPS.values() for name in members}
    rest = tuple(name for name in commands.COMMANDS if name not in grouped)
    for title, members in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in members + (rest if title == list(GROUPS)[-1] else ()):
            for child in _walk(_context(root_commands.load(name), name, context)):
                lines += [f"### {child.command_path}", "", *_help(child)]
                if example := COMMAND_EXAMPLES.get(child.command_path.removeprefix("ringwall ")):
                    lines += ["```console", f"$ {example}", "```", ""]
    return "\n".join(lines)


def _context(command: Any, name: str, parent: Any) -> Any:
    return command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=100, max_content_width=100
    )


def _help(context: Any) -> list[str]:
    return ["```", context.get_help().rstrip(), "```", ""]


def _walk(context: Any) -> Iterator[Any]:
    yield context
    for name, child in sorted(getattr(context.command, "commands", {}).items()):
        yield from _walk(_context(child, name, context))


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
    "model.md": Page(
        """\
# Model route file

`Pulumi.ENV.NAME.yaml` with `ringwall:model` describes one model route: an OpenAI-compatible endpoint, the models behind it,
who may use which of them, and for how much. `ringwall model add` writes it ([how to](../howto/model-route.md)). An
environment's `defaults` are for servers: a model route takes the environment's countries alone. First a whole
production file, then every key.
""",
        ("model",),
        "Pulumi.prod.models.yaml",
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

`ringwall onboard` and `ringwall lock approve` write the tool lock. `ringwall up` and `ringwall guard bundle` write the
others. People read them in reviews; of the tool lock a reviewer edits a few keys ([tool changes](../howto/tool-changes.md)).
""",
        ("tool-lock", "guard-config", "model-guard-config", "guard-bundle", "host-bundle"),
    ),
    "engine-contract.md": Page(
        """\
# Contract of an engine of your own

The guard asks an engine of yours by one HTTP request for each piece of a message, and reads one answer.
[Engines of your own](../howto/own-engine.md) shows how to build one. `verdict-request.schema.json` and
`verdict-answer.schema.json` beside this page hold the contract as JSON Schema.
""",
        ("verdict-request", "verdict-answer"),
    ),
}
TITLES = {
    "tool-lock": "Tool lock: `ENV.SERVER.lock.yaml`",
    "guard-config": "Guard configuration: output `guard_config` of a server",
    "model-guard-config": "Guard configuration of a model route",
    "guard-bundle": "Guard bundle: the signed, numbered guard configuration",
    "host-bundle": "Host bundle: output `host_bundle` of a server",
    "verdict-request": "Request: what the guard sends",
    "verdict-answer": "Answer: what your engine returns",
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


def contract_schemas() -> dict[str, str]:
    """The contract with engines of the user's own, for programs that read JSON Schema."""
    from model.schema import json_schema

    names = ("verdict-request", "verdict-answer")
    return {f"{name}.schema.json": json.dumps(json_schema(name), indent=2) + "\n" for name in names}


def pages() -> dict[str, str]:
    """Each page and schema by the name of its file below docs/reference."""
    return {"cli.md": cli_reference(), **FileReference().pages(), **contract_schemas()}


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
