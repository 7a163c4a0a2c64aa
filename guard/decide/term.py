"""Until when a configuration may be served by: the times in its signed bundle, and what is said as they come."""

from __future__ import annotations

from dataclasses import dataclass

from guard.bundle.bundle import utc

#: Seconds before the end from which the guard warns.
WARNING = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Term:
    """When a bundle was issued and when it expires, in Unix seconds; None where it does not say."""

    issued: int | None = None
    expires: int | None = None

    def is_over(self, clock: float) -> bool:
        """Whether nothing may be served by it any more."""
        return self.expires is not None and clock >= self.expires

    def warning(self, clock: float) -> str | None:
        """What the operator is told in the days before the end."""
        if self.expires is None or clock < self.expires - WARNING or self.is_over(clock):
            return None
        return f"the configuration expires at {utc(self.expires)}, and then every call is refused: sign it again"

    def problem(self, clock: float) -> str | None:
        """What the operator is told once it is over."""
        if self.expires is None or not self.is_over(clock):
            return None
        return f"the configuration expired at {utc(self.expires)}, so every call is refused: sign it again"

    def members(self) -> dict[str, int]:
        """The times, for /readyz."""
        return {
            name: value for name, value in (("issued", self.issued), ("expires", self.expires)) if value is not None
        }


NO_END = Term()
