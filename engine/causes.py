"""Why an engine run failed, from the errors the engine reported and the output of its command."""

from __future__ import annotations

import re

from engine.events import Steps
from engine.workspace import backend_problem

#: Lines that the engine and its SDK add to an error which they have reported already.
_ECHOES = ("preview failed", "update failed", "Exception calling application: Resource monitor has terminated")
#: What the host of a program puts before the error that it has just reported.
_UNHANDLED = "an unhandled error occurred: "
#: What the engine says, once for each resource, where it cannot record what it did (pulumi, pkg/backend/snapshot.go).
_UNSAVED = "failed to save snapshot"
#: The file and the reason in it. The engine writes beside the file first, under a name of its own each time.
_WRITING = re.compile(r"\w+ \S+: [^:]+$")


def cause(steps: Steps, output: str, stack: str) -> str:
    """Why an engine run of a stack failed, each error once, a line each."""
    errors = [e for e in dict.fromkeys(steps.errors) if not e.startswith(_ECHOES)]
    errors = [e for e in errors if e.removeprefix(_UNHANDLED) == e or e.removeprefix(_UNHANDLED) not in errors]
    if errors and all("canceled" in error for error in errors):
        return "interrupted; what was finished is recorded, so the same command goes on from there"
    unsaved = [error for error in errors if _UNSAVED in error]
    if unsaved:
        errors = [error for error in errors if error not in unsaved]
        problem = backend_problem(f"error: {_reason(unsaved[0])}")
        errors.append(f"what was done is not recorded: {problem.replace('STACK` with its name', f'{stack}`')}")
    if errors:
        return "\n".join(errors)
    return backend_problem(output)


def _reason(error: str) -> str:
    """Which file could not be written and why, without the name that the engine gave it this time."""
    match = _WRITING.search(error.strip())
    return re.sub(r"\.[0-9a-f]{16}\.tmp", "", match[0]) if match else error
