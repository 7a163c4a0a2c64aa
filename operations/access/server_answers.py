"""What an MCP server's guard and the server itself say to one call."""

from __future__ import annotations

from model.parameter_kinds import kinds_in_force
from model.stacks import ServerStack
from model.strict_arguments import names_only_some
from model.text import visible
from model.tool_lock import ToolEntry
from operations.access.answers import RingAnswer
from operations.access.places import lock_place, server_place
from operations.access.question import AccessQuestion
from operations.access.refusals import RING, excepted, giving_grants, grantees_of, pinning, refusal
from operations.access.rehearsal import GuardAnswer, Rehearsal
from operations.access.settings_answers import settings_answers
from operations.access.visitor import Visitor
from plan.grant_words import budget_words


def server_answers(
    rehearsal: Rehearsal, visitor: Visitor, question: AccessQuestion, answer: GuardAnswer
) -> list[RingAnswer]:
    """The answers of guard and origin, given what the guard decided."""
    server = rehearsal.stack
    if answer.record is not None:
        return [refusal(rehearsal.policy, server, visitor, question, answer.grants, answer.record)]
    return [
        *_guard_answers(rehearsal, visitor, question, answer),
        *_origin_answers(server, question, answer),
    ]


def _guard_answers(
    rehearsal: Rehearsal, visitor: Visitor, question: AccessQuestion, answer: GuardAnswer
) -> list[RingAnswer]:
    server, answers = rehearsal.stack, []
    for number in giving_grants(rehearsal.policy, answer.grants, question):
        grant = server.manifest.grants[number]
        text = f"grant {number + 1} gives {question} to {grantees_of(grant.to)}"
        if words := budget_words(grant.limits.dump()):
            text += f", each at most {words}"
        answers.append(RingAnswer(RING, "passes", text, server_place(server, "grants", number)))
    for kind, key in pinning(rehearsal.policy, question):
        answers.append(RingAnswer(RING, "passes", "the lock pins it", lock_place(server, kind, key)))
    if (tool := _locked(server, question)) is not None:
        answers += _conditions_of_tool(rehearsal, server, visitor, tool, question)
    if question.arguments is not None and server.manifest.guard.engines.embedded is not None:
        place = server_place(server, "guard", "legs", "arguments")
        answers.append(RingAnswer(RING, "passes", "the guard's own rules stop nothing in these arguments", place))
    if vendors := [name for name in server.manifest.guard.engines.names if name not in ("embedded", "model")]:
        text = f"{' and '.join(vendors)} must pass the arguments too; no vendor was asked"
        answers.append(RingAnswer(RING, "depends", text, server_place(server, "guard", "engines")))
    names = {question.name, *(key for _, key in pinning(rehearsal.policy, question))}
    return [*answers, *excepted(server, question.kind, names), *settings_answers(server, RING)]


def _conditions_of_tool(
    rehearsal: Rehearsal, server: ServerStack, visitor: Visitor, tool: ToolEntry, question: AccessQuestion
) -> list[RingAnswer]:
    manifest, place = server.manifest, lock_place(server, "tools", tool.name)
    right = rehearsal.policy.grants.rights(visitor.principal).tools[tool.name]
    answers = []
    if question.arguments is None:
        answers.append(RingAnswer(RING, "depends", "its arguments must fit the pinned schema; none were given", place))
        for number, grant in enumerate(manifest.grants):
            if right.constraints and tool.name in grant.arguments:
                text = f"grant {number + 1} allows only arguments that fit its own schema"
                answers.append(
                    RingAnswer(RING, "depends", text, server_place(server, "grants", number, "arguments", tool.name))
                )
    else:
        fit = "the arguments fit the pinned schema" + (" and a grant's own" if right.constraints else "")
        kinds = ", ".join(f"{pointer} is a {kind}" for pointer, kind in sorted(kinds_in_force(tool).items()))
        answers.append(RingAnswer(RING, "passes", f"{fit} ({kinds})" if kinds else fit, place))
    if tool.outbound and manifest.guard.taint.outbound_call != "allow":
        elicited = "put to the person, and refused where the client cannot ask,"
        happens = "refused" if manifest.guard.taint.outbound_call == "block" else elicited
        text = f"it can send data out, so it is {happens} for {manifest.guard.taint.window} after untrusted text"
        answers.append(RingAnswer(RING, "note", text, server_place(server, "guard", "taint", "outbound_call")))
    limits = manifest.limits
    most = f"{limits.requests_per_minute} requests a minute of one caller"
    if right.requests_per_minute is not None:
        most += f", {right.requests_per_minute} of them of this tool"
    answers.append(RingAnswer(RING, "note", f"at most {most}", server_place(server, "limits", "requests_per_minute")))
    if words := budget_words(limits.tools[tool.name].dump() if tool.name in limits.tools else None):
        text = f"at most {words}, of this tool and one caller"
        answers.append(RingAnswer(RING, "note", text, server_place(server, "limits", "tools", tool.name)))
    return answers


def _locked(server: ServerStack, question: AccessQuestion) -> ToolEntry | None:
    return server.lock.tool(question.name) if question.kind == "tool" else None


def _origin_answers(server: ServerStack, question: AccessQuestion, answer: GuardAnswer) -> list[RingAnswer]:
    origin = server.manifest.origin
    address = origin.url or origin.socket or f"the command {origin.command[0] if origin.command else ''}"
    answers = [RingAnswer("origin", "passes", f"the call goes to {address}", server_place(server, "origin"))]
    answers += settings_answers(server, "origin")
    params = answer.body.get("params", {}) if answer.body is not None else {}
    if question.arguments is not None and params.get("arguments", {}) != question.arguments:
        changed = sorted(
            name for name, value in params.get("arguments", {}).items() if question.arguments.get(name) != value
        )
        text = f"the guard fills in or redacts: {', '.join(map(visible, changed))}"
        answers.append(RingAnswer("origin", "note", text))
    tool = _locked(server, question)
    for pattern in tool.left_to_server if tool else ():
        text = f"the guard leaves {visible(pattern)} of the schema to the server"
        answers.append(RingAnswer("origin", "note", text, lock_place(server, "tools", question.name)))
    if tool and not server.lock.is_strict(tool) and names_only_some(tool.definition.get("inputSchema")):
        text = "arguments that the schema does not name reach the server; with strict_arguments the guard refuses them"
        answers.append(RingAnswer("origin", "note", text, lock_place(server, "tools", question.name)))
    return answers
