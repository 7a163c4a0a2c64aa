"""The flags and the help of `ringwall cancel`; what it does is `cli.cancel`."""

from __future__ import annotations

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes


def cancel(
    stack: Stack,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Release the lock of an update that was interrupted, after saying who holds it. A holder that still runs on this
    machine keeps it; `up`, `destroy` and `repair` release the lock of one that has ended here by themselves."""
    from cli.cancel import cancel as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(stack, yes=yes, sandbox=sandbox, as_json=as_json)
