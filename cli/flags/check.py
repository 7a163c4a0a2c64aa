"""The flags and the help of `ringwall check`; what it does is `cli.check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, complete_stack


def check(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STACK",
            help="Environments, servers or zones; else all.",
            show_default=False,
            autocompletion=complete_stack,
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules", metavar="FILE", help="Own rules, instead of the project's ringwall-rules.py.", show_default=False
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="REV",
            help="Take own rules and waivers from this Git revision: a pull request does not choose its own.",
            show_default=False,
        ),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option("--sarif", metavar="FILE", help="Write SARIF 2.1.0 there too; - prints it.", show_default=False),
    ] = None,
    list_rules: Annotated[
        bool, typer.Option("--list-rules", help="Show every rule with its reason, and check nothing.")
    ] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check stack files, account quotas and every policy rule, offline. Exit code 3 when a plan breaks a rule.

    Rules look at the offline plan; `up` refuses what breaks one of severity error, here and under plain Pulumi. A waiver
    in the stack file excepts one rule until a date; the finding stays in sight, marked as waived.
    """
    from cli.check import check as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(
        stacks=stacks,
        rules=rules,
        base=base,
        sarif=sarif,
        list_rules=list_rules,
        as_json=as_json,
    )
