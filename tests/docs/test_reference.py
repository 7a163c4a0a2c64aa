"""What is documented is what is there: every command, option and key, and every command the README shows."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_references_are_what_commands_and_models_say(generate: ModuleType) -> None:
    for name, text in generate.pages().items():
        assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == text, name


def test_every_command_has_an_example(generate: ModuleType) -> None:
    assert sorted(generate.COMMAND_EXAMPLES) == sorted(commands())


def test_every_key_of_every_file_says_what_it_means(generate: ModuleType) -> None:
    pages = generate.FileReference().pages()
    assert [line for text in pages.values() for line in text.splitlines() if re.search(r"\|\s*\|$", line)] == []


def test_every_type_of_every_format_is_described_once(generate: ModuleType) -> None:
    """A type without a section, or a section repeated, would leave a key unexplained or explained twice."""
    from model.schema import FORMATS, json_schema

    pages = generate.FileReference().pages()
    assert sorted(name for page in generate.PAGES.values() for name in page.formats) == sorted(FORMATS)
    types = {
        json.dumps([name, definition], sort_keys=True)
        for word in FORMATS
        for name, definition in json_schema(word).get("$defs", {}).items()
        if "properties" in definition
    }
    sections = [
        line
        for text in pages.values()
        for line in text.splitlines()
        if re.fullmatch(r"##+ ([A-Z]\w+|[a-z-]+: \w+)", line) and line not in ("## Example", "## Keys")
    ]
    assert len(sections) == len(types)


def test_every_command_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in commands():
        assert re.search(rf"`[^`]*\b{re.escape(path)}\b[^`]*`", readme), f"README does not name `{path}`"


def test_the_readme_shows_no_command_that_is_not_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    known = set(commands())
    shown = re.findall(r"ringwall ([a-z]+(?: (?:sync|diff|approve|show|rotate|install|status))?)", readme)
    assert shown
    assert {command for command in shown if command not in known and command.split()[0] not in known} <= {"guard"}


def commands() -> list[str]:
    from cli.commands import COMMANDS
    from cli.root_commands import load

    def leaves(command: Any, path: tuple[str, ...]) -> list[str]:
        children = getattr(command, "commands", None)
        if not children:
            return [" ".join(path)]
        return [leaf for name, child in children.items() for leaf in leaves(child, (*path, name))]

    return [leaf for name in COMMANDS for leaf in leaves(load(name), (name,))]
