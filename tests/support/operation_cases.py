"""Every single operation of `up`, of an update and of `destroy` on one environment with a server, each to fail or die in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.interrupted import Stage

#: Touches every ring: applications, upstream, target (a replacement), services and plugins.
CHANGES = (
    ("    guard_port: 9010\n", "    guard_port: 9011\n"),
    (
        "    grants:\n",
        "    oauth:\n      access_token_lifetime: 5m\n    limits:\n      body_kilobytes: 64\n"
        "    circuit_breaker:\n      failures: 7\n    timeouts:\n      read: 90s\n    grants:\n",
    ),
)


@dataclass(frozen=True)
class Case:
    """One operation: the `nth` of its type in `command`, which starts from the kept state `start`."""

    start: str
    command: tuple[str, ...]
    operation: str
    type: str
    nth: int
    changed: bool = False

    @property
    def group(self) -> str:
        """What is done to what, as a row of a table."""
        provider = self.type.partition(":")[0].capitalize()
        return f"{self.command[0]}{' (changed)' if self.changed else ''}: {self.operation} at {provider}"

    @property
    def title(self) -> str:
        name = self.type.rpartition(":")[2]
        return f"{' '.join(self.command[:2])}{' (changed)' if self.changed else ''}: {self.operation} {name} {self.nth}"

    @property
    def goal(self) -> str:
        """The kept state that the command leads to."""
        if self.command[0] == "up":
            return "all"
        return "environment" if self.command[1] == "dev.one" else "nothing"


def prepare(stage: Stage, folder: Path) -> tuple[dict[str, Counter[str]], list[Case]]:
    """Keep every state that a case starts from, and list the cases from what undisturbed runs did."""
    cases: list[Case] = []
    wanted: dict[str, Counter[str]] = {}

    def keep(name: str) -> None:
        stage.keep(folder / name)
        wanted[name] = stage.there()

    keep("nothing")
    stage.run("up", "dev", "--yes")
    keep("all")
    change(stage)
    (run,) = json.loads(stage.run("up", "dev.one", "--yes", "--json").stdout)["runs"]
    done = {"create-replacement": "create", "delete-replaced": "delete"}
    steps = [
        (done.get(step["operation"], step["operation"]), step["type"])
        for step in run["changes"]
        if step["type"].startswith(("kong:", "cloudflare:")) and step["operation"] != "replace"
    ]
    cases += _numbered("all", ("up", "dev.one"), steps, changed=True)
    change(stage, back=True)
    stage.go_back(folder / "all")
    stage.run("destroy", "dev.one", "--yes")
    keep("environment")
    server = [
        ("delete", type_) for type_, count in (wanted["all"] - wanted["environment"]).items() for _ in range(count)
    ]
    shared = [("delete", type_) for type_, count in wanted["environment"].items() for _ in range(count)]
    cases += _numbered("nothing", ("up", "dev"), [("create", type_) for _, type_ in shared])
    cases += _numbered("environment", ("up", "dev.one"), [("create", type_) for _, type_ in server])
    cases += _numbered("all", ("destroy", "dev.one"), server)
    cases += _numbered("environment", ("destroy", "dev"), shared)
    return wanted, cases


def _numbered(
    start: str, command: tuple[str, ...], steps: list[tuple[str, str]], *, changed: bool = False
) -> Iterator[Case]:
    for (operation, type_), count in sorted(Counter(steps).items()):
        for nth in range(1, count + 1):
            yield Case(start, command, operation, type_, nth, changed)


def change(stage: Stage, *, back: bool = False) -> None:
    """Edit the server's stack file, or put it back."""
    file = stage.root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in CHANGES:
        old, new = (new, old) if back else (old, new)
        if old not in text:
            raise SystemExit(f"{file.name} has no {old!r}: correct CHANGES")
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def assert_arrived(stage: Stage, case: Case, wanted: dict[str, Counter[str]]) -> None:
    """Nothing is doubled, left or lost, all is recorded, no lock stays, and an update has arrived."""
    stage.assert_whole(wanted[case.goal])
    if case.changed:
        (again,) = json.loads(stage.run("preview", "dev.one", "--json").stdout)["runs"]
        assert again["changes"] == [], again["changes"]
