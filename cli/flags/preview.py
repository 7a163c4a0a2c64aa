"""The flags and the help of `ringwall preview`; what it does is `cli.preview`."""

from __future__ import annotations

from cli.options import AsJson, Debug, ProjectDir, Refresh, Sandbox, Stack


def preview(
    stack: Stack,
    refresh: Refresh = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Ask the engine what `up` would change, compared with what was recorded (`--refresh`: with what is real). Nothing is
    touched."""
    from cli.preview import preview as work  # noqa: PLC0415 - 0.8 s of imports that --help and completion do without

    work(stack, refresh=refresh, sandbox=sandbox)
