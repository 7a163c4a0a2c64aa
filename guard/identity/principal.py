"""Who a request is from, once it is proven."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified user or agent.

    `id` is ``person:<sub>`` or ``agent:<common_name>`` and is what limits, sessions, caches and the deny list go by.
    `agent` is the configured name of an agent, `email` and `claims` belong to people, `hosted_client` is the one whose
    front door was used. `expires` (Unix seconds) is the earliest expiry of the tokens that proved it: streams end then.
    """

    id: str
    kind: Literal["person", "agent"]
    agent: str | None = None
    email: str | None = None
    hosted_client: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    expires: float = float("inf")

    @property
    def hash(self) -> str:
        """What engines are told instead of the id: 16 hexadecimal digits of its SHA-256."""
        return hashlib.sha256(self.id.encode()).hexdigest()[:16]
