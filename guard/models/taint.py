"""The toxic flow in a conversation with a model: untrusted text in a tool result, then a tool call.

A client sends the whole conversation with every request, so the text itself says that the model has read it: nothing is kept
between requests, and a conversation without it is free of it. Which tool sends data out is the client's knowledge, so every
tool call is judged alike.
"""

from __future__ import annotations

from guard.decide.reasons import Decision, Reason
from guard.inspect.inspection import Inspected
from guard.models.runtime import ModelContext

#: The decision on a tool call after such a text.
TAINTED = Inspected(
    Decision.BLOCK,
    None,
    Reason.TAINT,
    (),
    key="guard.taint.tool_calls",
    problem="a tool result of the conversation tries to steer the model",
)


def closes_tool_calls(context: ModelContext) -> bool:
    """Whether the model may ask for no tool call in this conversation."""
    return context.tainted and context.policy.config.guard.taint.tool_calls == "block"
