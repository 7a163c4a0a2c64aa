"""Why an engine run failed, from the errors the engine reported and the output of its command."""

from __future__ import annotations

from engine.events import Steps
from engine.workspace import backend_problem

#: Lines that the engine and its SDK add to an error which they have reported already.
_ECHOES = ("preview failed", "update failed", "Exception calling application: Resource monitor has terminated")


def cause(steps: Steps, output: str) -> str:
    """Why an engine run failed, each error once, a line each."""
    errors = [e for e in dict.fromkeys(steps.errors) if not e.startswith(_ECHOES)]
    if errors and all("canceled" in error for error in errors):
        return "interrupted; what was finished is recorded, so the same command goes on from there"
    if errors:
        return "\n".join(errors)
    return backend_problem(output)
