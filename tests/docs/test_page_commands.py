"""What the pages tell people to type works: the commands of docs/start and docs/howto are run, in order, page by page.

Each page has a copy of one project with the environment dev and the server tickets, deployed nowhere. The tutorial begins
with an empty folder and runs the real engine against the stand-in providers. What needs an account, a host or another
terminal says so in a comment and is parsed only.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from cli import main, root_commands
from tests.support.command_line import flags, ringwall, serve_desk
from tests.support.pages import DOCS, PAGES, ROOT, blocks
from tests.support.ports import free_port

TUTORIAL = DOCS / "start" / "tutorial.md"
RUN = [page for page in PAGES if page.parent.name in ("start", "howto") and page != TUTORIAL]
#: What a run decides (ids, times, process numbers), and how many rules there are. Shown output is compared without them.
VARIES = re.compile(r"[0-9a-f]{16,}|\d+ rules|\d+\.\d s|pid \d+|\d{4}-\d\d-\d\dT[\d:.]+Z|\d{10}")


@pytest.fixture(scope="module")
def desk() -> Iterator[str]:
    yield from serve_desk("--port", str(free_port()))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, desk: str) -> Path:
    root = tmp_path_factory.mktemp("template") / "mcp"
    assert ringwall("init", "dev", "--project", str(root), *flags(), "--agent", "ci", "--yes").code == 0
    onboard = ["onboard", "tickets", "--env", "dev", "--project", str(root), "--url", desk]
    assert ringwall(*onboard, "--people", "you@example.com", "--yes").code == 0
    return root


def parse(words: list[str]) -> None:
    """Parse a command as the command line would, and do nothing."""
    if words[0].startswith("-"):
        assert words[0] in ("--version", "--help", "--install-completion")
        return
    command: Any = root_commands.load(words[0])
    words = words[1:]
    while hasattr(command, "commands") and words:
        command, words = command.commands[words[0]], words[1:]
    with contextlib.suppress(click.exceptions.Exit):  # --help
        command.make_context("ringwall", list(words))


def words_of(command: str) -> list[str]:
    return shlex.split(command)[1:]


def run_page(page: Path, folder: Path, desk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a page's blocks in their order, beginning in a folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    port = desk.rpartition(":")[2].partition("/")[0]
    for block in blocks(page):
        if block.note.startswith("into "):
            _merge(Path("stacks") / block.note.removeprefix("into "), block.text)
        if block.note.startswith("file "):
            file = Path(block.note.removeprefix("file "))
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        if block.language not in ("console", "bash") or not block.runs:
            continue
        for command, shown in block.commands():
            if command.startswith("cd "):
                monkeypatch.chdir(Path(command.removeprefix("cd ").replace("~", str(folder))))
                continue
            assert command.startswith("ringwall "), (
                f"{page.name}: `{command}` cannot be run here; say why it is not run"
            )
            words = [word.replace("~", str(folder), 1) if word.startswith("~") else word for word in words_of(command)]
            result = ringwall(*[word.replace(":3000/", f":{port}/") for word in words])
            printed = (result.out + result.err).replace(f":{port}", ":3000").replace(str(folder), "~")
            assert result.code == 0, f"{page.name}: {command}\n{printed}"
            lines = [" ".join(VARIES.sub("N", line).split()) for line in printed.splitlines()]
            for line in shown:
                if line.strip() and line.strip() != "…":
                    wanted = " ".join(VARIES.sub("N", line).split())
                    assert wanted in lines, f"{page.name}: {command} does not print\n{line}\nbut\n{printed}"


def _merge(file: Path, text: str) -> None:
    yaml = YAML()
    yaml.preserve_quotes = True  # a quoted account id is text, a bare one may be a number
    document = yaml.load(file.read_text(encoding="utf-8"))
    (manifest,) = document["config"].values()
    manifest.update(yaml.load(text))
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(document, stream)


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_pages_commands_work(
    page: Path, tmp_path: Path, template: Path, desk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(template, tmp_path / "mcp", symlinks=True)
    run_page(page, tmp_path / "mcp", desk, monkeypatch)


@pytest.mark.engine
def test_the_tutorial_works_and_prints_what_it_shows(
    tmp_path: Path, desk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_page(TUTORIAL, tmp_path, desk, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_every_command_of_every_page_parses(page: Path) -> None:
    for block in blocks(page):
        if block.language not in ("console", "bash"):
            continue
        for command, _ in block.commands():
            if command.startswith("ringwall "):
                try:
                    parse(words_of(command))
                except click.UsageError as wrong:
                    pytest.fail(f"{page.name}: {command}: {wrong.format_message()}")


@pytest.mark.parametrize(
    "page",
    [*PAGES, *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_command_that_a_sentence_names_exists_with_its_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    spans = re.findall(r"`ringwall ([^`\n]+)`", text)
    spans += re.findall(r"^    ringwall (.+)$", text.replace("\\\n", " "), re.MULTILINE)
    for span in spans:
        command, words = _named(re.sub(r"\s+#.*", "", span).split())
        known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
        used = {word.partition("=")[0] for word in words if word.startswith("--") and word != "--"}
        assert used <= known | {"--help", "--json"}, f"{page.name}: ringwall {span}"


def _named(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words begin with, and what follows."""
    if words[0].startswith("--"):
        return get_command(main.app), words
    command: Any = root_commands.load(words[0])
    words = words[1:]
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_what_is_not_run_says_why() -> None:
    for page in PAGES:
        for block in blocks(page):
            assert not block.note.startswith("not run") or len(block.note.partition(": ")[2]) >= 10, page.name
