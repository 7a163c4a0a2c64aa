"""What an operation meets: the answers of an API that fails, as the provider plugins report them to the engine, and SIGKILL.

The Cloudflare plugin repeats 408, 409, 429, 5xx and transport errors up to ten times and honours Retry-After
(cloudflare-go, internal/requestconfig); the Kong plugin repeats nothing (go-kong). So what reaches the engine is the last
of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import Fault
from tests.support.operation_cases import Case

#: How late a service answers whose caller was killed.
LATE = 1.5


@dataclass(frozen=True)
class FaultKind:
    """A fault at one operation, and whether the service had done its work by then.

    `message` is the text that the engine is given. Without it command and engine are killed at the operation; a service
    that had not done its work by then does it all the same, late.
    """

    name: str
    message: str | None = None
    after_effect: bool = False

    @property
    def kills(self) -> bool:
        return self.message is None

    def at(self, case: Case) -> Fault:
        """The fault at the operation of a case."""
        return Fault(
            case.operation,  # type: ignore[arg-type]
            case.type,
            message=self.message,
            delay=LATE if self.kills else 0.0,
            after_effect=self.after_effect,
            name=case.name,
        )


_ADDRESS = '"https://api.example.com/v1/object"'
ANSWERS = (
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
KILLS = (FaultKind("killed, done late"), FaultKind("killed, done", after_effect=True))
