"""Memory for messages, for tests of something else."""

from __future__ import annotations

from guard.memory import HeldMessage
from guard.memory import unbounded as unbounded_room


def unbounded() -> HeldMessage:
    """What a message takes where there is always room."""
    return unbounded_room("").held()
