"""The `lockdown` key of a server's stack file: the server is closed, by review in Git, until somebody removes the key."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from model.base import Instant, Model

#: One line, not blank; `model.waivers` gives the pattern its words.
LockdownReason = Annotated[
    str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class Lockdown(Model):
    """Every ring of the server refuses everyone while this stands in its stack file; `ringwall lockdown` writes it."""

    reason: LockdownReason = Field(description="Why it is closed, and who decided it.")
    since: Instant = Field(description="When it was closed, in UTC, quoted.")
