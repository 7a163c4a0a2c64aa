"""The services that an incident command closes and opens: the real ones, or the sandbox's, attached here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from cli.target import SANDBOX_HOME, real_target, sandbox_target
from model.project import Project, load_settings
from operations.incident.close import Services
from operations.incident.closing_services import edge_of, gateway_of


@contextlib.contextmanager
def services(project: Project, environment: str, *, sandbox: bool) -> Iterator[Services]:
    """What the edge and the gateway of an environment are asked by, made when they are first needed, and the backend."""
    if not sandbox:
        target = real_target(project)
        with contextlib.ExitStack() as clients:
            yield (
                lambda: clients.enter_context(
                    edge_of(project, environment, load_settings(project, environment), target)
                ),
                lambda: clients.enter_context(
                    gateway_of(project, environment, load_settings(project, environment), target)
                ),
                target,
            )
        return
    # The sandbox takes 0.4 s, which nobody who closes real servers waits for.
    from sandbox.closing import SandboxServices  # noqa: PLC0415
    from sandbox.closing_services import SandboxEdge, SandboxGateway  # noqa: PLC0415
    from sandbox.state import Store  # noqa: PLC0415

    stand_in = SandboxServices(Store(project.root / SANDBOX_HOME / "providers"))
    yield (
        lambda: SandboxEdge(stand_in, load_settings(project, environment).cloudflare.account_id),
        lambda: SandboxGateway(stand_in),
        sandbox_target(project),
    )
