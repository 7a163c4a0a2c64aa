"""The doctor asks Cloudflare, a stand-in on loopback, about the token, the zone, the team and the bot settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.project import Project, load_environment
from operations.doctor import logpush
from operations.doctor.checks import Check
from operations.doctor.cloudflare import Account, HeldPermissions, Permission, check, permissions_for
from tests.support.cloudflare_api import CloudflareStandIn, cloudflare_api
from tests.support.projects import ACCOUNT, ZONE

pytestmark = pytest.mark.usefixtures("closed_network")

TYPES = frozenset(
    {
        "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared",
        "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy",
        "cloudflare:index/dnsRecord:DnsRecord",
        "kong:index/plugin:Plugin",
    }
)
NEEDED = ("Cloudflare Tunnel Write", "Access: Apps and Policies Write")
INCIDENT = ("Access: Organizations, Identity Providers, and Groups Write", "Access: Audit Logs Read")


@pytest.fixture
def cloudflare() -> Iterator[CloudflareStandIn]:
    with cloudflare_api(CloudflareStandIn(ACCOUNT, ZONE)) as stand_in:
        yield stand_in


def account(cloudflare: CloudflareStandIn, **changes: Any) -> Account:
    values = {
        "api": cloudflare.url, "zone": "example.com", "zone_id": ZONE, "account_id": ACCOUNT, "team": "example",
        "types": TYPES, "secret_in_stack": False, "is_environment": True, "subject": "dev",
    }  # fmt: skip
    return Account(**{**values, **changes})


def cloudflare_checks(cloudflare: CloudflareStandIn, token: str | None = None, **changes: Any) -> dict[str, Check]:
    checks = check(account(cloudflare, **changes), {"CLOUDFLARE_API_TOKEN": token or cloudflare.token})
    return {result.id: result for result in checks}


def test_token_with_just_the_permissions_needed_is_all_well(cloudflare: CloudflareStandIn) -> None:
    cloudflare.allow(*NEEDED, *INCIDENT, "Account Settings Read")
    cloudflare.allow("DNS Write", zone=True)
    checks = cloudflare_checks(cloudflare)
    assert {finding.status for finding in checks.values()} == {"ok"}, checks
    assert set(checks) == {
        "cloudflare.token", "cloudflare.permissions", "cloudflare.account", "cloudflare.zone", "cloudflare.team",
        "cloudflare.bots", "clock.skew",
    }  # fmt: skip


def test_permission_that_is_missing_is_named_and_one_too_many_is_a_warning(cloudflare: CloudflareStandIn) -> None:
    cloudflare.allow("Access: Apps and Policies Write", "Workers Scripts Write", *INCIDENT)
    cloudflare.allow("DNS Write", zone=True)
    checks = list(check(account(cloudflare), {"CLOUDFLARE_API_TOKEN": cloudflare.token}))
    messages = [(finding.status, finding.message) for finding in checks if finding.id == "cloudflare.permissions"]
    assert messages == [
        ("error", "the token lacks Cloudflare Tunnel Write (account)"),
        ("warning", "the token may do more than the plan needs: Workers Scripts Write"),
    ]
    alone = cloudflare_checks(cloudflare, is_environment=False)["cloudflare.permissions"]
    assert alone.status == "error"  # of one server nobody can say what is too much


def test_token_that_can_deploy_and_not_revoke_is_a_warning(cloudflare: CloudflareStandIn) -> None:
    cloudflare.allow(*NEEDED)
    cloudflare.allow("DNS Write", zone=True)
    finding = cloudflare_checks(cloudflare)["cloudflare.permissions"]
    assert finding.status == "warning"
    assert finding.message.endswith(f"the token lacks {INCIDENT[0]} (account), {INCIDENT[1]} (account)")
    cloudflare.allow("Access: Organizations Revoke", INCIDENT[1])
    assert cloudflare_checks(cloudflare)["cloudflare.permissions"].status == "ok"
    assert f"and `ringwall revoke` {INCIDENT[0]} (account)" in next(check(account(cloudflare), {})).message
    waf = frozenset({"cloudflare:index/ruleset:Ruleset"})  # a zone stack has nobody to revoke
    assert "revoke" not in next(check(account(cloudflare, types=waf), {})).message


def test_token_that_may_not_read_its_policies_is_unverifiable_and_not_well(cloudflare: CloudflareStandIn) -> None:
    cloudflare.policies = None
    finding = cloudflare_checks(cloudflare)["cloudflare.permissions"]
    assert finding.status == "skipped"
    assert finding.message.startswith("unverifiable: the token may not read its own policies (403); the plan needs")


def test_token_of_the_account_is_verified_there(cloudflare: CloudflareStandIn) -> None:
    cloudflare.account_owned = True
    assert cloudflare_checks(cloudflare)["cloudflare.token"].status == "ok"
    assert f"/accounts/{ACCOUNT}/tokens/verify" in cloudflare.log


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"token_status": "disabled"}, "error", "the token is disabled"),
        ({"expires_on": None}, "warning", "the token is active and never expires"),
        ({"expires_on": "2020-01-01T00:00:00Z"}, "warning", "the token expires on 2020-01-01, in 0 days"),
        ({"expires_on": "2099-01-01"}, "ok", "active until 2099-01-01"),
    ],
)
def test_tokens_own_state_is_judged(
    cloudflare: CloudflareStandIn, changes: dict[str, Any], status: str, message: str
) -> None:
    for name, value in changes.items():
        setattr(cloudflare, name, value)
    finding = cloudflare_checks(cloudflare)["cloudflare.token"]
    assert (finding.status, finding.message) == (status, message)


def test_token_cloudflare_does_not_know_is_an_error_and_never_shown(cloudflare: CloudflareStandIn) -> None:
    checks = cloudflare_checks(cloudflare, token="planted-wrong-token")
    assert checks["cloudflare.token"].message == "Cloudflare does not know this token (401)"
    assert checks["cloudflare.zone"].status == "skipped"
    assert "planted" not in repr(checks)


def test_no_token_says_which_permissions_to_give_it(cloudflare: CloudflareStandIn) -> None:
    first = next(check(account(cloudflare), {}))
    assert first.status == "error"
    assert (
        "the plan needs Access: Apps and Policies Write (account), Cloudflare Tunnel Write (account)" in first.message
    )
    assert next(check(account(cloudflare, secret_in_stack=True), {})).status == "skipped"
    assert cloudflare.log == []


def test_wrong_zone_wrong_team_and_a_clock_that_is_off_are_errors(cloudflare: CloudflareStandIn) -> None:
    cloudflare.zone, cloudflare.auth_domain, cloudflare.ahead = "other.example", "rival.cloudflareaccess.com", 45
    checks = cloudflare_checks(cloudflare)
    assert checks["cloudflare.zone"].message == "zone_id belongs to other.example, not to example.com"
    assert checks["cloudflare.team"].status == "error"
    assert checks["clock.skew"].status == "error"
    assert "s behind 127.0.0.1" in checks["clock.skew"].message
    cloudflare.ahead, cloudflare.zone_readable = 20, False
    checks = cloudflare_checks(cloudflare)
    assert checks["clock.skew"].status == "ok"
    assert checks["cloudflare.zone"].status == "skipped"


BOTS = "AI Crawl Control, the third place, cannot be read: `ringwall verify` tries it by each client's user agent"


@pytest.mark.parametrize(
    ("settings", "hosted", "status", "message"),
    [
        ({"fight_mode": True}, (), "warning", "Bot Fight Mode (fight_mode: true) stops every client that is a program"),
        (
            {"ai_bots_protection": "block", "fight_mode": False},
            ("claude",),
            "warning",
            "Block AI bots (ai_bots_protection: block) stops claude after a sign-in that looks well",
        ),
        (
            {"ai_bots_protection": "block"},
            (),
            "ok",
            "no bot setting that can be read stops your clients (Block AI bots (ai_bots_protection: block) would stop",
        ),
        ({"ai_bots_protection": "only_on_ad_pages"}, ("claude",), "ok", "no bot setting that can be read stops"),
        # A value of next year is no pass.
        ({"ai_bots_protection": "strict"}, ("claude",), "warning", "Block AI bots (ai_bots_protection: strict) stops"),
        (
            {"sbfm_definitely_automated": "managed_challenge", "sbfm_verified_bots": "allow"},
            (),
            "warning",
            "Super Bot Fight Mode, definitely automated (sbfm_definitely_automated: managed_challenge) stops every client",
        ),
        ({"sbfm_likely_automated": "block"}, (), "warning", "Super Bot Fight Mode, likely automated"),
        ({"sbfm_verified_bots": "block"}, (), "warning", "Super Bot Fight Mode, verified bots"),
        ({"content_bots_protection": "block"}, (), "warning", "Block content bots"),
        ({"fight_mode": False, "stale_zone_configuration": {"fight_mode": True}}, (), "warning", "Bot Fight Mode"),
        ({"enable_js": True}, (), "skipped", "unverifiable: the answer holds no bot settings that Ringwall knows"),
        (None, ("claude",), "skipped", "unverifiable: the token may not read the zone's bot settings (403)"),
    ],
)
def test_a_bot_setting_that_stops_clients_is_a_warning_and_one_that_cannot_be_read_is_no_pass(
    cloudflare: CloudflareStandIn, settings: dict[str, Any] | None, hosted: tuple[str, ...], status: str, message: str
) -> None:
    cloudflare.bots = settings
    finding = cloudflare_checks(cloudflare, hosted_clients=hosted)["cloudflare.bots"]
    assert (finding.status, finding.message.startswith(message)) == (status, True), finding
    assert finding.message.endswith(BOTS)
    if status != "ok":
        assert finding.remedy
    if settings is None:
        assert "Bot Management Read (zone)" in str(finding.remedy)


def test_hosted_clients_of_the_stack_files_are_those_that_bot_settings_stop(project: Project) -> None:
    from operations.doctor.tasks import _hosted

    servers = list(load_environment(project, "dev").servers.values())
    assert _hosted(servers) == tuple(sorted({n for server in servers for n in server.manifest.access.hosted_clients}))
    access = servers[0].manifest.access.model_copy(update={"clients": ("cursor", "chatgpt")})
    manifest = servers[0].manifest.model_copy(update={"access": access})
    assert "chatgpt" in _hosted([replace(servers[0], manifest=manifest)])
    assert "cursor" not in _hosted([replace(servers[0], manifest=manifest)])


def test_deny_takes_back_what_a_wider_policy_allows_and_other_accounts_do_not_count() -> None:
    tunnel, dns = Permission(("Tunnel",)), Permission(("DNS Write",), zone=True)

    def permissions_of(*policies: tuple[str, str, dict[str, Any]]) -> HeldPermissions:
        documents = [{"effect": e, "permission_groups": [{"name": n}], "resources": r} for e, n, r in policies]
        return HeldPermissions(documents, ACCOUNT, ZONE)

    this_account, every_account = f"com.cloudflare.api.account.{ACCOUNT}", "com.cloudflare.api.account.*"
    assert permissions_of(("allow", "Tunnel", {every_account: "*"})).has(tunnel)
    assert not permissions_of(("allow", "Tunnel", {every_account: "*"}), ("deny", "Tunnel", {this_account: "*"})).has(
        tunnel
    )
    assert not permissions_of(("allow", "Tunnel", {"com.cloudflare.api.account." + "1" * 32: "*"})).has(tunnel)
    assert permissions_of(("allow", "DNS Write", {this_account: {"com.cloudflare.api.account.zone.*": "*"}})).has(dns)
    assert not permissions_of(("allow", "DNS Write", {this_account: "*"})).has(dns)


def test_every_cloudflare_type_of_a_real_plan_has_its_permission(project: Project) -> None:
    from operations.doctor.tasks import _types
    from plan.offline import plan_stack

    environment = load_environment(project, "dev")
    servers = [plan_stack(project, server) for server in environment.servers.values()]
    needed, unknown = permissions_for(_types([plan_stack(project, environment), *servers]))
    assert unknown == []
    assert {str(permission) for permission in needed} >= {"DNS Write (zone)", "Zero Trust Write (account)"}


def test_every_cloudflare_type_that_a_component_declares_has_its_permission() -> None:
    sources = (Path(__file__).parents[3] / "components").rglob("*.py")
    text = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    declared = set(re.findall(r"\bcloudflare\.((?:ZeroTrust|Dns|Ruleset|Logpush)\w*)\(", text))
    assert {"DnsRecord", "Ruleset", "LogpushJob", "ZeroTrustAccessAiControlsMcpPortal"} <= declared
    tokens = [f"cloudflare:index/{name[0].lower()}{name[1:]}:{name}" for name in declared]
    needed, unknown = permissions_for(tokens)
    assert unknown == []
    assert Permission(("MCP Portals Write",)) in needed


@pytest.mark.parametrize("name", ["CLOUDFLARE_API_KEY", "CLOUDFLARE_API_USER_SERVICE_KEY"])
@pytest.mark.parametrize("in_stack", [False, True])
def test_a_key_that_the_provider_would_send_beside_the_token_is_an_error(
    cloudflare: CloudflareStandIn, name: str, in_stack: bool
) -> None:
    environ = {name: "a-key-of-the-account"} | ({} if in_stack else {"CLOUDFLARE_API_TOKEN": cloudflare.token})
    (finding, *_) = check(account(cloudflare, secret_in_stack=in_stack), environ)
    assert (finding.id, finding.status) == ("cloudflare.token", "error")
    assert finding.message == f"{name} is set too, and the provider sends it with every request beside the token"
    assert finding.remedy == f"unset {name}: the token alone is meant to be used"


def test_a_log_that_the_account_cannot_have_is_an_error_that_says_what_records_it_instead(
    cloudflare: CloudflareStandIn,
) -> None:
    cloudflare.datasets = {"audit_logs_v2": ("ActionType", "ActorEmail")}
    wanted = {"access_requests": ("Email",), "audit_logs_v2": ("ActorEmail", "Actor")}
    checks = check(account(cloudflare, logpush=wanted), {"CLOUDFLARE_API_TOKEN": cloudflare.token})
    missing, wrong = (finding for finding in checks if finding.id == "cloudflare.logpush")
    assert (missing.status, missing.message) == (
        "error",
        "Cloudflare does not offer this account the log access_requests (403), so `up` would fail at its end",
    )
    assert missing.remedy == (
        "it needs an Enterprise plan, and Logs Write of the token; else remove logpush.access_requests: the API of Access's "
        "log (/access/logs/access_requests) has the sign-ins, and the guard's audit log each call"
    )
    assert (wrong.status, wrong.message) == ("error", "the log audit_logs_v2 has no field Actor")
    assert wrong.remedy == "correct logpush.audit_logs_v2.fields; it has ActionType, ActorEmail"
    known = {"audit_logs_v2": ("ActorEmail",)}
    (good,) = (
        finding
        for finding in check(account(cloudflare, logpush=known), {"CLOUDFLARE_API_TOKEN": cloudflare.token})
        if finding.id == "cloudflare.logpush"
    )
    assert (good.status, good.message) == ("ok", "audit_logs_v2 with 1 field")
    assert permissions_for(["cloudflare:index/logpushJob:LogpushJob"]) == ([Permission(("Logs Write",))], [])


@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_about_a_log_that_says_nothing_of_the_plan_is_not_taken_for_one(status: int) -> None:
    finding = logpush.judge("access_requests", ("Email",), status, None, "dev")
    assert (finding.status, finding.message, finding.remedy) == (
        "error",
        f"Cloudflare answered {status} about the log access_requests",
        "try again later",
    )
