from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir


def check(
    stacks: Annotated[
        list[str] | None, typer.Argument(help="Environments, servers or zones; else all.", show_default=False)
    ] = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check stack files, account quotas and the order of exposure, offline. Exit code 3 when a plan breaks a rule."""
    from cli.checks import check_all
    from cli.project import current_project
    from model.errors import InputError

    found = current_project()
    names = list(stacks or found.stacks())
    if not names:
        raise InputError("the project has no stacks", file=found.stack_dir, remedy="run `ringwall init ENV`")
    with console.working(f"checking {len(names)} stacks"):
        findings = check_all(found, names)
    if as_json:
        rows = [
            {
                "stack": stack,
                "rule": finding.rule_id,
                "severity": finding.severity,
                "urn": finding.urn,
                "message": finding.message,
                "remedy": finding.remedy,
            }
            for stack, finding in findings
        ]
        console.print_json({"version": 1, "stacks": names, "findings": rows})
    for stack, finding in findings:
        console.say(f"{finding.severity}: {stack}: {finding.rule_id}: {finding.message}; {finding.remedy}")
    counts = Counter(str(finding.severity) for _, finding in findings)
    errors = counts["error"]
    console.say(f"{len(names)} stacks checked, {errors} errors, {counts['warning']} warnings, {counts['info']} notes")
    if errors:
        raise typer.Exit(3)
