"""decK itself over the gateway files of the example environments, and over a Kong where one is named.

    make deck
    DECK_KONG_ADDR=http://127.0.0.1:8001 make deck       # a Kong without Ringwall's objects

Without a Kong: `deck file validate` takes each file, and `deck file render` gives back every object with every field. With
one, for the example whose edition it is: `deck gateway sync` makes everything, `deck gateway diff` then finds nothing, and
`deck gateway dump` has every object of the file with every field; at the end `deck gateway reset` takes all of it away.
decK comes from the PATH or is built by Go. Where neither is to be had, nothing was shown, and that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml  # type: ignore[import-untyped]

from model.project import load_environment, open_project
from model.stacks import EnvironmentStack
from operations.gateway_file import GatewayFile, gateway_file, issuer_keys
from plan.offline import plan_stack, planned_contract
from tests.support.token_issuer import TokenIssuer
from wire.jwks import fetch_jwks

ROOT = Path(__file__).resolve().parents[2]
MODULE = "github.com/kong/deck@latest"
EXAMPLES = ("production", "enterprise", "ai")
AUDIENCE = "0" * 64
KEY = "bm90IGEgc2VjcmV0OiBhIGtleSBmb3IgYSB0ZXN0Lg=="
#: Seconds for one command of decK's, and for building it.
TIMEOUT, BUILD_TIMEOUT = 120, 1200
#: What names an object among those of its kind.
NAMES = ("name", "username", "target", "group", "key")


class Absent(Exception):
    """decK is not to be had."""


class Deck:
    """The program, with the variables that the files ask for."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.variables: dict[str, str] = {}

    def run(self, *words: str | Path) -> str:
        """The output of one command; raises RuntimeError with decK's words where it fails."""
        command = [self.program, *map(str, words)]
        environment = {**os.environ, "DECK_ANALYTICS": "off", **self.variables}
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment, check=False)
        if done.returncode:
            raise RuntimeError(f"deck {' '.join(command[1:])}: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def deck_program(scratch: Path) -> str:
    """decK of the PATH (Debian has another program of that name), or one built here."""
    if program := shutil.which("deck"):
        answer = subprocess.run([program, "version"], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if "decK" in answer.stdout + answer.stderr:
            return program
    go = shutil.which("go")
    if go is None:
        raise Absent("neither decK nor Go is on the PATH")
    environment = {**os.environ, "GOBIN": str(scratch), "GOFLAGS": "-mod=mod"}
    built = subprocess.run(
        [go, "install", MODULE], capture_output=True, text=True, timeout=BUILD_TIMEOUT, env=environment, check=False
    )
    if built.returncode:
        raise Absent(f"Go does not build {MODULE}: {' '.join(built.stderr.split())}")
    return str(scratch / "deck")


def exported(example: str) -> tuple[EnvironmentStack, GatewayFile]:
    """An example's file as after its deployment, with the signing keys of an issuer here."""
    project = open_project(ROOT / "examples" / example)
    environment = load_environment(project, "prod")
    contract = planned_contract(project, environment)
    graphs = [plan_stack(project, stack, contract=contract) for stack in (environment, *environment.perimeters)]
    known = {
        graph.stack: {resource.name: {"aud": AUDIENCE} for resource in graph.resources if "Access" in resource.type}
        for graph in graphs
    }
    with TokenIssuer() as issuer:
        keys = issuer_keys(environment.settings, "prod", lambda _: fetch_jwks(issuer.jwks_uri))
    return environment, gateway_file(graphs, known, environment="prod", keys=keys)


def differences(wanted: Any, actual: Any, path: str, tags: set[str]) -> Iterator[str]:
    """What decK's document has otherwise than the file. decK adds fields, sorts, and leaves the selecting tags out."""
    if isinstance(wanted, dict) and isinstance(actual, dict):
        for name, value in wanted.items():
            if name == "tags":
                if set(value) - tags != set(actual.get("tags") or ()) - tags:
                    yield f"{path}.tags: {actual.get('tags')} instead of {value}"
            elif value not in (None, [], {}):
                yield from differences(value, actual.get(name), f"{path}.{name}", tags)
    elif isinstance(wanted, list) and wanted and isinstance(wanted[0], dict) and isinstance(actual, list):
        held = {label(entry): entry for entry in actual}
        for entry in wanted:
            yield from differences(entry, held.get(label(entry)), f"{path}[{label(entry)}]", tags)
    elif wanted != actual:
        yield f"{path}: {actual!r} instead of {wanted!r}"


def label(entry: dict[str, Any]) -> str:
    return next((str(entry[name]) for name in NAMES if name in entry), repr(entry))


def compare(deck: Deck, written: str, text: str, tags: list[str]) -> None:
    """Raise RuntimeError with the first fields that decK's document has otherwise."""
    for name, value in deck.variables.items():
        text = text.replace(f'${{{{ env "{name}" }}}}', value)
    wanted, actual = yaml.safe_load(text), yaml.safe_load(written)
    wanted.pop("_info")
    if other := list(differences(wanted, actual, "", set(tags))):
        raise RuntimeError("decK has it otherwise: " + "; ".join(other[:5]))


def edition_of(address: str) -> str:
    """The edition of a Kong, as far as its version says: three numbers are OSS (kong/meta.lua)."""
    version = httpx.get(address, timeout=10).json()["version"]
    return "oss" if len(version.split("-")[0].split(".")) == 3 else "licensed"


def try_example(deck: Deck, example: str, scratch: Path) -> None:
    environment, file = exported(example)
    path = scratch / f"{example}.yaml"
    path.write_text(file.text, encoding="utf-8")
    deck.variables = dict.fromkeys(file.variables, KEY)
    tags = yaml.safe_load(file.text)["_info"]["select_tags"]
    deck.run("file", "validate", path)
    rendered = scratch / f"{example}.rendered.yaml"
    deck.run("file", "render", "--populate-env-vars", path, "-o", rendered)
    compare(deck, rendered.read_text(encoding="utf-8"), file.text, tags)
    print(f"{example}: {file.entities} objects, validated and rendered as they are")
    address = os.environ.get("DECK_KONG_ADDR")
    if address is None:
        print(f"{example}: no gateway was asked, as DECK_KONG_ADDR names none")
    elif edition_of(address) != ("oss" if environment.settings.gateway.edition == "oss" else "licensed"):
        print(f"{example}: no gateway was asked: {address} is of another edition")
    else:
        select = [word for tag in tags for word in ("--select-tag", tag)]
        before = yaml.safe_load(deck.run("gateway", "dump", *select, "-o", "-"))
        if set(before) - {"_format_version", "_info"}:
            raise RuntimeError(
                f"{address} has objects with the tags {', '.join(tags)}; name a Kong of its own for this"
            )
        try:
            deck.run("gateway", "validate", path)
            deck.run("gateway", "sync", path)
            deck.run("gateway", "diff", "--non-zero-exit-code", path)
            dumped = scratch / f"{example}.dumped.yaml"
            deck.run("gateway", "dump", *select, "-o", dumped)
            compare(deck, dumped.read_text(encoding="utf-8"), file.text, tags)
        finally:
            deck.run("gateway", "reset", "--force", *select)
        print(f"{example}: synced to {address}, no difference, and dumped as it is")


def main() -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            deck = Deck(deck_program(Path(folder)))
        except Absent as error:
            print(f"not run: {error}", file=sys.stderr)
            return 1
        print(deck.run("version").strip())
        for example in EXAMPLES:
            try:
                try_example(deck, example, Path(folder))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"{example}: FAILED: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
