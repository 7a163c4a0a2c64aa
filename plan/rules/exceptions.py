"""Rules for `guard.exceptions`: an exception is in force, and lets pass something that there is.

What an exception can say at all is in `model.finding_exceptions`; what it changes is decided by the guard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any, Final

from model.detection_rules import DETECTION_RULES
from model.engines import VENDORS
from model.finding_exceptions import LEGS
from model.suggestions import nearest
from model.waivers import holds_on
from plan.findings import Severity
from plan.rules.rule import Broken, Key, Rule, rule
from plan.rules.subject import Subject, items, mapping

#: Days before its end in which an exception is a warning, so that somebody decides before calls are blocked again.
ENDING_DAYS: Final = 14
_SOURCE: Final = "Ringwall's exceptions, docs/howto/allow-a-blocked-call.md"


@rule(
    id="guard-exception-expired",
    severity=Severity.ERROR,
    reason="The exception was granted until a day that has passed. The guard blocks again what it let pass.",
    remedy="remove it, or have a new date reviewed",
    source=_SOURCE,
    waivable=False,
)
def exception_expired(subject: Subject) -> Iterator[Broken]:
    for key, exception in _exceptions(subject):
        if not holds_on(exception["expires"], subject.today):
            yield Broken(
                f"no longer lets {_shown(exception)} pass: it ended on {exception['expires']}",
                subject.guard_resource,
                key=key,
            )


@rule(
    id="guard-exception-ending",
    severity=Severity.WARNING,
    reason=f"An exception that ends within {ENDING_DAYS} days blocks calls again that somebody relies on.",
    remedy="have a later date reviewed, or let it end",
    source=_SOURCE,
)
def exception_ending(subject: Subject) -> Iterator[Broken]:
    for key, exception in _exceptions(subject):
        expires = exception["expires"]
        if holds_on(expires, subject.today) and not holds_on(expires, subject.today + timedelta(days=ENDING_DAYS)):
            days = (date.fromisoformat(expires) - subject.today).days
            time_left = f"in {days} days" if days > 1 else "tomorrow" if days == 1 else "today"
            yield Broken(f"lets {_shown(exception)} pass, which ends {time_left}", subject.guard_resource, key=key)


@rule(
    id="guard-exception-unused",
    severity=Severity.ERROR,
    reason="An exception for what the lock or the engines do not have lets nothing pass that somebody waits for, and would"
    " hold for whatever a server later offers under that name. One on a leg that blocks nothing would hide a later block.",
    remedy="correct it, or remove it",
    source=_SOURCE,
)
def exception_unused(subject: Subject) -> Iterator[Broken]:
    lock = mapping((subject.guard or {}).get("tool_lock"))
    settings = mapping((subject.guard or {}).get("guard"))
    engines, legs = mapping(settings.get("engines")), mapping(settings.get("legs"))
    for key, exception in _exceptions(subject):
        kind = _kind(exception)
        problem = (
            _unknown_name(lock, kind, exception[kind]) or _unknown_rule(engines, exception) or _idle(legs, exception)
        )
        if problem is not None:
            text, remedy = problem
            yield Broken(f"lets {_shown(exception)} pass, but {text}", subject.guard_resource, remedy, key)


def _exceptions(subject: Subject) -> Iterator[tuple[Key, dict[str, Any]]]:
    settings = mapping((subject.guard or {}).get("guard"))
    for number, exception in enumerate(items(settings.get("exceptions"))):
        yield ("guard", "exceptions", number), dict(exception)


def _kind(exception: dict[str, Any]) -> str:
    return next(kind for kind in LEGS if exception.get(kind) is not None)


def _shown(exception: dict[str, Any]) -> str:
    kind = _kind(exception)
    return f"{exception['rule']} in {exception['leg']} of {kind} {exception[kind]}"


def _unknown_name(lock: Any, kind: str, name: str) -> tuple[str, str | None] | None:
    keys = {
        "tool": (("tools", "name"),),
        "prompt": (("prompts", "name"),),
        "resource": (("resources", "uri"), ("resource_templates", "uri_template")),
    }
    known = [str(mapping(entry).get(key)) for part, key in keys[kind] for entry in items(lock.get(part))]
    # A URI that is made from a locked template is in no lock; the guard decides whether it matches one.
    if name in known or (kind == "resource" and items(lock.get("resource_templates"))):
        return None
    return f"the lock has no {kind} {name}", _meant(name, known)


def _unknown_rule(engines: Any, exception: dict[str, Any]) -> tuple[str, str | None] | None:
    rule_id = exception["rule"]
    vendor = rule_id.partition(".")[0]
    if vendor in VENDORS:
        return None if engines.get(vendor) is not None else (f"the stack has no engine {vendor}", None)
    legs = DETECTION_RULES.get(rule_id)
    if legs is None:
        return f"no engine has a rule {rule_id}", _meant(rule_id, DETECTION_RULES)
    if exception["leg"] not in legs:
        return f"that rule matches nothing in {exception['leg']}", f"it matches in {', '.join(legs)}"
    return None if engines.get("embedded") is not None else ("the stack has no engine embedded", None)


def _idle(legs: Any, exception: dict[str, Any]) -> tuple[str, str | None] | None:
    # With `allow` it has an effect there too: the finding does not taint.
    if legs.get(exception["leg"]) == "flag" and exception["action"] == "flag":
        return f"every finding in {exception['leg']} passes flagged", "block on that leg, or remove the exception"
    return None


def _meant(name: str, known: Iterable[str]) -> str | None:
    close = nearest(name, known)
    return f"did you mean {close}?" if close else None


RULES: Final[tuple[Rule, ...]] = (exception_expired, exception_ending, exception_unused)
