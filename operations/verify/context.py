"""The context of one run of `verify` (server, client, identities, tokens, shared cache), and the definition of a probe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from operations.verify.client import Client, Headers, HttpResponse
from operations.verify.conversation import Conversation
from operations.verify.report import ProbeResult
from operations.verify.subject import (
    INITIALIZE_ID,
    JSON_HEADERS,
    CallerIdentity,
    PlantedCall,
    PublicHostname,
    VerifySubject,
    initialize,
)


@dataclass
class VerifyContext:
    """What the probes of one run share. `expired` and `sibling` are tokens, each read from a file that the user named."""

    subject: VerifySubject
    client: Client
    caller: CallerIdentity | None = None
    second_caller: CallerIdentity | None = None
    expired: str | None = field(default=None, repr=False)
    sibling: str | None = field(default=None, repr=False)
    planted: PlantedCall | None = None
    register: bool = False
    on_host: bool = False
    conversation: Conversation | None = None
    cache: dict[str, Any] = field(default_factory=dict, repr=False)

    def url(self, door: PublicHostname, path: str | None = None) -> str:
        return f"https://{door.hostname}{path or door.path or self.subject.path}"

    def conversation_with(self, door: PublicHostname, caller: CallerIdentity) -> Conversation:
        """Make a conversation; it is opened by its own `open`."""
        return Conversation(self.subject, self.client, self.url(door), caller)

    async def send_initialize(self, door: PublicHostname, headers: Headers = (), *, query: str = "") -> HttpResponse:
        """Send `initialize` to a public name. It has no effect, and only an admitted caller gets a JSON-RPC result."""
        url = self.url(door) + (f"?{query}" if query else "")
        return await self.client.send(
            "POST", url, headers=(*JSON_HEADERS, *headers), body=initialize(), answer_id=INITIALIZE_ID
        )


Run = Callable[[VerifyContext, PublicHostname], Awaitable[ProbeResult]]


@dataclass(frozen=True)
class Probe:
    """A check that can be run at a public name."""

    id: str
    tried: str
    expected: str
    remedy: str
    run: Run
