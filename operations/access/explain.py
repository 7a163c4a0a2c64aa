"""Every ring's answer to one call, in the order in which it meets them: edge, gateway, guard, origin. Offline."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.gateway.flood import flood_kilobytes, flood_requests
from model.parameter_kinds import kinds_in_force
from model.stacks import ServerStack
from model.strict_arguments import names_only_some
from model.text import visible
from model.tool_lock import ToolEntry
from operations.access.answers import RingAnswer
from operations.access.edge import edge_answers
from operations.access.places import environment_place, lock_place, server_place
from operations.access.question import AccessQuestion
from operations.access.refusals import RING, giving_grants, grantees_of, pinning, refusal
from operations.access.rehearsal import GuardAnswer, Rehearsal, rehearsal_of
from operations.access.visitor import Visitor


@dataclass(frozen=True)
class Explanation:
    """The answers of all rings. Each is given also where an earlier ring refuses, so that all obstacles are known."""

    stack: str
    visitor: Visitor
    question: AccessQuestion
    answers: tuple[RingAnswer, ...]

    @property
    def allowed(self) -> bool:
        return all(answer.effect != "refuses" for answer in self.answers)

    def as_json(self, root: Path) -> dict[str, Any]:
        return {
            "version": 1,
            "stack": self.stack,
            "principal": str(self.visitor),
            "groups": [group.group for group in self.visitor.groups],
            "kind": self.question.kind,
            "name": self.question.name,
            "allowed": self.allowed,
            "answers": [answer.as_json(root) for answer in self.answers],
        }


def explain(server: ServerStack, visitor: Visitor, question: AccessQuestion) -> Explanation:
    """Ask every ring; raises InputError where the guard would not start with these files."""
    return asyncio.run(_explain(server, visitor, question))


async def _explain(server: ServerStack, visitor: Visitor, question: AccessQuestion) -> Explanation:
    async with rehearsal_of(server) as rehearsal:
        return await explanation_of(rehearsal, server, visitor, question)


async def explanation_of(
    rehearsal: Rehearsal, server: ServerStack, visitor: Visitor, question: AccessQuestion
) -> Explanation:
    """As `explain`, by a guard that is open already."""
    answer = await rehearsal.ask(visitor, question)
    answers = [
        *edge_answers(server, visitor),
        *_gateway_answers(server, visitor, answer.size),
        *_guard_answers(rehearsal, server, visitor, question, answer),
    ]
    if answer.passes:
        answers += _origin_answers(server, question, answer)
    return Explanation(server.stack, visitor, question, tuple(answers))


# -- gateway ----------------------------------------------------------------------------------------------------------


def _gateway_answers(server: ServerStack, visitor: Visitor, size: int) -> list[RingAnswer]:
    manifest, settings = server.manifest, server.settings
    answers = []
    if manifest.oauth.mode == "external" and manifest.oauth.issuer:
        scopes = f" and scopes {', '.join(manifest.oauth.scopes)}" if manifest.oauth.scopes else ""
        text = (
            f"needs a token of {settings.issuers[manifest.oauth.issuer].issuer} for {manifest.oauth.audience}{scopes}"
        )
        answers.append(RingAnswer("gateway", "depends", text, server_place(server, "oauth")))
    else:
        text = f"Kong checks the Access token of {settings.cloudflare.issuer} for this host name"
        answers.append(RingAnswer("gateway", "passes", text, environment_place(server, "cloudflare", "team")))
    limits, most = manifest.limits, flood_kilobytes(manifest.limits.body_kilobytes)
    place = server_place(server, "limits", "body_kilobytes")
    if size > most * 1024:
        remedy = f"raise {place.key}, or send less"
        answers.append(RingAnswer("gateway", "refuses", f"{size} bytes, more than {most} KiB", place, remedy))
    minute, hour = flood_requests(limits.requests_per_minute), flood_requests(limits.requests_per_hour, periods=60)
    text = f"cuts off a flood: above {minute} requests a minute or {hour} an hour of one caller"
    answers.append(RingAnswer("gateway", "note", text, server_place(server, "limits", "requests_per_minute")))
    return answers


# -- guard ------------------------------------------------------------------------------------------------------------


def _guard_answers(
    rehearsal: Rehearsal, server: ServerStack, visitor: Visitor, question: AccessQuestion, answer: GuardAnswer
) -> list[RingAnswer]:
    if answer.record is not None:
        return [refusal(rehearsal.policy, server, visitor, question, answer.grants, answer.record)]
    answers = []
    for number in giving_grants(rehearsal.policy, answer.grants, question):
        text = f"grant {number + 1} gives {question} to {grantees_of(server.manifest.grants[number].to)}"
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
    return answers


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
    return answers


def _locked(server: ServerStack, question: AccessQuestion) -> ToolEntry | None:
    return server.lock.tool(question.name) if question.kind == "tool" else None


# -- origin -----------------------------------------------------------------------------------------------------------


def _origin_answers(server: ServerStack, question: AccessQuestion, answer: GuardAnswer) -> list[RingAnswer]:
    origin = server.manifest.origin
    address = origin.url or origin.socket or f"the command {origin.command[0] if origin.command else ''}"
    answers = [RingAnswer("origin", "passes", f"the call goes to {address}", server_place(server, "origin"))]
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
