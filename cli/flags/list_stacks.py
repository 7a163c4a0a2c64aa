"""The flags and the help of `ringwall list`; what it does is `cli.list_stacks`."""

from __future__ import annotations

from cli.options import AsJson, Debug, ProjectDir


def list_stacks(project: ProjectDir = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Show environments, servers and zones as the files declare them. Exit code 2 when any is not valid."""
    from cli.list_stacks import list_stacks as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(as_json=as_json)
