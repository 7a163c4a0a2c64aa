"""The kinds of change that a running server goes through, and one run of each on the real engine while every state of the
stand-in services is judged (`plan.live_exposure`), whole or cut off by an error at any of its operations."""

from __future__ import annotations

import base64
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.run import Run
from engine.runs import execute
from model.project import open_project
from operations.incident.stack_file import lifted, locked
from plan.protectors import TUNNEL
from plan.step_order import judge_steps
from sandbox import Fault, Sandbox
from tests.support.engine_project import EngineProject
from tests.support.exposure_watch import watching
from tests.support.projects import write_project

#: A stack file and what is written over in it, or the name of an edit of the whole text.
Edit = tuple[str, str, str]
LOCK, LIFT, SECRET = "lock", "lift", "secret"
#: The engine's words for what a provider is asked to do.
OPERATIONS = {
    "create": "create",
    "create-replacement": "create",
    "update": "update",
    "delete": "delete",
    "delete-replaced": "delete",
}


@dataclass(frozen=True)
class Change:
    """One kind of change.

    `before` is edited into the files ahead of the first deployment, `edits` afterwards. `runs` are operations on stacks,
    in order, as somebody would run them; those in `fails` are expected to be refused by a provider.
    """

    name: str
    edits: tuple[Edit, ...] = ()
    runs: tuple[str, ...] = ("up dev.one",)
    before: tuple[Edit, ...] = ()
    fails: dict[str, str] = field(default_factory=dict, hash=False)
    connected: bool = False


ONE, DEV = "dev.one", "dev"
ALL = ("up dev", "up dev.one", "up dev")
ADDED = """\
      hosted_clients:
        claude-ai:
          hostname: one-claude.example.com
          people:
            groups: [engineers]
    posture: [encrypted]
"""
EXTERNAL = """\
    oauth:
      mode: external
      issuer: keycloak
      audience: https://one.example.com/mcp
      scopes: [tickets.read]
    posture: [encrypted]
"""
HOSTED: Edit = (ONE, "    posture: [encrypted]\n", ADDED)
OWN_ISSUER: Edit = (ONE, "    posture: [encrypted]\n", EXTERNAL)
NO_AGENTS: tuple[Edit, ...] = (
    (ONE, "      agents: [ci]\n", ""),
    (ONE, "      - to: {agents: [ci]}\n        tools: [create_ticket]\n        read_only: false\n", ""),
)
RENAMED: Edit = (ONE, "hostname: one.example.com", "hostname: uno.example.com")


def _back(edit: Edit) -> Edit:
    stack, old, new = edit
    return stack, new, old


#: A policy that the environment no longer wants is still attached to the server that has not moved on.
IN_USE = "still uses this ZeroTrustAccessPolicy"

#: Cloudflare's codes for what `step-order` foresees.
STOPPED = ("1013", "81053")

CHANGES: tuple[Change, ...] = (
    Change("created", runs=("up dev", "up dev.one")),
    Change("host name changed", (RENAMED,)),
    Change("host name added", (HOSTED,), ALL),
    Change("host name removed", (_back(HOSTED),), ALL, before=(HOSTED,), fails={"up dev": IN_USE}),
    Change(
        "hosted client's host name changed",
        ((ONE, "one-claude.example.com", "one-ai.example.com"),),
        before=(HOSTED,),
    ),
    Change(
        "both host names changed",
        (RENAMED, (ONE, "one-claude.example.com", "one-ai.example.com")),
        before=(HOSTED,),
    ),
    Change(
        "two names swapped",
        (
            (ONE, "hostname: one.example.com", "hostname: one-swapped.example.com"),
            (ONE, "one-claude.example.com", "one.example.com"),
            (ONE, "one-swapped.example.com", "one-claude.example.com"),
        ),
        before=(HOSTED,),
        fails={"up dev.one": "81053"},
    ),
    Change(
        "another zone",
        (
            (DEV, "zone: example.com", "zone: example.net"),
            (DEV, 'zone_id: "0bf2', 'zone_id: "0cf2'),
            (ONE, "one.example.com", "one.example.net"),
        ),
        ALL,
    ),
    Change("another account", ((DEV, 'account_id: "0af1', 'account_id: "0bf1'),), ALL, fails={"up dev": IN_USE}),
    Change("guard port changed", ((ONE, "guard_port: 9010", "guard_port: 9020"),)),
    Change("gateway's listener changed", ((DEV, "dev-1: {}", "dev-1: {gateway_port: 8020}"),), ALL),
    Change("origin moved to a socket", ((ONE, "url: http://127.0.0.1:3000/mcp", "socket: /run/mcp.sock"),)),
    Change("moved to another host", ((ONE, "host: dev-1", "host: dev-2"),)),
    Change("path changed", ((ONE, "    guard_port:", "    path: /tools\n    guard_port:"),)),
    Change(
        "people changed", ((ONE, "groups: [engineers]", "emails: [ada@example.com]"),), ALL, fails={"up dev": IN_USE}
    ),
    Change("a group's people changed", ((DEV, "domains: [example.com]", "domains: [example.org]"),), ALL),
    Change(
        "countries changed",
        ((DEV, "countries: [NO, SE]\n    identity", "countries: [NO]\n    identity"),),
        ALL,
        fails={"up dev": IN_USE},
    ),
    Change("device posture dropped", ((ONE, "    posture: [encrypted]\n", ""),), ALL, fails={"up dev": IN_USE}),
    Change("an agent taken off", NO_AGENTS),
    Change("an agent's addresses changed", ((DEV, "addresses: [192.0.2.0/24]", "addresses: [198.51.100.0/24]"),), ALL),
    Change("sign-in by an issuer of one's own", (OWN_ISSUER, *NO_AGENTS)),
    Change("sign-in by Access again", (_back(OWN_ISSUER),), before=(*NO_AGENTS, OWN_ISSUER)),
    Change(
        "limits changed", ((ONE, "    guard_port:", "    limits:\n      requests_per_minute: 30\n    guard_port:"),)
    ),
    Change(
        "tunnel managed on its host",
        ((DEV, "dev-1: {}", "dev-1: {tunnel: local}"), (ONE, SECRET, "")),
        ALL,
        fails={"up dev.one": "1013"},
    ),
    Change("closed by lockdown", ((ONE, LOCK, ""),)),
    Change("opened again", ((ONE, LIFT, ""),), before=((ONE, LOCK, ""),)),
    Change("destroyed", runs=("destroy dev.one", "destroy dev")),
    Change(
        "destroyed while its connectors run",
        runs=("destroy dev.one",),
        fails={"destroy dev.one": "1022"},
        connected=True,
    ),
)
BY_NAME = {change.name: change for change in CHANGES}


@dataclass
class Outcome:
    """`operations` of the providers in the engine's order; `states` seen; what was exposed, and what went otherwise than it
    should."""

    operations: list[tuple[str, str]] = field(default_factory=list)
    states: int = 0
    exposed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def faults(self) -> list[Fault]:
        """An error at each operation in turn, before it took effect; at the edge after it too, as a lost answer looks."""
        seen: Counter[tuple[str, str]] = Counter()
        found: list[Fault] = []
        for operation, type_ in self.operations:
            seen[operation, type_] += 1
            nth = seen[operation, type_]
            found += [
                Fault(operation, type_, nth, "500 Internal Server Error", after_effect=late)  # type: ignore[arg-type]
                for late in ((False, True) if type_.startswith("cloudflare:") else (False,))
            ]
        return found


class Rehearsal:
    """One project, deployed once for each starting point and set back before each run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        self._kept: dict[tuple[Edit, ...], Path] = {}

    def run(self, change: Change, fault: Fault | None = None, *, plain: bool = False, again: bool = False) -> Outcome:
        """Go through a change, with `fault` in force; with `again` repeat it afterwards without the fault, to the end.

        Args:
            plain: by the plain `pulumi` CLI instead of Ringwall.
        """
        self._set_back(change)
        with Sandbox(self.folder / "world") as sandbox:
            world = EngineProject(open_project(self.root), sandbox, self.folder / "home")
            if change.connected:
                with sandbox.store.transaction() as held:
                    for tunnel in held.records_of(TUNNEL):
                        tunnel.outputs["connections"] = [{"coloName": "arn01"}]
            for edit in change.edits:
                _write(world, edit)
            outcome = Outcome()
            with watching(sandbox) as watch:
                if fault is not None:
                    sandbox.faults.add(fault)
                for run in change.runs:
                    self._one(world, change, run, outcome, plain=plain, judged=fault is None)
                if fault is not None and again:
                    sandbox.faults.clear()
                    for run in change.runs:
                        self._one(world, change, run, outcome, plain=plain, judged=not fault.after_effect)
            outcome.states, outcome.exposed = (
                watch.states,
                [f"state {number}: {line}" for number, line in watch.exposed],
            )
            return outcome

    def _one(
        self, world: EngineProject, change: Change, run: str, outcome: Outcome, *, plain: bool, judged: bool
    ) -> None:
        operation, stack = run.split()
        if plain:
            done = world.pulumi(operation, "--stack", stack, "--yes", "--skip-preview", check=False)
            said = (done.stdout + done.stderr).splitlines()
            error = None if done.returncode == 0 else " ".join(line.strip() for line in said if "error:" in line)
        else:
            told = execute(world.target, Run(stack, operation))  # type: ignore[arg-type]
            error = told.error
            if judged:
                outcome.problems += self._judged(change, run, told)
            outcome.operations += [
                (OPERATIONS[one.operation], one.type)
                for one in told.steps.changed
                if one.operation in OPERATIONS and one.type.startswith(("cloudflare:", "kong:"))
            ]
        wanted = change.fails.get(run)
        if judged and error is not None and (wanted is None or wanted not in error):
            outcome.problems.append(f"{run}: {error}")

    @staticmethod
    def _judged(change: Change, run: str, told: Run) -> list[str]:
        """What `ringwall up` would have said of these very steps beforehand: nothing, but where Cloudflare stops them."""
        said = [one.message for one in judge_steps([one.step for one in told.steps.changes.values() if one.step])]
        wanted = change.fails.get(run, "")
        if wanted in STOPPED:
            return [] if said and all(wanted in message for message in said) else [f"{run}: not foreseen: {said}"]
        return [f"{run}: step-order: {message}" for message in said]

    def _set_back(self, change: Change) -> None:
        """The project and the services as they were before the change."""
        fresh = change.name == "created"
        kept = self._kept.get(() if fresh else (("deployed", "", ""), *change.before))
        if kept is None:
            kept = self._deploy(change.before, fresh=fresh)
        for name in ("project", "world"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            shutil.copytree(kept / name, self.folder / name)

    def _deploy(self, before: Sequence[Edit], *, fresh: bool) -> Path:
        key = () if fresh else (("deployed", "", ""), *before)
        kept = self.folder / f"kept-{len(self._kept)}"
        for name in ("project", "world"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        write_project(self.root)
        with Sandbox(self.folder / "world") as sandbox:
            world = EngineProject(open_project(self.root), sandbox, self.folder / "home")
            for edit in before:
                _write(world, edit)
            if not fresh:
                world.run("dev", "up")
                world.run("dev.one", "up")
            else:
                for stack in ("dev", "dev.one"):
                    world.pulumi("stack", "init", stack)
        for name in ("project", "world"):
            shutil.copytree(self.folder / name, kept / name)
        self._kept[key] = kept
        return kept


def _write(world: EngineProject, edit: Edit) -> None:
    stack, old, new = edit
    file = world.project.stack_file(stack)
    if old == SECRET:
        secret = base64.b64encode(b"only for tests: a tunnel's secret").decode()
        world.pulumi("config", "set", "--secret", "ringwall:tunnelSecret", secret, "--stack", stack)
        return
    text = file.read_text(encoding="utf-8")
    if old == LOCK:
        after = locked(text, "a rehearsal; Ada", "2026-11-23T03:00:00Z")
    elif old == LIFT:
        after = lifted(text)
    else:
        assert text.count(old) >= 1, (stack, old)
        after = text.replace(old, new)
    file.write_text(after, encoding="utf-8")


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The table: what was run, in how many states, and what was exposed."""
    lines = [f"{'change':36} {'runs':>5} {'operations':>11} {'states':>7} {'exposures':>10}"]
    lines += [
        f"{row['change']:36} {row['runs']:5} {row['operations']:11} {row['states']:7} {row['exposures']:10}"
        for row in rows
    ]
    return "\n".join(lines)
