"""`ringwall revoke`: one person or agent put out of every server of an environment, and let in again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli import console
from cli.lockdown import Bundles, KeyFile, Wait, finish
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Yes, _complete_stack
from cli.project import current_project
from cli.target import target_of
from cli.terminal import Terminal
from model.errors import InputError
from model.project import load_environment
from operations.guard_bundle.delivery import guards_of
from operations.incident.revoke import Revocation, Subject, planned_steps, read_principal
from operations.journal import Operation


def revoke(
    principal: Annotated[
        str,
        typer.Argument(
            metavar="PRINCIPAL", help="person:EMAIL, person:SUB as guards log it, or agent:NAME.", show_default=False
        ),
    ],
    env: Annotated[
        str,
        typer.Option(
            "--env", metavar="ENV", help="The environment.", autocompletion=_complete_stack, show_default=False
        ),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why, and who decided it; for the journal.", show_default=False)
    ] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Let them in again, as the stack files have it.")] = False,
    sub: Annotated[
        str | None, typer.Option("--sub", help="person:EMAIL only: the sub that guards deny.", show_default=False)
    ] = None,
    key: KeyFile = None,
    bundles: Bundles = Path(),
    wait: Wait = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Put one person or agent out of every server of an environment at once, open streams too.

    At the edge, with CLOUDFLARE_API_TOKEN: a person's sessions end, an agent's service token is disabled. At the
    guards, with --key: the next bundle of each server denies them. Each step says how long after the start it took
    effect. Guards deny them until --lift; a person may sign in at Access again unless the identity provider or the
    stack file stops that. Exit code 1 names what does not hold yet; run it again to go on.
    """
    subject = read_principal(principal, sub)
    if not lift and not (reason or "").strip():
        raise InputError("a revocation needs a reason", key="--reason", remedy='add --reason "why, and who decided it"')
    found = current_project()
    environment = load_environment(found, env)
    if subject.agent and subject.agent not in environment.settings.agents:
        known = ", ".join(sorted(environment.settings.agents)) or "none"
        raise InputError(f"environment {env} has no agent {subject.agent} (it has: {known})", key="PRINCIPAL")
    guards = guards_of(key, bundles, wait)
    if dry_run:
        _say_plan(subject, planned_steps(environment, subject, lift=lift), lift=lift, as_json=as_json)
        return
    question = f"Let {subject.text} in again" if lift else f"Put {subject.text} out of every server of {env}"
    console.consent(f"{question}?", yes=yes)
    operation = Operation(
        found.root, "revoke --lift" if lift else "revoke", f"{subject.text} in {env}", reason, Terminal()
    )
    operation.begin()
    with target_of(found, sandbox=sandbox, plugins=False) as target:
        Revocation(found, environment, subject, operation, guards, lift, target).run()
    if subject.agent and not lift and not as_json:
        console.say(
            f"For good: `ringwall agents rotate {env} {subject.agent}`, or take it out of access; then `ringwall up {env}`."
        )
    finish(operation, as_json=as_json)


def _say_plan(subject: Subject, steps: Sequence[dict[str, str]], *, lift: bool, as_json: bool) -> None:
    if as_json:
        console.print_json({"version": 1, "dry_run": True, "lift": lift, "target": subject.text, "steps": steps})
    for step in steps:
        console.say(f"{step['stack']}: {step['ring']}: {step['text']}")
