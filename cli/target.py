"""Where the commands' engine runs go: the project's own backend, or the sandbox, which is attached here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cli import invocation
from cli.terminal import Terminal
from engine.plugins import require_plugins
from engine.workspace import Target
from model.private_folder import make_private
from model.project import Project

#: Where the sandbox keeps its services and its own backend, below the project.
SANDBOX_HOME = Path(".ringwall") / "sandbox"


@contextmanager
def target_of(project: Project, *, sandbox: bool, plugins: bool = True) -> Iterator[Target]:
    """The target of engine runs. With `sandbox`, stand-in providers are started and serve until the context ends.

    None are started where a run talks to no provider, or where PULUMI_DEBUG_PROVIDERS names those that another process
    serves for this project (`python -m sandbox --state .ringwall/sandbox/providers`).

    Args:
        plugins: whether the run talks to providers, so that their plugins must be there beforehand.

    Raises:
        EngineMissing: a provider plugin is not installed (real providers only); nothing is fetched in mid-run.
    """
    if not sandbox:
        if plugins and "PULUMI_DEBUG_PROVIDERS" not in os.environ:  # else the user attached providers of their own
            require_plugins()
        yield real_target(project)
        return
    # The sandbox takes 0.4 s, which no run with the real providers waits for.
    from sandbox import Sandbox  # noqa: PLC0415
    from sandbox.server import served_by  # noqa: PLC0415

    home = project.root / SANDBOX_HOME
    make_private(home)
    if not plugins or served_by(home / "providers") == os.environ.get("PULUMI_DEBUG_PROVIDERS", ""):
        yield sandbox_target(project)
        return
    with Sandbox(home / "providers") as stand_in:
        yield sandbox_target(project, stand_in.environment())


def real_target(project: Project) -> Target:
    """The project's own backend and the real providers."""
    return Target(project, progress=Terminal(), debug=invocation.current().debug)


def sandbox_target(project: Project, environment: Mapping[str, str] | None = None) -> Target:
    """The sandbox's own backend, and a view of what its providers hold. `environment` is what attaches them."""
    from sandbox.readings import reader  # noqa: PLC0415 - 0.4 s, as above

    home = project.root / SANDBOX_HOME
    objects = reader(home / "providers")
    return Target(
        project, dict(environment or {}), home, objects, progress=Terminal(), debug=invocation.current().debug
    )
