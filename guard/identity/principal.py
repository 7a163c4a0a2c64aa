"""The verified caller of a request. How it is verified is in `guard.identity.verifier`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified user or agent.

    `id` is ``person:<sub>`` or ``agent:<common_name>``; limits, sessions, caches and the deny list use it as their key.
    `agent` is the configured name of an agent. `email` and `claims` are those of a person. `hosted_client` is the hosted
    client at whose hostname the request arrived. `expires` (Unix seconds) is the earliest expiry of the tokens that were
    verified; the principal's streams end then.
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
        """What engines get instead of the id: 16 hexadecimal digits of its SHA-256."""
        return _hash(self.id)


@lru_cache(maxsize=4096)
def _hash(id_: str) -> str:
    return hashlib.sha256(id_.encode()).hexdigest()[:16]
