"""Rules for an environment's MCP portal. Whether its name and its servers have applications is judged in `plan.exposure`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from plan.findings import Severity
from plan.protectors import MCP_PORTAL
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, items, mapping

_PORTALS: Final = "Cloudflare One docs, MCP server portals"


@rule(
    id="portal-tools-open",
    severity=Severity.ERROR,
    reason="A portal offers every tool of a server by default, those that it gains tomorrow too.",
    remedy="set default_disabled on the server and name the approved tools in updated_tools",
    source=_PORTALS + ", allowlist pattern",
    waivable=False,
)
def tools_open(subject: Subject) -> Iterator[Broken]:
    for portal in subject.graph.by_type(MCP_PORTAL):
        for server in items(portal.inputs.get("servers")):
            if mapping(server).get("defaultDisabled") is not True:
                yield Broken("offers a server whose new tools are on by themselves", portal, key=("portal", "servers"))


@rule(
    id="portal-code-mode",
    severity=Severity.ERROR,
    outside_production=Severity.WARNING,
    reason="In code mode a client runs a model's code at Cloudflare, and one approval there stands for any number of calls."
    " Left out of the portal, every client may switch it on.",
    remedy="remove portal.code_mode",
    source=_PORTALS + ", code mode",
)
def code_mode(subject: Subject) -> Iterator[Broken]:
    for portal in subject.graph.by_type(MCP_PORTAL):
        if (mode := portal.inputs.get("codeMode")) != "off":
            yield Broken(f"lets clients run code: {mode or 'opt_in'}", portal, key=("portal", "code_mode"))


@rule(
    id="portal-posture",
    severity=Severity.WARNING,
    reason="A portal knows no device client, and what a server asks of devices at its own name is not asked in the same way"
    " of a call through the portal: such a call may be refused, or come from a device that nobody looked at.",
    remedy="leave such servers out of portal.servers, or ask the same rules in portal.posture and waive this",
    source=_PORTALS + ", device authentication is not supported",
)
def posture(subject: Subject) -> Iterator[Broken]:
    environment = subject.environment
    if environment is None or subject.perimeter is not None or (portal := environment.settings.portal) is None:
        return
    for name in portal.published(environment.servers):
        if rules := sorted(environment.servers[name].manifest.posture):
            missing = sorted(set(rules) - set(portal.posture))
            ending = f", and the portal does not ask {', '.join(missing)}" if missing else ""
            yield Broken(
                f"{name} asks {', '.join(rules)} of devices at its own name{ending}", key=("portal", "servers")
            )


@rule(
    id="portal-shared",
    severity=Severity.INFO,
    reason="A server that the portal calls as an agent grants everybody in the portal what that agent may, and its audit log"
    " names the agent and no person.",
    remedy="nothing, if that is what you mean; else remove it from portal.shared, so that each person signs in to it",
    source=_PORTALS + ", require user auth",
)
def shared(subject: Subject) -> Iterator[Broken]:
    environment = subject.environment
    if environment is None or subject.perimeter is not None or (portal := environment.settings.portal) is None:
        return
    for name, agent in sorted(portal.shared.items()):
        yield Broken(f"{name} is called as agent {agent} for everybody in the portal", key=("portal", "shared", name))


RULES: Final[tuple[Rule, ...]] = (tools_open, code_mode, posture, shared)
