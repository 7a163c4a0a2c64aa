"""`ringwall up --approve loosening`: says why a person must approve, or that nobody need be asked."""

from __future__ import annotations

from collections.abc import Sequence

from cli import console
from model.errors import InputError

LOOSENING = "loosening"


def refuse_unclear_approval(approve: str | None, *, yes: bool) -> None:
    """Raise InputError for an approval that is none, or that --yes makes pointless."""
    if approve not in (None, LOOSENING):
        raise InputError(f"there is no approval {approve}", key="--approve", remedy=f"write --approve {LOOSENING}")
    if approve is not None and yes:
        raise InputError(
            "--yes never asks, --approve asks about some changes", key="--approve", remedy="give one of them"
        )


def ask_about(reasons: Sequence[str]) -> bool:
    """Print why somebody must approve, and return whether anybody must; raises InputError where nobody can be asked."""
    for reason in reasons:
        console.say(f"approve: {reason}")
    if reasons and not console.interactive():
        raise InputError(
            f"{len(reasons)} {'reason' if len(reasons) == 1 else 'reasons'} to ask, and there is no terminal to ask on",
            remedy="review the change, then run it on a terminal, or with --yes instead of --approve",
        )
    if not reasons:
        console.note("nothing loosens: not asked (--approve loosening)")
    return bool(reasons)
