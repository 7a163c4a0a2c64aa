"""Rules for the fourth ring: nothing on the host listens beyond loopback, and the Kong node there opens nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from model.loopback import is_loopback
from model.origin_egress import refusal_of
from plan.findings import Severity
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, host_of, items, mapping

#: kong.conf keys that open a port of the node.
_LISTENERS: Final = (
    "proxy_listen",
    "admin_listen",
    "status_listen",
    "admin_gui_listen",
    "stream_listen",
    "cluster_listen",
)
#: What Kong opens beyond loopback where kong.conf is silent (Kong's `kong_defaults.lua`).
_DEFAULTS: Final = {"proxy_listen": "0.0.0.0:8000", "admin_gui_listen": "0.0.0.0:8002"}


@rule(
    id="origin-beyond-loopback",
    severity=Severity.ERROR,
    reason="A server bound beyond loopback is found by a port scan and answers without any ring: the attack Ringwall is"
    " made against.",
    remedy="bind the server to 127.0.0.1, a Unix socket or stdio, and name that as origin",
    source="MCP specification, security best practices: bind local servers to localhost",
    waivable=False,
)
def origin_beyond_loopback(subject: Subject) -> Iterator[Broken]:
    origins = [mapping((subject.guard or {}).get("origin"))]
    if subject.origin_resource is not None:
        origins.append(mapping(subject.origin_resource.inputs.get("origin")))
    for origin in origins:
        url = origin.get("url")
        if url is not None and not is_loopback(host_of(str(url))):
            yield Broken(f"is reached at {url}, which is not loopback", subject.origin_resource, key=("origin", "url"))
    for listener in items((subject.host_bundle or {}).get("listeners")):
        entry = mapping(listener)
        address = str(entry.get("address", ""))
        if entry.get("process") == "guard" and not is_loopback(host_of(address)):
            continue  # guard-beyond-loopback asks for its mutual TLS.
        if not address.startswith("/") and not is_loopback(host_of(address)):
            text = f"lets {entry.get('process')} listen on {address}"
            yield Broken(text, subject.origin_resource, key=("origin",))


@rule(
    id="origin-gateway-exposed",
    severity=Severity.ERROR,
    reason="Kong on the origin host listens for cloudflared only; beyond loopback it is reached without Access.",
    remedy="give every *_listen of the node 127.0.0.1, or off",
    source="Kong docs, kong.conf",
    waivable=False,
)
def gateway_exposed(subject: Subject) -> Iterator[Broken]:
    kong = mapping((subject.host_bundle or {}).get("kong"))
    settings = mapping(kong.get("settings"))
    for key in _LISTENERS if settings else ():
        for address in _addresses(settings.get(key, _DEFAULTS.get(key))):
            if not is_loopback(host_of(address)):
                yield Broken(f"lets the gateway's {key} be {address}", subject.origin_resource)
    if kong.get("role") == "data_plane" and settings.get("admin_listen") != "off":
        yield Broken("leaves the Admin API of a data plane on", subject.origin_resource)


@rule(
    id="origin-lua-sandbox",
    severity=Severity.ERROR,
    reason="The identity check needs cjson.safe and nothing else; a wider sandbox lets any pre-function reach the node.",
    remedy='set untrusted_lua_sandbox_requires to "cjson.safe"',
    source="run on Kong 3.9.3",
)
def lua_sandbox(subject: Subject) -> Iterator[Broken]:
    settings = mapping(mapping((subject.host_bundle or {}).get("kong")).get("settings"))
    if not settings:
        return
    requires = settings.get("untrusted_lua_sandbox_requires")
    if requires != "cjson.safe" or settings.get("untrusted_lua") == "on":
        yield Broken(f"gives gateway scripts {requires or 'no cjson.safe'}", subject.origin_resource)


@rule(
    id="origin-egress-inward",
    severity=Severity.ERROR,
    reason="A server that may call the host itself reaches the guard and its neighbours; one that may call the metadata"
    " service of a cloud takes the machine's credentials.",
    remedy="name hosts of the outside alone, each as NAME:PORT",
    source="MCP specification, security best practices: server-side request forgery; AWS, Google: instance metadata",
    waivable=False,
)
def egress_inward(subject: Subject) -> Iterator[Broken]:
    for entry in items((subject.host_bundle or {}).get("egress")):
        destination = mapping(entry)
        if destination.get("process") == "server" and (problem := refusal_of(str(destination.get("destination")))):
            text = f"lets the server call {destination.get('destination')}, which {problem}"
            yield Broken(text, subject.origin_resource, key=("origin", "egress"))


def _addresses(value: Any) -> list[str]:
    """``127.0.0.1:8000 reuseport, [::1]:8000`` without options; ``off`` is no address."""
    entries = [entry.split()[0] for entry in str(value or "off").split(",") if entry.split()]
    return [entry for entry in entries if entry != "off"]


RULES: Final[tuple[Rule, ...]] = (origin_beyond_loopback, gateway_exposed, lua_sandbox, egress_inward)
