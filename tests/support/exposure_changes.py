"""The kinds of change that a running server, a model route, a portal and a whole example go through, as edits of stack files
and runs of the engine. `tests.support.exposure_rehearsal` runs them."""

from __future__ import annotations

from dataclasses import dataclass, field

from model.kong_versions import RECOMMENDED
from tests.support.model_routes import GUARDLESS, ROUTE

#: A stack file and what is written over in it, or the name of an edit of the whole text.
Edit = tuple[str, str, str]
LOCK, LIFT, SECRET, KEY, WRITE = "lock", "lift", "secret", "key", "write"


@dataclass(frozen=True)
class Change:
    """One kind of change.

    `before` is edited into the files ahead of the first deployment, `edits` afterwards. `runs` are operations on stacks,
    in order, as somebody would run them; those in `fails` are expected to be refused by a provider. `deployed` are the
    stacks that are up before the change; none where it begins with nothing. `example` is a folder of `examples/` that stands
    in for the tests' project; `program` one whose program runs beside it and has the server `tickets` as a component.
    Without `lost_answers` those are left to `created`, whose operations at the edge it has.
    """

    name: str
    edits: tuple[Edit, ...] = ()
    runs: tuple[str, ...] = ("up dev.one",)
    before: tuple[Edit, ...] = ()
    fails: dict[str, str] = field(default_factory=dict, hash=False)
    connected: bool = False
    deployed: tuple[str, ...] = ("dev", "dev.one")
    example: str = ""
    program: str = ""
    lost_answers: bool = True


ONE, DEV, MODELS = "dev.one", "dev", "dev.models"
ALL = ("up dev", "up dev.one", "up dev")
ADDED = """\
      hosted_clients:
        claude-ai:
          hostname: one-claude.example.com
          people:
            groups: [engineers]
    posture: [encrypted]
"""
EXTERNAL = """\
    oauth:
      mode: external
      issuer: keycloak
      audience: https://one.example.com/mcp
      scopes: [tickets.read]
    posture: [encrypted]
"""
HOSTED: Edit = (ONE, "    posture: [encrypted]\n", ADDED)
OWN_ISSUER: Edit = (ONE, "    posture: [encrypted]\n", EXTERNAL)
NO_AGENTS: tuple[Edit, ...] = (
    (ONE, "      agents: [ci]\n", ""),
    (ONE, "      - to: {agents: [ci]}\n        tools: [create_ticket]\n        read_only: false\n", ""),
)
URL, COMMAND = "url: http://127.0.0.1:3000/mcp", "command: [node, server.js]"
STDIO: Edit = (ONE, URL, COMMAND)
HYBRID: tuple[Edit, ...] = (
    (DEV, "topology: colocated", "topology: hybrid"),
    (DEV, "http://127.0.0.1:8001", "https://kong.example.net:8444"),
)
_KONG = "https://kong.example.net:8444"
ENTERPRISE: Edit = (DEV, _KONG, f'{_KONG}\n      edition: enterprise\n      version: "{RECOMMENDED["enterprise"]}"')
AI: Edit = (
    DEV,
    f'edition: enterprise\n      version: "{RECOMMENDED["enterprise"]}"',
    f'edition: ai\n      version: "{RECOMMENDED["ai"]}"',
)
#: What the gateway proves itself by; it is there beforehand.
CERTIFICATE = "11111111-2222-3333-4444-555555555555"
CENTRAL: tuple[Edit, ...] = (
    (DEV, "topology: hybrid", "topology: central"),
    (DEV, "dev-1: {}", "dev-1: {guard_address: guard-1.example.net}"),
    (DEV, "gateway_port: 8010", "guard_address: guard-2.example.net"),
    (
        DEV,
        _KONG,
        f"{_KONG}\n      mutual_tls:\n        client_certificate_id: {CERTIFICATE}\n"
        "        ca_certificate_ids: [11111111-2222-3333-4444-666666666666]",
    ),
)
#: The key is set as a user would set it.
_ROUTE_TEXT = ROUTE[: ROUTE.index("  ringwall:guardKey")] + ROUTE[ROUTE.index("  ringwall:model:") :]
MODEL_ROUTE: tuple[Edit, ...] = ((MODELS, WRITE, _ROUTE_TEXT), (MODELS, KEY, ""))
#: The same route on edition ai: behind a guard, and without one.
_NO_GUARD = GUARDLESS[GUARDLESS.index("    guard: none\n") : GUARDLESS.index("    models:\n")]
GUARD_OFF: tuple[Edit, ...] = (
    (MODELS, "    guard_port: 9040\n    guard_key: {file: /etc/ringwall/dev.models/guard-key}\n", _NO_GUARD),
    (MODELS, "      all: {tokens_per_minute: 100000}\n", "      all: {}\n"),
)
_GUARDED_TEXT = GUARDLESS.replace(GUARD_OFF[0][2], GUARD_OFF[0][1]).replace(GUARD_OFF[1][2], GUARD_OFF[1][1])
GUARDED_ROUTE: tuple[Edit, ...] = (*HYBRID, ENTERPRISE, AI, (MODELS, WRITE, _GUARDED_TEXT), (MODELS, KEY, ""))
_LOGS = "    logs:\n"
PORTAL: Edit = (
    DEV,
    _LOGS,
    "    portal:\n      hostname: mcp.example.com\n      servers: all\n      people: {groups: [engineers]}\n" + _LOGS,
)
RENAMED: Edit = (ONE, "hostname: one.example.com", "hostname: uno.example.com")


def _back(edit: Edit) -> Edit:
    stack, old, new = edit
    return stack, new, old


#: A policy that the environment no longer wants is still attached to the server that has not moved on.
IN_USE = "still uses this ZeroTrustAccessPolicy"

#: Cloudflare's codes for what `step-order` foresees.
STOPPED = ("1013", "81053")

#: The examples with stacks of their own: their servers and model routes.
_EXAMPLES = {
    "production": ("prod.tickets", "prod.models"),
    "enterprise": ("prod.tickets", "prod.models"),
    "ai": ("prod.tickets", "prod.models", "prod.vectors"),
}
#: Those that are a program which uses Ringwall as a package.
_PROGRAMS = ("python", "yaml")


def _example_changes(name: str, servers: tuple[str, ...]) -> tuple[Change, ...]:
    """What an example goes through. A value that nobody's passphrase opens stands in its model routes' files."""
    stacks = ("prod", *servers)
    keys = tuple((stack, KEY, "") for stack in servers if stack != "prod.tickets")
    title = f"example {name}"
    ups = tuple(f"up {stack}" for stack in stacks)
    closed: tuple[Edit, ...] = tuple((stack, LOCK, "") for stack in servers)
    opened: tuple[Edit, ...] = tuple((stack, LIFT, "") for stack in servers)
    return (
        Change(f"{title} created", runs=ups, before=keys, deployed=(), example=name, lost_answers=False),
        Change(
            f"{title}'s host name changed",
            (("prod.models", "hostname: models.example.com", "hostname: llm.example.com"),),
            ("up prod.models",),
            before=keys,
            fails={"up prod.models": "models-edge-application"},
            deployed=stacks,
            example=name,
        ),
        Change(f"{title} closed by lockdown", closed, ups[1:], before=keys, deployed=stacks, example=name),
        Change(f"{title} opened again", opened, ups[1:], before=(*keys, *closed), deployed=stacks, example=name),
    )


def _program_changes(name: str) -> tuple[Change, ...]:
    """What a program of the server `tickets` goes through; its stack is named after the example."""
    title = f"example {name}"
    moved: Edit = ("dev.tickets", "hostname: tickets.example.com", "hostname: desk.example.com")
    return (
        Change(f"{title} created", runs=(f"up {name}",), deployed=("dev",), program=name, lost_answers=False),
        Change(f"{title}'s host name changed", (moved,), (f"up {name}",), deployed=("dev", name), program=name),
        Change(f"{title} destroyed", runs=(f"destroy {name}",), deployed=("dev", name), program=name),
    )


CHANGES: tuple[Change, ...] = (
    Change("created", runs=("up dev", "up dev.one"), deployed=()),
    Change("host name changed", (RENAMED,)),
    Change("host name added", (HOSTED,), ALL),
    Change("host name removed", (_back(HOSTED),), ALL, before=(HOSTED,), fails={"up dev": IN_USE}),
    Change(
        "hosted client's host name changed",
        ((ONE, "one-claude.example.com", "one-ai.example.com"),),
        before=(HOSTED,),
    ),
    Change(
        "both host names changed",
        (RENAMED, (ONE, "one-claude.example.com", "one-ai.example.com")),
        before=(HOSTED,),
    ),
    Change(
        "two names swapped",
        (
            (ONE, "hostname: one.example.com", "hostname: one-swapped.example.com"),
            (ONE, "one-claude.example.com", "one.example.com"),
            (ONE, "one-swapped.example.com", "one-claude.example.com"),
        ),
        before=(HOSTED,),
        fails={"up dev.one": "81053"},
    ),
    Change(
        "another zone",
        (
            (DEV, "zone: example.com", "zone: example.net"),
            (DEV, 'zone_id: "0bf2', 'zone_id: "0cf2'),
            (ONE, "one.example.com", "one.example.net"),
        ),
        ALL,
    ),
    Change("another account", ((DEV, 'account_id: "0af1', 'account_id: "0bf1'),), ALL, fails={"up dev": IN_USE}),
    Change("guard port changed", ((ONE, "guard_port: 9010", "guard_port: 9020"),)),
    Change("gateway's listener changed", ((DEV, "dev-1: {}", "dev-1: {gateway_port: 8020}"),), ALL),
    Change("origin moved to a socket", ((ONE, "url: http://127.0.0.1:3000/mcp", "socket: /run/mcp.sock"),)),
    Change("moved to another host", ((ONE, "host: dev-1", "host: dev-2"),)),
    Change("path changed", ((ONE, "    guard_port:", "    path: /tools\n    guard_port:"),)),
    Change(
        "people changed", ((ONE, "groups: [engineers]", "emails: [ada@example.com]"),), ALL, fails={"up dev": IN_USE}
    ),
    Change("a group's people changed", ((DEV, "domains: [example.com]", "domains: [example.org]"),), ALL),
    Change(
        "countries changed",
        ((DEV, "countries: [NO, SE]\n    identity", "countries: [NO]\n    identity"),),
        ALL,
        fails={"up dev": IN_USE},
    ),
    Change("device posture dropped", ((ONE, "    posture: [encrypted]\n", ""),), ALL, fails={"up dev": IN_USE}),
    Change("an agent taken off", NO_AGENTS),
    Change("an agent's addresses changed", ((DEV, "addresses: [192.0.2.0/24]", "addresses: [198.51.100.0/24]"),), ALL),
    Change("sign-in by an issuer of one's own", (OWN_ISSUER, *NO_AGENTS)),
    Change("sign-in by Access again", (_back(OWN_ISSUER),), before=(*NO_AGENTS, OWN_ISSUER)),
    Change(
        "limits changed", ((ONE, "    guard_port:", "    limits:\n      requests_per_minute: 30\n    guard_port:"),)
    ),
    Change(
        "tunnel managed on its host",
        ((DEV, "dev-1: {}", "dev-1: {tunnel: local}"), (ONE, SECRET, "")),
        ALL,
        fails={"up dev.one": "1013"},
    ),
    Change("closed by lockdown", ((ONE, LOCK, ""),)),
    Change("opened again", ((ONE, LIFT, ""),), before=((ONE, LOCK, ""),)),
    Change("origin a command on standard input", (STDIO,)),
    Change("origin an address again", (_back(STDIO),), before=(STDIO,)),
    Change("topology from colocated to hybrid", HYBRID, ALL),
    Change("topology from hybrid to colocated", tuple(_back(edit) for edit in HYBRID), ALL, before=HYBRID),
    Change("topology from hybrid to central", CENTRAL, ALL, before=HYBRID),
    Change("topology from central to hybrid", tuple(_back(edit) for edit in CENTRAL), ALL, before=(*HYBRID, *CENTRAL)),
    Change("central: created", runs=ALL[:2], before=(*HYBRID, *CENTRAL), deployed=(), lost_answers=False),
    Change("central: host name changed", (RENAMED,), before=(*HYBRID, *CENTRAL)),
    Change("edition from oss to enterprise", (ENTERPRISE,), ALL, before=HYBRID),
    Change("edition from enterprise to ai", (AI,), ALL, before=(*HYBRID, ENTERPRISE)),
    Change("edition from ai to oss", (_back(AI), _back(ENTERPRISE)), ALL, before=(*HYBRID, ENTERPRISE, AI)),
    Change("model route added", MODEL_ROUTE, ("up dev", "up dev.models")),
    Change(
        "model route's host name changed",
        ((MODELS, "hostname: models.example.com", "hostname: llm.example.com"),),
        ("up dev.models",),
        before=MODEL_ROUTE,
        deployed=("dev", "dev.one", "dev.models"),
    ),
    Change(
        "model route destroyed",
        runs=("destroy dev.models",),
        before=MODEL_ROUTE,
        deployed=("dev", "dev.one", "dev.models"),
    ),
    Change(
        "model route's guard taken off",
        GUARD_OFF,
        ("up dev.models",),
        before=GUARDED_ROUTE,
        deployed=("dev", "dev.one", "dev.models"),
    ),
    Change(
        "model route's guard put on",
        tuple(_back(edit) for edit in GUARD_OFF),
        ("up dev.models",),
        before=(*GUARDED_ROUTE, *GUARD_OFF),
        deployed=("dev", "dev.one", "dev.models"),
    ),
    Change(
        "model route without a guard destroyed",
        runs=("destroy dev.models",),
        before=(*GUARDED_ROUTE, *GUARD_OFF),
        deployed=("dev", "dev.one", "dev.models"),
    ),
    Change("portal added", (PORTAL,), ALL),
    Change("portal's host name changed", ((DEV, "mcp.example.com", "tools.example.com"),), ALL, before=(PORTAL,)),
    Change("portal removed", (_back(PORTAL),), ALL, before=(PORTAL,)),
    Change("destroyed", runs=("destroy dev.one", "destroy dev")),
    Change(
        "destroyed while its connectors run",
        runs=("destroy dev.one",),
        fails={"destroy dev.one": "1022"},
        connected=True,
    ),
    *(change for name, servers in _EXAMPLES.items() for change in _example_changes(name, servers)),
    *(change for name in _PROGRAMS for change in _program_changes(name)),
)
BY_NAME = {change.name: change for change in CHANGES}
