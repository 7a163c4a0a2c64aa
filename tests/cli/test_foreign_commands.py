"""Every command of another program that a message suggests is one that the program has, with options that it takes.

`VENDORS` is written from the programs' own help and manual pages; the rows of `pulumi` are held to the engine's own.
"""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest

from engine.locate import require
from tests.cli.test_suggestions import messages

#: Commands by their words, each with the options that a message may give it.
VENDORS: dict[str, frozenset[str]] = {
    "chmod": frozenset(),
    "cloudflared access login": frozenset(),
    "cloudflared tunnel token": frozenset({"--cred-file"}),
    "curl": frozenset({"-s", "-si", "-X", "-H", "--fail", "--request", "--header"}),
    "deck file render": frozenset({"--populate-env-vars", "-o"}),
    "docker buildx imagetools inspect": frozenset(),
    "docker compose up": frozenset({"--detach", "--force-recreate"}),
    "git config": frozenset({"--global", "--add"}),
    "git diff": frozenset(),
    "git init": frozenset(),
    "kubectl apply": frozenset({"--kustomize"}),
    "mkdir": frozenset({"-p"}),
    "pulumi config set": frozenset({"--secret"}),
    "pulumi login": frozenset(),
    "pulumi plugin install": frozenset({"--file"}),
    "pulumi plugin ls": frozenset({"--json"}),
    "pulumi stack export": frozenset(),
    "pulumi state unprotect": frozenset({"--stack", "--yes"}),
    "pulumi up": frozenset({"--refresh"}),
    "pulumi": frozenset({"-C"}),
    "rm": frozenset({"-r"}),
    "systemctl daemon-reload": frozenset(),
    "systemctl disable": frozenset({"--now"}),
    "systemctl edit": frozenset(),
    "systemctl reload": frozenset(),
    "systemctl stop": frozenset(),
    "uv tool install": frozenset(),
}
MENTION = re.compile(r"`((?:" + "|".join(sorted({name.split()[0] for name in VENDORS})) + r") [^`]+)`")


def unknown(command: str) -> str:
    """What of a command its program does not have; nothing where it has all."""
    words = shlex.split(command)
    rows = [row for row in VENDORS if words[: len(row.split())] == row.split()]
    if not rows:
        return f"no such command: {command}"
    options = {word for word in words if re.match(r"--?[A-Za-z]", word)}
    return ", ".join(sorted(options - VENDORS[max(rows, key=len)]))


def test_foreign_commands_in_messages_exist_with_their_options() -> None:
    commands = [match[1] for _, text in messages(MENTION) for match in MENTION.finditer(text)]
    assert {command.split()[0] for command in commands} >= {"pulumi", "systemctl", "cloudflared", "curl"}
    assert {command: unknown(command) for command in commands if unknown(command)} == {}


def test_a_command_that_no_program_has_is_found() -> None:
    assert unknown("systemctl halt-now x") == "no such command: systemctl halt-now x"
    assert unknown("pulumi state unprotect --force 'urn'") == "--force"


@pytest.mark.engine
def test_pulumi_itself_has_each_of_its_commands_and_options() -> None:
    engine = str(require().path)

    def help_of(words: list[str], options: frozenset[str] | set[str]) -> tuple[int, str]:
        # Options are read before the help is given, hidden ones too; the word after one that takes none is ignored.
        given = [word for option in sorted(options) for word in (option, "x")]
        done = subprocess.run([engine, *words, *given, "--help"], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.partition("Usage:")[2].partition("Flags:")[0]

    for row, options in VENDORS.items():
        program, *words = row.split()
        if program == "pulumi":
            code, usage = help_of(words, options)
            assert code == 0, row
            assert all(re.search(rf"\b{word}\b", usage) for word in (program, *words)), row
    assert help_of(["up"], {"--refreshed"})[0] != 0
