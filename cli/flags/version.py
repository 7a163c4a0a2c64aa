"""The flags and the help of `ringwall version`; what it does is `cli.version`."""

from __future__ import annotations

from cli.options import AsJson, Debug


def version(as_json: AsJson = False, debug: Debug = False) -> None:
    """Print the version."""
    from cli.version import version as work  # noqa: PLC0415 - 0.01 s of imports that --help and completion do without

    work(as_json=as_json)
