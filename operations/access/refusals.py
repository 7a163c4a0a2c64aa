"""The guard's refusal of a call in words, with the place in the files that decides it and the narrow change."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from guard.decide.policy import Policy
from guard.decide.reasons import Reason
from guard.inspect.verdict import Leg
from guard.models.policy import ModelPolicy
from model.finding_exceptions import FindingException, ModelFindingException
from model.name_patterns import literal, matches_any
from model.server import Grantees
from model.stacks import PerimeterStack, ServerStack
from model.text import visible
from model.tool_lock import EntryKind
from operations.access.answers import RingAnswer
from operations.access.places import FilePlace, lock_place, server_place
from operations.access.question import AccessQuestion, absence
from operations.access.visitor import Visitor
from operations.audit_entries import way_out

RING = "guard"
_SECTIONS: Mapping[str, EntryKind] = {"tool": "tools", "prompt": "prompts", "resource": "resources"}


def giving_grants(policy: Policy | ModelPolicy, numbers: Iterable[int], question: AccessQuestion) -> list[int]:
    """Those of the grants that give what is asked for, as the guard's configuration resolves them."""

    def gives(number: int) -> bool:
        named = getattr(policy.config.grants[number], section_of(question))
        return matches_any(named, question.name) if question.kind == "resource" else question.name in named

    return [number for number in numbers if gives(number)]


def section_of(question: AccessQuestion) -> str:
    """The key of a grant that gives what is asked for."""
    return _SECTIONS.get(question.kind, "models")


def absence_words(stack: PerimeterStack, question: AccessQuestion) -> str:
    """That a stack has nothing of this name."""
    owner = f"the lock of {stack.stack}" if isinstance(stack, ServerStack) else stack.stack
    return f"{owner} has no {question}, so nobody may use it"


def _risk(server: ServerStack, question: AccessQuestion) -> str:
    """The risk of the tool that is asked for; prompts and resources are read."""
    tool = server.lock.tool(question.name) if question.kind == "tool" else None
    return tool.risk if tool else "read"


def pinning(policy: Policy, question: AccessQuestion) -> list[tuple[EntryKind, str]]:
    """The lock's entries that pin what is asked for."""
    if question.kind != "resource":
        return [(_SECTIONS[question.kind], question.name)]
    return [
        ("resources" if kind == "resources" else "resource_templates", key)
        for kind, key in policy.pinning(question.name)
    ]


def grantees_of(grantees: Grantees) -> str:
    """To whom a grant applies, as the stack file says it."""
    if grantees.all:
        return "everyone admitted"
    members = {key: value for key, value in grantees if value}
    return "; ".join(f"{key}: {', '.join(value)}" for key, value in members.items())


def excepted(stack: PerimeterStack, kind: str, names: Collection[str]) -> list[RingAnswer]:
    """The exceptions from findings that hold today for something of a kind, under any of its names."""
    guard = stack.manifest.guard
    exceptions: Sequence[FindingException | ModelFindingException] = guard.exceptions if guard else ()
    answers = []
    for number, exception in enumerate(exceptions):
        if getattr(exception, kind, None) in names and exception.holds_on(datetime.now(UTC).date()):
            text = f"findings of {exception.rule} in {exception.leg} do not block, until {exception.expires}"
            answers.append(RingAnswer(RING, "note", text, server_place(stack, "guard", "exceptions", number)))
    return answers


def refusal(
    policy: Policy,
    server: ServerStack,
    visitor: Visitor,
    question: AccessQuestion,
    applying: tuple[int, ...],
    record: Mapping[str, Any],
) -> RingAnswer:
    """The answer of a guard that refused; `record` is its audit record, `applying` are the visitor's grants."""
    reason = record.get("reason")
    if reason in (Reason.NOT_GRANTED, Reason.NOT_IN_LOCK):
        missing = absence(question, server.lock, policy)
        if missing is not None:
            return _not_in_lock(server, question, missing)
        return _not_granted(policy, server, visitor, question, applying)
    if reason == Reason.ARGUMENTS:
        return _arguments(policy, server, question, applying, record)
    return stopped(server, record, _deciding_place(server, question, record))


def stopped(stack: PerimeterStack, record: Mapping[str, Any], place: FilePlace) -> RingAnswer:
    """The answer of a guard that let something stop a call which is granted: its engines, a limit."""
    reason = record.get("reason")
    # No log has the incident of a question.
    lines = way_out({key: value for key, value in record.items() if key != "incident"}, datetime.now(UTC).date())
    rules = ", ".join(dict.fromkeys(_rules(record)))
    text = f"refused for {reason}" + (f": {rules}" if rules else "")
    if record.get("problem"):
        text += f" ({visible(str(record['problem']))})"
    if "    guard:" in lines:
        # The YAML stands between two blank lines.
        begin = lines.index("    guard:")
        example = tuple(line.removeprefix("    ") for line in lines[begin : lines.index("", begin)])
        remedy = f"send something else, or except just this below {stack.config_key} of {stack.stack}; it still taints"
        return RingAnswer(RING, "refuses", text, place, remedy, example)
    return RingAnswer(RING, "refuses", text, place, " ".join(line.strip() for line in lines) or None)


def _rules(record: Mapping[str, Any]) -> list[str]:
    return [
        f"{finding.get('rule')} at {finding.get('pointer')}"
        for engine in record.get("engines", ())
        for finding in engine.get("findings", ())
    ]


def _deciding_place(server: ServerStack, question: AccessQuestion, record: Mapping[str, Any]) -> FilePlace:
    key = str(record.get("key") or "grants")
    if key == "tool_lock" or record.get("leg") == Leg.DEFINITIONS:
        return lock_place(server, _SECTIONS[question.kind], question.name)
    return server_place(server, *key.split("."))


def _not_in_lock(server: ServerStack, question: AccessQuestion, missing: str) -> RingAnswer:
    section = _SECTIONS[question.kind]
    left_out = {(entry.kind, entry.key): entry.reason for entry in server.lock.left_out}
    if reason := left_out.get((section, question.name)) or left_out.get((section, "")):
        missing = f"have the server corrected and run `ringwall lock approve {server.stack}`"
        text = f"the lock leaves {question} out: {visible(reason)}"
    else:
        text = absence_words(server, question)
        missing += f"; what the server offers now: `ringwall lock diff {server.stack}`"
    return RingAnswer(RING, "refuses", text, lock_place(server, section, question.name), missing)


def _not_granted(
    policy: Policy, server: ServerStack, visitor: Visitor, question: AccessQuestion, applying: tuple[int, ...]
) -> RingAnswer:
    if server.manifest.lockdown is not None:
        remedy = f"once it is safe, open it with `ringwall lockdown {server.stack} --lift`"
        return RingAnswer(RING, "refuses", "a closed server grants nothing", server_place(server, "lockdown"), remedy)
    risk, grants = _risk(server, question), server.manifest.grants
    for number in applying:
        if matches_any(getattr(grants[number], _SECTIONS[question.kind]), question.name):
            text = f"grant {number + 1} names {question}, and is read-only while the lock says risk: {risk}"
            remedy = f"if that is meant, write read_only: false in grant {number + 1}"
            return RingAnswer(RING, "refuses", text, server_place(server, "grants", number), remedy)
    example = narrow_grant(visitor, question, writes=risk != "read")
    remedy = f"add this grant to {server.stack}"
    if giving := giving_grants(policy, range(len(grants)), question):
        number = giving[0]
        text = f"grant {number + 1} gives {question} to {grantees_of(grants[number].to)} alone"
        return RingAnswer(RING, "refuses", text, server_place(server, "grants", number), remedy, example)
    text = f"no grant gives {question} to anybody"
    return RingAnswer(RING, "refuses", text, server_place(server, "grants"), remedy, example)


def narrow_grant(visitor: Visitor, question: AccessQuestion, *, writes: bool = False) -> tuple[str, ...]:
    """The narrowest grant that gives the visitor what is asked for, as it stands in the stack file."""
    if visitor.through:
        key, name = "hosted_clients", visitor.through
    else:
        key, name = ("agents" if visitor.kind == "agent" else "emails"), visitor.name
    named = json.dumps(literal(question.name), ensure_ascii=False)
    lines = (f"- to: {{{key}: [{json.dumps(name)}]}}", f"  {section_of(question)}: [{named}]")
    return (*lines, "  read_only: false") if writes else lines


def _arguments(
    policy: Policy, server: ServerStack, question: AccessQuestion, applying: tuple[int, ...], record: Mapping[str, Any]
) -> RingAnswer:
    problem = visible(str(record.get("problem")))
    if record.get("key") != "grants":
        text = f"the arguments do not fit the pinned schema: {problem}"
        return RingAnswer(RING, "refuses", text, lock_place(server, "tools", question.name), "correct the arguments")
    number = giving_grants(policy, applying, question)[-1]
    text = f"no grant allows these arguments: {problem}"
    place = server_place(server, "grants", number, "arguments", question.name)
    return RingAnswer(RING, "refuses", text, place, f"send other arguments, or widen the schema in grant {number + 1}")
