"""Proves on the plan that an MCP portal's name, and each server behind it, has an Access application with policies.

A portal is Cloudflare's own service, so its name leads to no tunnel and no gateway of the stack. What it calls are the
servers' own public names, which their own stacks prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from model.portal import PORTAL_TARGET
from plan.exposed import app_hosts, exposed, linked
from plan.findings import Finding
from plan.graph import Graph, Resource
from plan.protectors import ACCESS_APPLICATION, MCP_PORTAL, MCP_SERVER
from plan.values import Json, is_marker, is_unknown, symbol


def leads_to_portal(record: Resource) -> bool:
    return record.inputs.get("content") == PORTAL_TARGET


def check_portal_record(graph: Graph, record: Resource) -> Iterator[Finding]:
    """What leaves the portal's name, or a server that it offers, without its application."""
    name = record.inputs.get("name")
    if record.inputs.get("type") != "CNAME":
        yield exposed("dns-target", record, "leads to a portal and is no CNAME", "make it a CNAME")
    if record.inputs.get("proxied") is not True:
        yield exposed(
            "dns-proxied", record, "is not proxied, so requests would not pass Cloudflare Access", "set proxied to true"
        )
    covering = [
        app
        for app in graph.by_type(ACCESS_APPLICATION)
        if app.inputs.get("type") == "mcp_portal"
        and isinstance(name, str)
        and any(fnmatchcase(name, host) for host in app_hosts(app))
    ]
    if not any(has_policies(app.inputs) for app in covering):
        yield exposed(
            "portal",
            record,
            f"publishes {name}, which no mcp_portal application with policies covers",
            "declare that application in the same stack, with the policies of the portal's people and agents",
        )
    portals = [portal for portal in graph.by_type(MCP_PORTAL) if portal.inputs.get("hostname") == name]
    if not portals:
        yield exposed(
            "portal",
            record,
            f"publishes {name}, and the stack declares no portal of that name",
            "declare the portal in the stack that names it",
        )
    for portal in portals:
        yield from _offered(graph, portal)


def _offered(graph: Graph, portal: Resource) -> Iterator[Finding]:
    servers = offers(portal.inputs)
    if servers is None:
        yield exposed("portal", portal, "offers servers that the plan cannot read", "give them as a plain list")
        return
    ids = {symbol(server.name, "id") for server in linked(graph, portal, "servers", MCP_SERVER)}
    covered = {
        id_ for app in graph.by_type(ACCESS_APPLICATION) if has_policies(app.inputs) for id_ in covers(app.inputs)
    }
    # Without symbolic ids nothing tells which server is meant; how many there are does.
    unreadable = sum(is_unknown(id_) for id_ in servers)
    applications = [app for app in graph.by_type(ACCESS_APPLICATION) if app.inputs.get("type") == "mcp"]
    if unreadable > min(len(ids), sum(has_policies(app.inputs) for app in applications)):
        yield exposed(
            "portal",
            portal,
            "offers more servers than the stack has mcp applications with policies",
            "declare one for each server",
        )
    for id_ in servers:
        if is_unknown(id_):
            continue
        if id_ not in ids:
            yield exposed(
                "portal",
                portal,
                f"offers the server {id_}, which is not in this stack",
                "take the id from a server declared in the same stack",
            )
        elif id_ not in covered:
            yield exposed(
                "portal",
                portal,
                f"offers the server {id_}, which no mcp application with policies covers",
                "declare an application of type mcp with the server as its destination, and with policies",
            )


def offers(portal: Mapping[str, Json]) -> list[Json] | None:
    """The ids of the servers that a portal offers; None where they cannot be read."""
    servers = portal.get("servers", [])
    if not isinstance(servers, list):
        return None
    readable = [server for server in servers if isinstance(server, Mapping) and not is_marker(server)]
    return [server.get("serverId") for server in readable] if len(readable) == len(servers) else None


def covers(application: Mapping[str, Json]) -> list[str]:
    """The ids of the portal's servers that an application stands before."""
    destinations = application.get("destinations")
    return [
        str(destination.get("mcpServerId"))
        for destination in (destinations if isinstance(destinations, list) else [])
        if isinstance(destination, Mapping) and destination.get("type") == "via_mcp_server_portal"
    ]


def has_policies(application: Mapping[str, Json]) -> bool:
    policies = application.get("policies")
    return is_unknown(policies) or (isinstance(policies, list) and bool(policies))
