"""What `up` and `preview` say about their reading: what was compared, how many calls it takes, what was not asked."""

from __future__ import annotations

from collections.abc import Sequence

from cli import console
from engine.api_calls import Calls
from engine.deploy import Scope
from engine.estimate import words
from engine.run import Run
from model.text import counted
from operations.drift.gateway_look import GatewayLook


def show_calls(calls: Calls, verb: str, *, sandbox: bool) -> None:
    """Print how many calls of the providers' APIs something takes, where it takes any."""
    if calls:
        console.note(words(calls, verb, sandbox=sandbox))


def show_passed(number: int) -> None:
    """Print how many stacks `--changed` passed over, and what that leaves unseen."""
    if number:
        console.note(
            f"{counted(number, 'stack')} not asked: nothing in the plan changed since the last `up` from this folder; "
            "what was changed at Cloudflare or Kong is not looked at there"
        )


def show_reading(scope: Scope, previews: Sequence[Run], gateway: GatewayLook | None, seconds: float) -> None:
    """Print what was compared and how long it took, and the differences at Kong that only Ringwall itself can undo.

    Raises:
        Unreachable: the gateway failed while the engine read it.
    """
    if gateway is not None:
        gateway.refuse_lost_targets(previews)
        for difference in gateway.differences:
            for line in difference.lines():
                console.say(f"{difference.stack}: ! {line} (by Kong's Admin API)")
    planned = [run for run in previews if run.refresh and not run.offline]
    unchanged = sum(1 for run in previews if not run.offline and not run.steps.differs)
    basis = "what is real" if planned else "what was recorded last"
    skip = " (--no-refresh compares with what was recorded)" if planned else ""
    console.note(
        f"compared {counted(len(previews), 'stack')} with {basis} in {seconds:.1f} s{skip}; "
        f"nothing to do in {unchanged} of them"
    )
