"""The faults that an API meets its callers with, as the provider plugins report them to the engine.

The Cloudflare plugin repeats 408, 409, 429, 5xx and transport errors up to ten times and honours Retry-After
(cloudflare-go, internal/requestconfig); the Kong plugin repeats nothing (go-kong). So what reaches the engine is the last
of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandbox import Fault
from tests.support.interrupted import Stage
from tests.support.operation_cases import Case

#: How the stand-in of Access begins every client secret, as Cloudflare does.
SECRET = b"cfast_"


@dataclass(frozen=True)
class FaultKind:
    """A fault at one operation: the text that the engine is given, and whether the service had done its work by then."""

    name: str
    message: str
    after_effect: bool = False

    def at(self, case: Case) -> Fault:
        """The fault at the operation of a case."""
        return Fault(
            case.operation,  # type: ignore[arg-type]
            case.type,
            case.nth,
            self.message,
            after_effect=self.after_effect,
        )


_ADDRESS = '"https://api.example.com/v1/object"'
KINDS = (
    FaultKind("429", f"POST {_ADDRESS}: 429 Too Many Requests (Retry-After: 300)"),
    FaultKind("500, not done", f"POST {_ADDRESS}: 500 Internal Server Error"),
    FaultKind("500, done", f"POST {_ADDRESS}: 500 Internal Server Error", after_effect=True),
    FaultKind(
        "timeout, done",
        f"Post {_ADDRESS}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        after_effect=True,
    ),
    FaultKind("reset, not done", f"Post {_ADDRESS}: read tcp 192.0.2.1:50000->192.0.2.2:443: connection reset by peer"),
    FaultKind("reset, done", f"Post {_ADDRESS}: EOF", after_effect=True),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def secrets_in_clear(stage: Stage) -> list[Path]:
    """Files of the project, its state and its backups that hold a client secret."""
    return [path for path in stage.root.rglob("*") if path.is_file() and SECRET in path.read_bytes()]
