"""How the demo tells what it saw: lines of 80 columns, in which no name and no incident id is ever cut."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cli import console
from cli.demo_outcome import AttemptResult
from cli.demo_scan import DemoFinding
from cli.demo_stage import Stage
from plan.rings import RINGS

_CHARACTERS = 160


def tell_finding(stage: Stage, finding: DemoFinding) -> None:
    if finding.exposed:
        stage.say("bound to 0.0.0.0, in a network of its own in which nobody else is")
        stage.show_command("scan")
        state = "EXPOSED: anyone who reaches this machine may call it"
    else:
        stage.say("bound to 127.0.0.1, as this system gives the demo no network of its own")
        stage.show_command("scan", finding.place)
        state = "open to every process of this machine"
    stage.say(f"{finding.place} {finding.name}: {state}", label=f"{finding.danger}: ")
    stage.say(", ".join(finding.executes), label="can run: ")
    stage.say(f"exit code {finding.exit_code}")


def tell_outcome(stage: Stage, outcome: AttemptResult) -> None:
    attempt = outcome.attempt
    console.say()
    stage.say(f"{attempt.title[0].upper()}{attempt.title[1:]}")
    stage.say(attempt.call, label="  call:   ")
    stage.say(_shortened(outcome.saw), label="  client: ")
    stage.say(outcome.audit_line, label="  audit:  ")


def _shortened(text: str) -> str:
    """One line, cut after a word only where it is no refusal: those hold their incident id at the end."""
    words = " ".join(text.split())
    return words if "ncident" in words or len(words) <= _CHARACTERS else f"{words[:_CHARACTERS].rpartition(' ')[0]} …"


def ring_rows(
    finding: DemoFinding, outcomes: Sequence[AttemptResult], enforced: Sequence[tuple[str, str, str, str]]
) -> list[tuple[str, str, str]]:
    """Ring, what was tried, what answered: the same on every run, so without incident ids and ports.

    Edge and gateway were stand-ins, so nothing was tried on them: their rows say what was deployed there.
    """
    rows: list[tuple[str, str, str]] = []
    for ring in RINGS:
        protections = [row for row in enforced if row[0] == "tickets" and row[1] == ring]
        if ring in ("edge", "gateway"):
            rows.append((ring, "(a stand-in: nothing was sent)", f"{len(protections)} protections deployed"))
        elif ring == "guard":
            rows += [(ring, outcome.attempt.title, outcome.answer) for outcome in outcomes]
        else:
            place = finding.place.partition(":")[0]
            rows.append((ring, f"a scan, the server on {place}", f"{finding.danger}: {', '.join(finding.executes)}"))
            rows.append((ring, "the server as onboarded", "bound to 127.0.0.1 only"))
    return rows


def tell_rings(rows: Sequence[tuple[str, str, str]]) -> None:
    console.say("\nRing by ring:")
    console.table(["ring", "tried", "answer"], [list(row) for row in rows])


def without_port(text: str) -> str:
    """A protection's words without a port, which differs from run to run."""
    return re.sub(r"(127\.0\.0\.1):\d+", r"\1:PORT", text)
