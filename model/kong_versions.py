"""Which versions of Kong each edition is held to, and which of them are known to be unsafe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Edition = Literal["oss", "enterprise", "ai"]

#: The schemas that every plugin configuration is written out for: Kong OSS's last line, and the newest licensed one.
OSS_LINE: Final = (3, 9)
LICENSED_LINE: Final = (3, 15)
#: The first version that Ringwall writes for an edition, and what a stack file is told to say.
RECOMMENDED: Final[dict[Edition, str]] = {"oss": "3.9.3", "enterprise": "3.15.0.4", "ai": "3.15.0.4"}


@dataclass(frozen=True)
class Flaw:
    """A flaw of Kong's: the first version of each line without it, and where that is said."""

    problem: str
    editions: frozenset[Edition]
    fixed: tuple[tuple[int, ...], ...]
    source: str


FLAWS: Final = (
    Flaw(
        "ai-mcp-oauth2's verification of JWTs has a known vulnerability",
        frozenset({"ai"}),
        ((3, 14, 0, 12), (3, 15, 0, 3)),
        "Kong docs, ai-mcp-oauth2: fixed in 3.14.0.12 and 3.15.0.3",
    ),
)

#: Kong documentation, "AI Gateway 2.x", November 2026.
KONG_AI_GATEWAY_2: Final = (
    "Kong AI Gateway 2.x has its control plane in Konnect alone and entities of its own instead of plugins, and Ringwall's "
    "Pulumi provider for Kong cannot reach it"
)


def version_problem(edition: Edition, version: str) -> tuple[str, str] | None:
    """What is wrong with a version of an edition, and what to write; None where it is held to."""
    numbers = tuple(int(part) for part in version.split("."))
    write = f'write "{RECOMMENDED[edition]}"'
    if numbers[0] == 2 and edition == "ai":
        return KONG_AI_GATEWAY_2, f"run Kong Gateway 3.15 with an AI licence: {write}"
    if edition == "oss":
        if numbers[:2] != OSS_LINE:
            return f"Kong OSS ends at 3.9.3 and is supported here on 3.9, not {version}", write
        return None
    if numbers[:2] != LICENSED_LINE:
        return (
            f"edition {edition} is supported here on Kong 3.15, whose schemas its plugins are held to, not {version}",
            write,
        )
    for flaw in FLAWS:
        for fixed in flaw.fixed if edition in flaw.editions else ():
            # A version that does not say its patch level may be any.
            if numbers[:2] == fixed[:2] and (*numbers, 0, 0)[:4] < fixed:
                first = ".".join(map(str, fixed))
                return f"Kong {version}: {flaw.problem} ({flaw.source})", f'write "{first}" or a later one'
    return None
