"""`ringwall revoke`: one person or agent put out of every server of an environment, and let in again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cli import console
from cli.lockdown import finish
from cli.project import current_project
from cli.target import target_of
from cli.terminal import Terminal
from model.errors import InputError
from model.project import load_environment
from model.suggestions import did_you_mean
from operations.guard_bundle.delivery import guards_of
from operations.incident.revoke import Revocation, RevocationSubject, planned_steps, read_principal
from operations.journal import Operation


def revoke(
    principal: str,
    env: str,
    *,
    reason: str | None,
    lift: bool,
    sub: str | None,
    key: Path | None,
    bundles: Path,
    wait: float,
    dry_run: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall revoke` does; its flags and help are in `cli.flags.revoke`."""
    subject = read_principal(principal, sub)
    if not lift and not (reason or "").strip():
        raise InputError("a revocation needs a reason", key="--reason", remedy='add --reason "why, and who decided it"')
    project = current_project()
    environment = load_environment(project, env)
    if subject.agent and subject.agent not in environment.settings.agents:
        remedy = did_you_mean(subject.agent, environment.settings.agents, none=f"{env} has no agents")
        raise InputError(f"there is no agent {subject.agent}", key="PRINCIPAL", remedy=remedy)
    guards = guards_of(key, bundles, wait)
    if dry_run:
        _say_plan(subject, planned_steps(environment, subject, lift=lift), lift=lift, as_json=as_json)
        return
    question = f"Let {subject.text} in again" if lift else f"Put {subject.text} out of every server of {env}"
    console.consent(f"{question}?", yes=yes)
    operation = Operation(
        project.root, "revoke --lift" if lift else "revoke", f"{subject.text} in {env}", reason, Terminal()
    )
    operation.begin()
    with target_of(project, sandbox=sandbox, plugins=False) as target:
        Revocation(project, environment, subject, operation, guards, lift, target).run()
    if subject.agent and not lift and not as_json:
        console.say(
            f"For good: `ringwall agents rotate {env} {subject.agent}`, or take it out of access; then `ringwall up {env}`."
        )
    finish(operation, as_json=as_json)


def _say_plan(subject: RevocationSubject, steps: Sequence[dict[str, str]], *, lift: bool, as_json: bool) -> None:
    if as_json:
        console.print_json({"version": 1, "dry_run": True, "lift": lift, "target": subject.text, "steps": steps})
    for step in steps:
        console.say(f"{step['stack']}: {step['ring']}: {step['text']}")
