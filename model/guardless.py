"""A model route without a guard: what it does without, in a reviewer's words, and the file that says so on its host."""

from __future__ import annotations

from typing import Final

#: Stands in the folder of a model route without a guard, so that the host's guard does not wait for its bundle.
NO_GUARD: Final = "no-guard"

LOST: Final = (
    "nobody reads tool results, tool definitions and tool calls",
    "Kong adds up tokens after an answer, so calls side by side overshoot a budget",
    "there is no budget for all callers together",
    "grants tell no callers apart: whom access admits may use every model that is granted",
    "no audit log whose chain shows that a record is missing",
    "no caller is marked after untrusted text, and no exception is for one rule alone",
    "Kong verifies each token, and nobody a second time",
)
