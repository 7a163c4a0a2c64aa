"""Constructed changes of real files, each with the meaning a security lead would give it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from plan.diff.model import Direction
from tests.plan.diff.conftest import Differ
from tests.support.differences import DEV_FILE, EXTERNAL_FILE, HOSTED_FILE, ONE_FILE, L, N, T


@dataclass(frozen=True)
class Case:
    """One edit, the change that must head the report, and every direction the report may show."""

    file: str
    before: str
    after: str
    stack: str
    title: str
    direction: Direction
    side_effects: frozenset[Direction] = frozenset()


def case(
    file: str, before: str, after: str, stack: str, title: str, direction: Direction, *side_effects: Direction
) -> Case:
    return Case(file, before, after, stack, title, direction, frozenset(side_effects))


CASES = {
    "agent-gains-execute": case(
        ONE_FILE, "tools: [create_ticket]", "tools: [create_ticket, run_report_command]",
        "dev.one", "agent ci gains tool run_report_command [execute]", L,
    ),
    "agent-loses-write": case(
        ONE_FILE,
        "      - to: {agents: [ci]}\n        tools: [create_ticket]\n        read_only: false\n",
        "", "dev.one", "agent ci loses tool create_ticket [write]", T,
    ),
    "pattern-reaches-further": case(
        ONE_FILE, "tools: [list_tickets, get_ticket]", 'tools: ["*"]\n        read_only: false',
        "dev.one", "everyone admitted gains tool run_report_command [execute], tool create_ticket [write]", L,
    ),
    "read-only-lifted": case(
        HOSTED_FILE, '        tools: ["*_ticket*"]', '        tools: ["*_ticket*"]\n        read_only: false',
        "dev.hosted", "everyone through claude-ai gains tool create_ticket [write]", L,
    ),
    "argument-rule-added": case(
        ONE_FILE, "read_only: false",
        "read_only: false\n        arguments: {create_ticket: {type: object, required: [id]}}",
        "dev.one", "agent ci: conditions of tool create_ticket changed", T,
    ),
    "everyone-to-one-agent": case(
        ONE_FILE, "to: {all: true}", "to: {agents: [ci]}",
        "dev.one", "everyone admitted loses tool get_ticket [read], tool list_tickets [read]", T,
    ),
    "person-admitted": case(
        HOSTED_FILE, "emails: [ada@example.com]\n      agents", "emails: [ada@example.com, eve@example.net]\n      agents",
        "dev.hosted", "person eve@example.net may now reach the server", L,
    ),
    "agent-shut-out": case(
        HOSTED_FILE, "agents: [ci, nightly]", "agents: [nightly]", "dev.hosted", "agent ci may no longer reach the server", T
    ),
    "group-grows-for-its-servers": case(
        DEV_FILE, "domains: [example.com]", "domains: [example.com, example.org]",
        "dev.one", "everyone at example.org may now reach the server", L,
    ),
    "country-added": case(
        HOSTED_FILE, "countries: [NO]", "countries: [NO, SE]", "dev.hosted", "countries people may come from: + SE", L
    ),
    "country-removed": case(
        DEV_FILE, "countries: [NO, SE]\n    identity", "countries: [NO]\n    identity",
        "dev.one", "countries people may come from: - SE", T,
    ),
    "client-may-register": case(
        HOSTED_FILE, "      agents: [ci, nightly]\n", "      agents: [ci, nightly]\n      clients: [cursor, claude-code]\n",
        "dev.hosted", "Cursor may register and sign people in", L, N, T,
    ),
    "every-client-of-the-environment": case(
        DEV_FILE, "    logs:", "    defaults: {access: {clients: [vscode]}}\n    logs:",
        "dev.hosted", "VS Code may register and sign people in", L, N,
    ),
    "no-client-may-register": case(
        HOSTED_FILE, "      agents: [ci, nightly]\n", "      agents: [ci, nightly]\n      clients: []\n",
        "dev.hosted", "any client that returns to the person's own machine may no longer register", T,
    ),
    "posture-dropped": case(
        ONE_FILE, "    posture: [encrypted]\n", "", "dev.one", "posture rules people's devices must pass: - encrypted", L
    ),
    "posture-weakened": case(
        DEV_FILE, "require_all: true", "require_all: false", "dev", "posture rule encrypted: every disk: true → false", L
    ),
    "session-longer": case(
        ONE_FILE, "    posture:", "    session: 12h\n    posture:", "dev.one", "how long a sign-in lasts: 8h → 12h", L
    ),
    "limit-raised": case(
        HOSTED_FILE, "requests_per_minute: 30", "requests_per_minute: 300",
        "dev.hosted", "requests a minute per principal: 30 → 300", L,
    ),
    "limit-lowered": case(
        HOSTED_FILE, "requests_per_minute: 30", "requests_per_minute: 10",
        "dev.hosted", "requests a minute per principal: 30 → 10", T,
    ),
    "limit-removed-in-favour-of-the-default": case(
        HOSTED_FILE, "    limits:\n      requests_per_minute: 30\n", "",
        "dev.hosted", "requests a minute per principal: 30 → 60", L,
    ),
    "environment-default-raised": case(
        DEV_FILE, "    logs:", "    defaults:\n      limits: {concurrency: 64}\n    logs:",
        "dev.external", "calls in flight per principal: 8 → 64", L,
    ),
    "circuit-breaker-slower": case(
        ONE_FILE, "    posture:", "    circuit_breaker: {failures: 50}\n    posture:",
        "dev.one", "failures before the circuit breaker opens: 5 → 50", L,
    ),
    "scope-dropped": case(
        EXTERNAL_FILE, "scopes: [tickets.read]", "scopes: []", "dev.external", "scopes a token must carry: - tickets.read", L
    ),
    "scope-added": case(
        EXTERNAL_FILE, "scopes: [tickets.read]", "scopes: [tickets.read, tickets.all]",
        "dev.external", "scopes a token must carry: + tickets.all", T,
    ),
    "oauth-mode-changed": case(
        EXTERNAL_FILE,
        "mode: external\n      issuer: keycloak\n      audience: https://external.example.com/mcp\n"
        "      scopes: [tickets.read]",
        "mode: access", "dev.external", "who signs people in: external → access", L, T,
    ),
    "issuer-keys-moved": case(
        DEV_FILE, "jwks_uri: https://login.example.org/realms/tools/certs", "jwks_uri: https://login.example.net/certs",
        "dev", "where issuer keycloak's keys are", L,
    ),
    "engine-removed": case(
        HOSTED_FILE,
        "        lakera:\n          project_id: project-1234\n          api_key: {env: LAKERA_API_KEY}\n",
        "", "dev.hosted", "engine Lakera: removed", L,
    ),
    "leg-weakened": case(
        ONE_FILE, "    posture:", "    guard: {legs: {arguments: redact}}\n    posture:",
        "dev.one", "a finding in arguments leads to: block → redact", L,
    ),
    "taint-allowed": case(
        ONE_FILE, "    posture:", "    guard: {taint: {outbound_call: allow}}\n    posture:",
        "dev.one", "an outbound call after untrusted text meets: ask → allow", L,
    ),
    "taint-window-longer": case(
        ONE_FILE, "    posture:", "    guard: {taint: {window: 1h}}\n    posture:",
        "dev.one", "how long untrusted text counts: 10m → 1h", T,
    ),
    "audit-anchored": case(
        ONE_FILE, "    posture:", "    guard: {audit_anchor: {url: https://audit.example.com/heads}}\n    posture:",
        "dev.one", "audit log's head sent off the host: added", T,
    ),
    "deadline-longer": case(
        ONE_FILE, "    posture:", "    guard: {deadline: 60s}\n    posture:",
        "dev.one", "time for all engines together: 5s → 60s", L,
    ),
    "browsers-let-in": case(
        HOSTED_FILE, "origins: [https://app.example.com]", "origins: [https://app.example.com, https://evil.example.net]",
        "dev.hosted", "origins that may call from a browser: + https://evil.example.net", L,
    ),
    "log-sink-elsewhere": case(
        HOSTED_FILE, "traces: https://otlp.example.com/v1/traces", "traces: https://otlp.example.net/v1/traces",
        "dev.hosted", "who receives traces", L,
    ),
    "agent-from-anywhere-in-its-country": case(
        DEV_FILE, "        addresses: [192.0.2.0/24]\n", "", "dev", "addresses agent ci may call from: - 192.0.2.0/24", L
    ),
    "public-name-moved": case(
        HOSTED_FILE, "hostname: hosted.example.com", "hostname: other.example.com",
        "dev.hosted", "public name: hosted.example.com → other.example.com", L,
    ),
    "command-changed": case(
        EXTERNAL_FILE, "command: [node, server.js]", "command: [sh, -c, server.js]",
        "dev.external", "command that the guard starts", L,
    ),
    "provider-in-another-account": case(
        DEV_FILE, "type: okta", "type: saml", "dev", "kind of identity provider okta: okta → saml", L
    ),
    "waiver-added": case(
        ONE_FILE, "    posture:",
        '    waivers:\n      - {rule: guard-fails-open, reason: we know better, expires: "2099-01-01"}\n    posture:',
        "dev.one", "waives guard-fails-open at *", L,
    ),
    "waiver-added-to-the-environment": case(
        DEV_FILE, "    logs:",
        '    waivers:\n      - {rule: guard-fails-open, reason: we know better, expires: "2099-01-01"}\n    logs:',
        "dev", "waives guard-fails-open at *", L,
    ),
    "argument-rule-loses-a-bound": case(
        ONE_FILE, "read_only: false",
        "read_only: false\n      - to: {agents: [ci]}\n        tools: [list_tickets]\n"
        "        arguments: {list_tickets: {type: object}}",
        "dev.one", "agent ci: conditions of tool list_tickets changed", L,
    ),
    "leg-only-flags": case(
        ONE_FILE, "    posture:", "    guard: {legs: {results: flag}}\n    posture:",
        "dev.one", "a finding in a result leads to: block → flag", L,
    ),
    "taint-window-shorter": case(
        ONE_FILE, "    posture:", "    guard: {taint: {window: 1m}}\n    posture:",
        "dev.one", "how long untrusted text counts: 10m → 1m", L,
    ),
    "provider-added": case(
        DEV_FILE, "    groups:\n",
        "      entra: {id: 11111111-2222-3333-4444-555555555556, type: azure_ad}\n    groups:\n",
        "dev", "identity providers that may sign people in: + entra", L,
    ),
    "hosted-client-let-in": case(
        ONE_FILE, "      agents: [ci]\n",
        "      agents: [ci]\n      hosted_clients:\n        claude-ai:\n          hostname: one-c.example.com\n"
        "          people: {groups: [engineers]}\n",
        "dev.one", "opens one-c.example.com through claude-ai to everyone at example.com", L,
    ),
    "sign-in-may-return-elsewhere": case(
        DEV_FILE, "redirect_uris: [https://claude.example.com/callback]",
        "redirect_uris: [https://claude.example.com/callback, https://evil.example/cb]",
        "dev", "where hosted client claude-ai's sign-in may return: + https://evil.example/cb", L,
    ),
    "agent-added": case(
        DEV_FILE, "    hosted_clients:\n", "      bot: {countries: [SE]}\n    hosted_clients:\n",
        "dev", "agent bot with a service token: added", L,
    ),
    "agent-token-lives-longer": case(
        DEV_FILE, "      ci:\n", "      ci:\n        token_duration: 87600h\n", "dev", "life of agent ci's token", L
    ),
    "counters-elsewhere": case(
        ONE_FILE, "    posture:", "    guard: {redis: {url: 'redis://127.0.0.1:6379/0'}}\n    posture:",
        "dev.one", "who keeps the guard's counters: added", L,
    ),
    "session-shorter": case(
        ONE_FILE, "    posture:", "    session: 30m\n    posture:", "dev.one", "how long a sign-in lasts: 8h → 30m", T
    ),
    "guard-port-moved": case(
        HOSTED_FILE, "guard_port: 9051", "guard_port: 9061", "dev.hosted", "port of the guard: 9051 → 9061", N
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_called_what_it_is(differ: Differ, name: str) -> None:
    expected = CASES[name]
    report = differ((expected.file, expected.before, expected.after))
    assert not report.errors
    changes = [c for c in report.changes if c.stack == expected.stack and c.title.startswith(expected.title)]
    assert [c.direction for c in changes] == [expected.direction], [c.title for c in report.changes]
    shown = {c.direction for c in report.changes}
    assert shown - {N} <= {expected.direction, *expected.side_effects}, [
        f"{c.direction} {c.title}" for c in report.changes
    ]


def test_there_are_at_least_thirty() -> None:
    assert len(CASES) >= 30


NOISE = {
    "a default written out": (
        ONE_FILE,
        "    posture:",
        '    session: "8h"\n    limits: {concurrency: 8}\n    posture:',
    ),
    "another order": (DEV_FILE, "countries: [NO, SE]\n    identity", "countries: [SE, NO]\n    identity"),
    "a comment and a block list": (ONE_FILE, "agents: [ci]\n", "agents:   # the build\n        - ci\n"),
    "the environment's default in a server": (ONE_FILE, "    posture:", "    countries: [SE, NO]\n    posture:"),
    "a port that follows anyway": (HOSTED_FILE, "guard_port: 9051", "guard_port: 9051\n    guard_admin_port: 10051"),
    "defaults that are the defaults": (DEV_FILE, "    logs:", "    defaults: {limits: {concurrency: 8}}\n    logs:"),
}


@pytest.mark.parametrize("name", NOISE)
def test_noise_is_not_shown(differ: Differ, name: str) -> None:
    report = differ(NOISE[name])
    assert (report.changes, [s for s in report.stacks if s.resources], report.errors) == ((), [], ())
