"""The doctor looks at real answers on loopback: Cloudflare's and Kong's stand-ins, an issuer, a guard's readiness port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from components.gateway.names import consumer_username
from model.base import SecretRef
from model.canonical import digest
from model.errors import Unreachable
from model.project import Project, load_environment, open_project
from model.stacks import EnvironmentStack
from operations.doctor import guard as doctor_guard
from operations.doctor import kong as doctor_kong
from operations.doctor.checks import Check, Task, run_all
from operations.doctor.cloudflare import Account, Held, Permission, check, permissions_for
from operations.doctor.issuers import Issuer, discovery_urls
from operations.doctor.issuers import check as check_issuer
from operations.doctor.kong import Plan
from tests.support.cloudflare_api import CloudflareStandIn, cloudflare_api
from tests.support.command_line import Result, ringwall
from tests.support.engine_services import KEY, LakeraService
from tests.support.kong_admin import KongStandIn, kong_admin, serving
from tests.support.projects import ACCOUNT, ZONE, write_project
from tests.support.token_issuer import TokenIssuer

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


@pytest.fixture(autouse=True)
def _closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing beyond this machine is asked: what is not loopback goes to a proxy that is not there."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "KONG_ADMIN_TOKEN", "RINGWALL_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cloudflare() -> Iterator[CloudflareStandIn]:
    with cloudflare_api(CloudflareStandIn(ACCOUNT, ZONE)) as stand_in:
        yield stand_in


def account(cloudflare: CloudflareStandIn, **changes: Any) -> Account:
    values = {
        "api": cloudflare.url, "zone": "example.com", "zone_id": ZONE, "account_id": ACCOUNT, "team": "example",
        "types": TYPES, "secret_in_stack": False, "whole": True, "subject": "dev",
    }  # fmt: skip
    return Account(**{**values, **changes})


def asked(cloudflare: CloudflareStandIn, token: str | None = None, **changes: Any) -> dict[str, Check]:
    found = check(account(cloudflare, **changes), {"CLOUDFLARE_API_TOKEN": token or cloudflare.token})
    return {one.id: one for one in found}


def test_token_with_just_the_permissions_needed_is_all_well(cloudflare: CloudflareStandIn) -> None:
    cloudflare.allow(*NEEDED, *INCIDENT, "Account Settings Read")
    cloudflare.allow("DNS Write", zone=True)
    found = asked(cloudflare)
    assert {one.status for one in found.values()} == {"ok"}, found
    assert set(found) == {
        "cloudflare.token", "cloudflare.permissions", "cloudflare.account", "cloudflare.zone", "cloudflare.team",
        "clock.skew",
    }  # fmt: skip


def test_permission_that_is_missing_is_named_and_one_too_many_is_a_warning(cloudflare: CloudflareStandIn) -> None:
    cloudflare.allow("Access: Apps and Policies Write", "Workers Scripts Write", *INCIDENT)
    cloudflare.allow("DNS Write", zone=True)
    found = list(check(account(cloudflare), {"CLOUDFLARE_API_TOKEN": cloudflare.token}))
    said = [(one.status, one.message) for one in found if one.id == "cloudflare.permissions"]
    assert said == [
        ("error", "the token lacks Cloudflare Tunnel Write (account)"),
        ("warning", "the token may do more than the plan needs: Workers Scripts Write"),
    ]
    alone = asked(cloudflare, whole=False)["cloudflare.permissions"]
    assert alone.status == "error"  # of one server nobody can say what is too much


def test_token_that_can_deploy_and_not_revoke_is_a_warning(cloudflare: CloudflareStandIn) -> None:
    cloudflare.allow(*NEEDED)
    cloudflare.allow("DNS Write", zone=True)
    one = asked(cloudflare)["cloudflare.permissions"]
    assert one.status == "warning"
    assert one.message.endswith(f"the token lacks {INCIDENT[0]} (account), {INCIDENT[1]} (account)")
    cloudflare.allow("Access: Organizations Revoke", INCIDENT[1])
    assert asked(cloudflare)["cloudflare.permissions"].status == "ok"
    assert f"and `ringwall revoke` {INCIDENT[0]} (account)" in next(check(account(cloudflare), {})).message
    waf = frozenset({"cloudflare:index/ruleset:Ruleset"})  # a zone stack has nobody to revoke
    assert "revoke" not in next(check(account(cloudflare, types=waf), {})).message


def test_token_that_may_not_read_its_policies_is_unverifiable_and_not_well(cloudflare: CloudflareStandIn) -> None:
    cloudflare.policies = None
    one = asked(cloudflare)["cloudflare.permissions"]
    assert one.status == "skipped"
    assert one.message.startswith("unverifiable: the token may not read its own policies (403); the plan needs")


def test_token_of_the_account_is_verified_there(cloudflare: CloudflareStandIn) -> None:
    cloudflare.account_owned = True
    assert asked(cloudflare)["cloudflare.token"].status == "ok"
    assert f"/accounts/{ACCOUNT}/tokens/verify" in cloudflare.log


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"token_status": "disabled"}, "error", "the token is disabled"),
        ({"expires_on": None}, "warning", "the token is active and never expires"),
        ({"expires_on": "2020-01-01T00:00:00Z"}, "warning", "the token expires on 2020-01-01, in 0 days"),
    ],
)
def test_tokens_own_state_is_judged(
    cloudflare: CloudflareStandIn, changes: dict[str, Any], status: str, message: str
) -> None:
    for name, value in changes.items():
        setattr(cloudflare, name, value)
    one = asked(cloudflare)["cloudflare.token"]
    assert (one.status, one.message) == (status, message)


def test_token_cloudflare_does_not_know_is_an_error_and_never_shown(cloudflare: CloudflareStandIn) -> None:
    found = asked(cloudflare, token="planted-wrong-token")
    assert found["cloudflare.token"].message == "Cloudflare does not know this token (401)"
    assert found["cloudflare.zone"].status == "skipped"
    assert "planted" not in repr(found)


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
    found = asked(cloudflare)
    assert found["cloudflare.zone"].message == "zone_id belongs to other.example, not to example.com"
    assert found["cloudflare.team"].status == "error"
    assert found["clock.skew"].status == "error"
    assert "s behind 127.0.0.1" in found["clock.skew"].message
    cloudflare.ahead, cloudflare.zone_readable = 20, False
    found = asked(cloudflare)
    assert found["clock.skew"].status == "ok"
    assert found["cloudflare.zone"].status == "skipped"


def test_deny_takes_back_what_a_wider_policy_allows_and_other_accounts_do_not_count() -> None:
    tunnel, dns = Permission(("Tunnel",)), Permission(("DNS Write",), zone=True)

    def held(*policies: tuple[str, str, dict[str, Any]]) -> Held:
        made = [{"effect": e, "permission_groups": [{"name": n}], "resources": r} for e, n, r in policies]
        return Held(made, ACCOUNT, ZONE)

    mine, every = f"com.cloudflare.api.account.{ACCOUNT}", "com.cloudflare.api.account.*"
    assert held(("allow", "Tunnel", {every: "*"})).has(tunnel)
    assert not held(("allow", "Tunnel", {every: "*"}), ("deny", "Tunnel", {mine: "*"})).has(tunnel)
    assert not held(("allow", "Tunnel", {"com.cloudflare.api.account." + "1" * 32: "*"})).has(tunnel)
    assert held(("allow", "DNS Write", {mine: {"com.cloudflare.api.account.zone.*": "*"}})).has(dns)
    assert not held(("allow", "DNS Write", {mine: "*"})).has(dns)


def test_every_cloudflare_type_of_a_real_plan_has_its_permission(project: Project) -> None:
    from operations.doctor.tasks import _types
    from plan.offline import plan_stack

    environment = load_environment(project, "dev")
    servers = [plan_stack(project, one) for one in environment.servers.values()]
    needed, unknown = permissions_for(_types([plan_stack(project, environment), *servers]))
    assert unknown == []
    assert {str(one) for one in needed} >= {"DNS Write (zone)", "Zero Trust Write (account)"}


# -- Kong --------------------------------------------------------------------------------------------------------------

GOOD = {
    "untrusted_lua": "sandbox",
    "untrusted_lua_sandbox_requires": ["cjson.safe"],
    "admin_listen": ["127.0.0.1:8001 reuseport backlog=16384"],
    "database": "postgres",
    "role": "traditional",
    "proxy_access_log": "off",
}


def judged(environment: EnvironmentStack, **changes: Any) -> dict[str, Check]:
    node = {
        "version": changes.pop("version", "3.9.3"),
        "edition": changes.pop("edition", "community"),
        "plugins": {"available_on_server": changes.pop("available", {"jwt": {"priority": 1450}, "pre-function": True})},
    }
    plan = Plan(environment.settings, {"jwt": ("dev.one",), "pre-function": ("dev.one",)}, "dev")
    return {one.id: one for one in doctor_kong.judge(plan, node, GOOD | changes)}


def test_kong_that_fits_the_plan_is_all_well(environment: EnvironmentStack) -> None:
    found = judged(environment)
    assert {one.status for one in found.values()} == {"ok"}, found


@pytest.mark.parametrize(
    ("changes", "id_", "status", "says"),
    [
        ({"version": "3.8.0"}, "version", "error", "Kong is 3.8.0, the stack file says 3.9.3"),
        ({"version": "3.9.1"}, "version", "warning", "Kong is 3.9.1"),
        ({"edition": "enterprise"}, "edition", "warning", "an Enterprise build, the stack file says edition oss"),
        ({"available": {"jwt": False}}, "plugins", "error", "jwt (dev.one); pre-function (dev.one)"),
        ({"untrusted_lua_sandbox_requires": []}, "sandbox", "error", "does not name cjson.safe"),
        ({"untrusted_lua": "on"}, "sandbox", "error", "runs any code at the gateway"),
        ({"untrusted_lua": "off"}, "sandbox", "error", "every request is refused"),
        ({"untrusted_lua_sandbox_requires": "cjson.safe, io"}, "sandbox", "warning", "names more than is needed: io"),
        ({"admin_listen": ["0.0.0.0:8001"]}, "listen", "error", "beyond loopback, on 0.0.0.0:8001"),
        ({"admin_listen": ["[::1]:8001", "[::]:8444 ssl"]}, "listen", "error", "on [::]:8444"),
        ({"proxy_access_log": "logs/access.log"}, "access-log", "warning", "writes query strings"),
        ({"database": "off"}, "role", "error", "takes no changes"),
    ],
)
def test_kong_that_does_not_fit_is_told_why(
    environment: EnvironmentStack, changes: dict[str, Any], id_: str, status: str, says: str
) -> None:
    one = judged(environment, **changes)[f"gateway.{id_}"]
    assert (one.status, one.remedy is not None) == (status, True)
    assert says in one.message


class _Kong(KongStandIn):
    """The stand-in with the answer to GET / that Kong gives in full."""

    def handle(self, method: str, url: str, token: str | None, body: Any) -> tuple[int, Any]:
        status, answer = super().handle(method, url, token, body)
        if url == "/" and status == 200:
            names = (
                "request-size-limiting", "request-transformer", "pre-function", "acl", "rate-limiting", "cors", "jwt",
                "response-ratelimiting", "request-termination", "file-log", "opentelemetry", "http-log", "prometheus",
                "correlation-id",
            )  # fmt: skip
            available = {name: {"priority": 1} for name in names}
            answer |= {"edition": "community", "plugins": {"available_on_server": available}, "configuration": GOOD}
        return status, answer


# -- issuers -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def issuer() -> Iterator[tuple[Issuer, dict[str, Any]]]:
    """An issuer with metadata at the OpenID Connect place; the test may alter what it says."""
    metadata: dict[str, Any] = {}
    with TokenIssuer() as keys:

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path == "/realms/tools/.well-known/openid-configuration"
                body = json.dumps(metadata).encode() if found else b"no"
                self.send_response(200 if found else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        with serving(Handler) as uri:
            one = Issuer("keycloak", f"{uri}/realms/tools", keys.jwks_uri)
            metadata |= {
                "issuer": one.issuer,
                "jwks_uri": one.jwks_uri,
                "code_challenge_methods_supported": ["plain", "S256"],
            }
            yield one, metadata


def test_issuer_that_is_what_the_file_says_is_all_well(issuer: tuple[Issuer, dict[str, Any]]) -> None:
    found = list(check_issuer(issuer[0]))
    assert [(one.id, one.status) for one in found] == [
        ("issuer.keys", "ok"), ("clock.skew", "ok"), ("issuer.metadata", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"issuer": "https://evil.example"}, "names the issuer https://evil.example, not"),
        ({"jwks_uri": "https://evil.example/keys"}, "names other keys, https://evil.example/keys"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE with S256: MCP clients must refuse it"),
    ],
)
def test_issuer_metadata_that_differs_is_an_error(
    issuer: tuple[Issuer, dict[str, Any]], change: dict[str, Any], says: str
) -> None:
    issuer[1].update(change)
    (one,) = [one for one in check_issuer(issuer[0]) if one.id == "issuer.metadata"]
    assert one.status == "error"
    assert says in one.message


def test_clients_look_for_metadata_in_the_order_of_the_specification() -> None:
    assert discovery_urls("https://login.example.org/realms/tools") == (
        "https://login.example.org/.well-known/oauth-authorization-server/realms/tools",
        "https://login.example.org/.well-known/openid-configuration/realms/tools",
        "https://login.example.org/realms/tools/.well-known/openid-configuration",
    )


# -- guard and server --------------------------------------------------------------------------------------------------


def test_guards_secret_is_read_and_never_shown(project: Project, tmp_path: Path) -> None:
    hosted = load_environment(project, "dev").servers["hosted"]
    (one,) = doctor_guard.secrets(hosted.manifest, "dev.hosted", {"LAKERA_API_KEY": "planted-lakera-key"})
    assert (one.status, one.message) == ("ok", "Lakera Guard API key can be read from LAKERA_API_KEY")
    (elsewhere,) = doctor_guard.secrets(hosted.manifest, "dev.hosted", {})
    assert elsewhere.status == "skipped"
    key = tmp_path / "key"
    key.write_text("planted-file-key\n")
    key.chmod(0o644)
    external = load_environment(project, "dev").servers["external"].manifest
    reference = SecretRef(file=str(key))
    origin = external.origin.model_copy(update={"environment": {"API_KEY": reference}})
    (wide,) = doctor_guard.secrets(external.model_copy(update={"origin": origin}), "dev.external")
    assert wide.status == "error"
    assert "is open to others (mode 0644)" in wide.message
    assert "planted" not in repr([one, elsewhere, wide])


def test_a_vendors_engine_is_asked_with_the_guards_own_key(project: Project) -> None:
    manifest = load_environment(project, "dev").servers["hosted"].manifest
    assert manifest.guard.engines.lakera
    with LakeraService() as service:
        lakera = manifest.guard.engines.lakera.model_copy(update={"base_url": service.url, "project_id": "project-1"})
        engines = manifest.guard.engines.model_copy(update={"lakera": lakera})
        manifest = manifest.model_copy(update={"guard": manifest.guard.model_copy(update={"engines": engines})})
        (good,) = doctor_guard.vendors(manifest, "dev.hosted", {"LAKERA_API_KEY": KEY})
        (bad,) = doctor_guard.vendors(manifest, "dev.hosted", {"LAKERA_API_KEY": "planted-wrong-key"})
        (none,) = doctor_guard.vendors(manifest, "dev.hosted", {})
        asked = len(service.seen)
    assert (good.status, bad.status, none.status, asked) == ("ok", "error", "skipped", 2)
    assert good.message.startswith("lakera takes the key and answered in ")
    assert bad.message.startswith("lakera reaches no verdict (it answered 401)")
    assert "planted" not in repr(bad)


def test_a_vendors_engine_is_not_asked_offline_nor_off_its_host(tmp_path: Path) -> None:
    root = write_project(tmp_path, every_shape=True)
    there = by_id(ringwall("doctor", "dev.hosted", "--offline", "--host", "dev-2", "--json", "--project", root))
    assert there["guard.engines"] == [("skipped", "not asked: --offline")]
    elsewhere = by_id(ringwall("doctor", "dev.hosted", "--offline", "--json", "--project", root))
    assert elsewhere["guard.engines"] == [("skipped", "this machine is not host dev-2")]


def test_guard_that_enforces_another_lock_or_is_not_ready_is_an_error(environment: EnvironmentStack) -> None:
    server = environment.servers["one"]
    good = {"ready": True, "identity": "verified", "tool_lock_sha256": digest(server.lock.dump())}
    assert list(doctor_guard._judge(environment, server, good)) == []
    state = {"ready": False, "problems": ["audit: disk full"], "identity": "demo", "tool_lock_sha256": "sha256:0"}
    said = [(one.status, one.message) for one in doctor_guard._judge(environment, server, state)]
    assert said == [
        ("error", "not ready: audit: disk full"),
        ("warning", "it runs with a demo identity: nobody is verified"),
        ("error", "it enforces another tool lock than the one in the file"),
    ]


# -- the command -------------------------------------------------------------------------------------------------------


def by_id(result: Result) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in result.json["checks"]:
        found.setdefault(one["id"], []).append((one["status"], one["message"]))
    return found


def test_offline_asks_nobody_and_says_what_it_skipped(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    result = ringwall("doctor", "dev.one", "--offline", "--json", "--project", root)
    found = by_id(result)
    assert found["project.plan"][0][0] == "ok"
    assert found["cloudflare.token"] == [("skipped", "not asked: --offline")]
    assert found["cloudflare.permissions"][0][1].startswith("not asked: --offline; the plan needs Access: Apps")
    assert found["gateway.plugins"][0][1].startswith("not asked: --offline; the plan needs acl, ")
    assert found["issuer.keys"] == [("skipped", "not asked: --offline")]
    assert found["guard.ready"] == [("skipped", "this machine is not host dev-1")]
    assert all(one["remedy"] for one in result.json["checks"] if one["status"] in ("error", "warning"))


def test_whole_environment_is_asked_about_and_no_secret_is_printed(
    tmp_path: Path,
    cloudflare: CloudflareStandIn,
    issuer: tuple[Issuer, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = write_project(tmp_path, every_shape=True)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", cloudflare.token)
    monkeypatch.setenv("KONG_ADMIN_TOKEN", "planted-kong-token")
    with kong_admin(_Kong(token="planted-kong-token")) as kong:
        kong.consumer(consumer_username("dev", "keycloak"))
        kong.join("mallory", "issuer-access")
        file = root / "stacks" / "Pulumi.dev.yaml"
        text = file.read_text().replace("team: example", f"team: example\n      api: {cloudflare.url}")
        text = text.replace("http://127.0.0.1:8001", kong.uri)
        text = text.replace("https://login.example.org/realms/tools/certs", issuer[0].jwks_uri)
        file.write_text(text.replace("https://login.example.org/realms/tools", issuer[0].issuer))
        result = ringwall("doctor", "dev", "--json", "--project", root)
        writes = kong.writes()
    found = by_id(result)
    gateway = {key: value for key, value in found.items() if key.startswith("gateway.")}
    assert {value[0][0] for key, value in gateway.items() if key != "gateway.keys"} == {"ok"}, gateway
    assert ("error", "1 of the issuer's keys are not at Kong: their tokens are refused") in found["gateway.keys"]
    strange = (
        "consumer mallory is in group issuer-access and not Ringwall's, so what it signs is trusted (no JWT key yet)"
    )
    assert ("error", strange) in found["gateway.keys"]
    assert writes == []
    assert found["cloudflare.token"][0][0] == "ok"
    assert found["cloudflare.permissions"][0][0] == "error"
    assert found["issuer.metadata"] == [("ok", "names itself, its keys and PKCE as the stack file expects")]
    assert result.code == 3
    text = ringwall("doctor", "dev", "--offline", "--project", root).out
    assert "planted" not in result.out + result.err + text


def test_host_option_looks_at_guard_log_and_server(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    found = by_id(ringwall("doctor", "dev.one", "--offline", "--host", "dev-1", "--json", "--project", root))
    assert found["guard.ready"][0][0] == "error"
    assert found["server.reachable"][0][0] == "error"
    wrong = ringwall("doctor", "dev.one", "--offline", "--host", "dev-9", "--project", root)
    assert wrong.code == 2
    assert wrong.errors == ["--host: no environment asked about has a host dev-9; name a key of its hosts"]


def test_files_that_are_not_good_become_findings_and_the_engine_is_still_checked(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    (root / "stacks" / "dev.one.lock.yaml").unlink()
    result = ringwall("doctor", "--offline", "--json", "--project", root)
    found = by_id(result)
    assert found["project.files"][0][0] == "error"
    assert "engine.found" in found
    assert result.code == 3


def test_outside_a_project_the_engine_alone_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGWALL_ENGINE", str(tmp_path / "nothing"))
    result = ringwall("doctor", "--json")
    found = by_id(result)
    assert found["project.files"] == [("skipped", "there is no project here")]
    assert found["engine.found"][0][0] == "error"
    assert result.code == 3


def test_what_is_not_done_in_time_or_breaks_is_an_error_and_the_rest_is_reported() -> None:
    import threading

    gate = threading.Event()

    def never() -> list[Check]:
        gate.wait(30)
        return []

    def broken() -> list[Check]:
        raise KeyError("planted-secret")

    def refused() -> list[Check]:
        raise Unreachable("it does not answer", remedy="start it")

    tasks = [Task(("a.x",), never), Task(("b.x",), broken), Task(("c.x",), refused)]
    found = run_all(tasks, offline=False, deadline=0.5)
    gate.set()
    assert [(one.id, one.status, one.remedy) for one in found] == [
        ("a.x", "error", "run again with a longer --deadline"),
        ("b.x", "error", "report it"),
        ("c.x", "error", "start it"),
    ]
    assert "planted" not in repr(found)


def test_server_bound_beyond_loopback_is_an_error_of_the_server(tmp_path: Path) -> None:
    import socket

    project = open_project(write_project(tmp_path))
    manifest = load_environment(project, "dev").servers["one"].manifest
    with socket.create_server(("0.0.0.0", 0)) as wide:
        origin = manifest.origin.model_copy(update={"url": f"http://127.0.0.1:{wide.getsockname()[1]}/mcp"})
        one = doctor_guard._server(manifest.model_copy(update={"origin": origin}), "dev.one")
    assert one.status == "error"
    assert "is bound beyond loopback, on 0.0.0.0" in one.message
