"""The located engine as the `PulumiCommand` that the Automation API takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.locate import Engine

if TYPE_CHECKING:
    from pulumi.automation import PulumiCommand


def pulumi_command(engine: Engine) -> PulumiCommand:
    """A `PulumiCommand` for exactly this executable.

    Pulumi's own constructor takes a folder with ``bin/pulumi`` or whatever PATH holds, and runs it to learn its
    version; `engine` already knows both.
    """
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    command = PulumiCommand.__new__(PulumiCommand)
    command.command = str(engine.path)
    command.version = VersionInfo.parse(engine.version)
    return command
