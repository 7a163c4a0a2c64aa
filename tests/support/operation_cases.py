"""Every single operation of `up`, of an update and of `destroy` on one environment with a server, each to fail or die in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
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
    """One operation on one object, by the engine's name of it, in `command`, which starts from the kept state `start`."""

    start: str
    command: tuple[str, ...]
    operation: str
    type: str
    name: str
    changed: bool = False

    @property
    def group(self) -> str:
        """What is done to what, as a row of a table."""
        provider = self.type.partition(":")[0].capitalize()
        return f"{self.command[0]}{' (changed)' if self.changed else ''}: {self.operation} at {provider}"

    @property
    def title(self) -> str:
        return f"{self.line}: {self.operation} {self.type.rpartition(':')[2]} {self.name}"

    @property
    def line(self) -> str:
        """The command, as a title says it."""
        return f"{' '.join(self.command)}{' (changed)' if self.changed else ''}"

    @property
    def goal(self) -> str:
        """The kept state that the command leads to."""
        if self.command[0] == "up":
            return "all"
        return "environment" if self.command[1] == "dev.one" else "nothing"


def prepare(stage: Stage, folder: Path) -> tuple[dict[str, Counter[str]], list[Case]]:
    """Keep every state that a case starts from, and list the cases from what undisturbed runs did."""
    wanted: dict[str, Counter[str]] = {}
    objects: dict[str, set[tuple[str, str]]] = {}

    def keep(name: str) -> None:
        stage.keep(folder / name)
        wanted[name], objects[name] = stage.there(), stage.objects()

    keep("nothing")
    stage.run("up", "dev", "--yes")
    keep("all")
    change(stage)
    (run,) = json.loads(stage.run("up", "dev.one", "--yes", "--json").stdout)["runs"]
    change(stage, back=True)
    stage.go_back(folder / "all")
    stage.run("destroy", "dev.one", "--yes")
    keep("environment")
    done = {"create-replacement": "create", "delete-replaced": "delete"}
    steps = [
        (done.get(step["operation"], step["operation"]), step["type"], step["name"])
        for step in run["changes"]
        if step["type"].startswith(("kong:", "cloudflare:")) and step["operation"] != "replace"
    ]
    shared, server = sorted(objects["environment"]), sorted(objects["all"] - objects["environment"])
    return wanted, [
        *(Case("all", ("up", "dev.one"), *step, changed=True) for step in sorted(steps)),
        *(Case("nothing", ("up", "dev"), "create", *each) for each in shared),
        *(Case("environment", ("up", "dev.one"), "create", *each) for each in server),
        *(Case("all", ("destroy", "dev.one"), "delete", *each) for each in server),
        *(Case("environment", ("destroy", "dev"), "delete", *each) for each in shared),
    ]


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


def assert_arrived(stage: Stage, case: Case, wanted: Mapping[str, Counter[str]]) -> None:
    """Nothing is doubled, left or lost, all is recorded, no lock stays, and an update has arrived."""
    stage.assert_whole(wanted[case.goal])
    if case.changed:
        (again,) = json.loads(stage.run("preview", "dev.one", "--json").stdout)["runs"]
        assert again["changes"] == [], again["changes"]
