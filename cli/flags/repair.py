"""The flags and the help of `ringwall repair`; what it does is `cli.repair`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes


def repair(
    stack: Stack,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look and say; change nothing.")] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Mend what an interrupted run left: objects that were being made, changed or deleted when it ended.

    Each is looked up at Cloudflare or Kong by name and tag. What is there is recorded, what is not is forgotten, what was
    being changed or deleted is read back; nothing that was recorded is touched. `up` and `destroy` do the same first. An
    environment stands for its servers too. A recorded state that cannot be read, as a full disk leaves it, is put back from
    its newest whole copy. Exit code 3 with --dry-run where there is something to mend.
    """
    from cli.repair import repair as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(
        stack,
        dry_run=dry_run,
        yes=yes,
        sandbox=sandbox,
        as_json=as_json,
    )
