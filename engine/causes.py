"""Why an engine run failed, out of what the engine reported and what its command printed."""

from __future__ import annotations

from engine.events import Steps
from engine.workspace import backend_problem

#: What the engine and its SDK add to an error that has been said already.
_ECHOES = ("preview failed", "update failed", "Exception calling application: Resource monitor has terminated")


def cause(steps: Steps, output: str) -> str:
    """Why an engine run failed, each error once, a line each."""
    errors = [e for e in dict.fromkeys(steps.errors) if not e.startswith(_ECHOES)]
    if errors and all("canceled" in error for error in errors):
        return "interrupted; what was finished is recorded, so the same command goes on from there"
    if errors:
        return "\n".join(errors)
    return backend_problem(output)
