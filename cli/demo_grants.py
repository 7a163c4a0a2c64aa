"""What the demo's onboarding granted, read from the files it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cli.demo_deploy import ENVIRONMENT
from cli.demo_stage import Stage
from model.errors import RingwallError
from model.project import load, open_project
from model.stacks import ServerStack


def show_grants(stage: Stage, project: Path) -> dict[str, Any]:
    """Show which tools are granted and which are not; returns both.

    Raises:
        RingwallError: nothing is granted, or what runs commands is.
    """
    stack = load(open_project(project), f"{ENVIRONMENT}.tickets")
    if not isinstance(stack, ServerStack):
        raise RingwallError(f"{ENVIRONMENT}.tickets was not onboarded as a server")
    granted = sorted({tool for grant in stack.manifest.grants for tool in grant.tools})
    withheld = sorted({tool.name for tool in stack.lock.tools} - set(granted))
    if "execute_command" not in withheld or not granted:
        raise RingwallError(f"onboard grants {', '.join(granted) or 'nothing'}")
    stage.say(", ".join(granted), label="granted:     ")
    stage.say(", ".join(withheld), label="not granted: ")
    return {"granted": granted, "not_granted": withheld}
