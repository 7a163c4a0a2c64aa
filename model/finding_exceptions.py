"""Exceptions from what the guard's engines find: for one tool, prompt or resource, one leg and one rule, until a day.

A server's stack file holds them (`guard.exceptions`), never an environment's, as each names something of one server. What
has no verdict or cannot be read has no rule, so it admits no exception. A definition is accepted in the tool lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from model.base import Model
from model.engines import VENDORS
from model.problems import PATTERN_WORDS, Wrong
from model.waivers import Day, Reason, holds_on

_UNSEEN = "lets through text that no reviewer can see"
_UNNAMED = "is what the vendor says when it does not name what it found, so that everything would pass"
#: The rules that admit no exception, each with the reason.
NO_EXCEPTION: Final = {
    "hidden.tags": _UNSEEN,
    "hidden.variation_selectors": _UNSEEN,
    "hidden.selector_after_latin": _UNSEEN,
    "hidden.zero_width_run": _UNSEEN,
    "hidden.split_word": _UNSEEN,
    **{f"{vendor}.{label}": _UNNAMED for vendor in VENDORS for label in ("flagged", "malicious", "unnamed")},
}
#: The legs on which something of a kind has texts: its call or reading, and what the server returns.
LEGS: Final = {
    "tool": ("arguments", "results"),
    "prompt": ("arguments", "prompts"),
    "resource": ("arguments", "resources"),
}

#: The legs of a model route (`model.model_route.ModelLegs`).
MODEL_LEGS: Final = ("prompts", "tool_results", "definitions", "answers", "tool_calls")

#: The methods that name what an exception is for. In others (completions, notifications, answers) none holds.
KINDS: Final = {
    "tools/call": "tool",
    "prompts/get": "prompt",
    "resources/read": "resource",
    "resources/subscribe": "resource",
    "resources/unsubscribe": "resource",
    "chat/completions": "model",
    "responses": "model",
    "embeddings": "model",
}

#: Characters of a place; the audit log keeps as many of a pointer.
MAX_PLACE: Final = 1024

_RULE = r"^[a-z0-9_]+\.[A-Za-z0-9][A-Za-z0-9 _./:-]{0,99}$"
_PLACE = r"^(/[^/\x00-\x1f\x7f]*)+$"
PATTERN_WORDS[_RULE] = (
    "a rule such as injection.override, or a vendor's finding such as lakera.pii/email; `ringwall audit show` shows it"
)
PATTERN_WORDS[_PLACE] = "a JSON pointer such as /content/0/text, with * for any one step"


def _exceptable(rule: str) -> str:
    if rule in NO_EXCEPTION:
        raise Wrong(f"{rule} admits no exception: it {NO_EXCEPTION[rule]}", "remove the exception")
    return rule


Named = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
RuleName = Annotated[str, StringConstraints(pattern=_RULE), AfterValidator(_exceptable)]
Place = Annotated[str, StringConstraints(pattern=_PLACE, max_length=MAX_PLACE)]


def _stands_at(place: str | None, pointer: str) -> bool:
    """Whether a JSON pointer is the place of an exception; without a place every one is."""
    if place is None or place == pointer:
        return True
    steps, pattern = pointer.split("/"), place.split("/")
    return len(steps) == len(pattern) and all(
        expected in ("*", step) for step, expected in zip(steps, pattern, strict=True)
    )


class FindingException(Model):
    """A finding that does not block. Every further finding in the same message does."""

    tool: Named | None = Field(None, description="Exact name of the tool; or a prompt, or a resource.")
    prompt: Named | None = Field(None, description="Exact name of the prompt.")
    resource: Named | None = Field(None, description="Exact URI of the resource, or a URI template of the lock.")
    leg: Literal["arguments", "results", "prompts", "resources"] = Field(
        description="Where: arguments, and results of a tool, prompts of a prompt, resources of a resource."
    )
    rule: RuleName = Field(
        description="The rule, as `ringwall audit show` names it; a vendor's finding as ENGINE.FINDING."
    )
    place: Place | None = Field(
        None, description="Only at this JSON pointer, * for any one step; else anywhere in the message."
    )
    action: Literal["flag", "allow"] = Field(
        "flag", description="flag: it passes and still taints; allow: it passes and does not taint."
    )
    reason: Reason = Field(description="Why it is harmless here, and who decided it.")
    expires: Day = Field(description="Last day it holds, in UTC, quoted; the guard itself ends it.")

    @model_validator(mode="after")
    def _about_something(self) -> Self:
        kinds = [kind for kind in LEGS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise Wrong("must name exactly one of tool, prompt and resource", "remove the others, or add one")
        if self.leg not in LEGS[kinds[0]]:
            raise Wrong(f"a {kinds[0]} has no {self.leg}", f"write {' or '.join(LEGS[kinds[0]])}", ("leg",))
        return self

    @property
    def kind(self) -> str:
        """The kind of what it is for: tool, prompt or resource."""
        return next(kind for kind in LEGS if getattr(self, kind) is not None)

    @property
    def name(self) -> str:
        """The name or URI of what it is for."""
        return str(getattr(self, self.kind))

    def holds_on(self, today: date) -> bool:
        return holds_on(self.expires, today)

    def covers(self, pointer: str) -> bool:
        """Whether a finding at this JSON pointer stands where the exception holds."""
        return _stands_at(self.place, pointer)


class ModelFindingException(Model):
    """A finding that does not block on a model route. Every further finding in the same message does."""

    model: Named = Field(description="Public name of the model.")
    leg: Literal["prompts", "tool_results", "definitions", "answers", "tool_calls"] = Field(
        description="Where, as in guard.legs."
    )
    rule: RuleName = Field(
        description="The rule, as `ringwall audit show` names it; a vendor's finding as ENGINE.FINDING."
    )
    place: Place | None = Field(
        None, description="Only at this JSON pointer, * for any one step; else anywhere on that leg."
    )
    action: Literal["flag", "allow"] = Field(
        "flag",
        description="flag: it passes, and of a tool result the model may then ask for no tool call; allow: it passes as if "
        "nothing was found.",
    )
    reason: Reason = Field(description="Why it is harmless here, and who decided it.")
    expires: Day = Field(description="Last day it holds, in UTC, quoted; the guard itself ends it.")

    @property
    def kind(self) -> str:
        """The kind of what it is for."""
        return "model"

    @property
    def name(self) -> str:
        """The name of what it is for."""
        return self.model

    def holds_on(self, today: date) -> bool:
        return holds_on(self.expires, today)

    def covers(self, pointer: str) -> bool:
        """Whether a finding at this JSON pointer stands where the exception holds."""
        return _stands_at(self.place, pointer)


def is_place(pointer: str) -> bool:
    """Whether an exception can name this JSON pointer. The audit log cuts a longer one, which then points nowhere."""
    return len(pointer) <= MAX_PLACE and re.fullmatch(_PLACE, pointer) is not None


def rule_of(engine: str, rule: str) -> str:
    """A finding's rule as an exception names it."""
    return f"{engine}.{rule}" if engine in VENDORS else rule


def admits_exceptions(leg: str, method: str, rules: Iterable[str]) -> bool:
    """Whether exceptions could let pass what these rules (as `rule_of` writes them) match in a message of this method."""
    named = set(rules)
    kind = KINDS.get(method, "")
    legs: tuple[str, ...] = MODEL_LEGS if kind == "model" else LEGS.get(kind, ())
    return leg in legs and bool(named) and named.isdisjoint(NO_EXCEPTION)
