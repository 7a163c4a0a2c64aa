"""The doctor looks at real answers on loopback: Cloudflare's and Kong's stand-ins, an issuer, a guard's readiness port."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from components.gateway.names import consumer_username
from model.base import SecretRef
from model.canonical import digest
from model.cluster import Cluster
from model.engines import ContractEngine, Engines
from model.errors import Unreachable
from model.project import Project, load_environment, open_project
from model.server import Server
from model.stacks import EnvironmentStack
from operations.doctor import guard as doctor_guard
from operations.doctor import kong as doctor_kong
from operations.doctor.checks import Check, Task, run_all
from operations.doctor.issuers import CheckedIssuer, discovery_urls
from operations.doctor.issuers import check as check_issuer
from operations.doctor.kong import GatewayPlan
from tests.support.cloudflare_api import CloudflareStandIn, cloudflare_api
from tests.support.command_line import Result, ringwall
from tests.support.engine_services import KEY, ContractService, LakeraService
from tests.support.introspecting_issuer import IntrospectingIssuer
from tests.support.kong_admin import KongStandIn, kong_admin, serving
from tests.support.projects import ACCOUNT, ZONE, write_project
from tests.support.token_issuer import TokenIssuer

pytestmark = pytest.mark.usefixtures("closed_network")


@pytest.fixture
def cloudflare() -> Iterator[CloudflareStandIn]:
    with cloudflare_api(CloudflareStandIn(ACCOUNT, ZONE)) as stand_in:
        yield stand_in


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
    plan = GatewayPlan(environment.settings, {"jwt": ("dev.one",), "pre-function": ("dev.one",)}, "dev")
    return {finding.id: finding for finding in doctor_kong.judge(plan, node, GOOD | changes)}


def test_kong_that_fits_the_plan_is_all_well(environment: EnvironmentStack) -> None:
    checks = judged(environment)
    assert {finding.status for finding in checks.values()} == {"ok"}, checks


@pytest.mark.parametrize(
    ("changes", "id_", "status", "message"),
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
    environment: EnvironmentStack, changes: dict[str, Any], id_: str, status: str, message: str
) -> None:
    finding = judged(environment, **changes)[f"gateway.{id_}"]
    assert (finding.status, finding.remedy is not None) == (status, True)
    assert message in finding.message


@pytest.mark.parametrize(
    ("mtls", "node", "refused"),
    [
        (None, "pki", False),
        (None, "pki_check_cn", False),
        (None, "shared", True),
        ("shared", "shared", False),
        ("shared", "pki", True),
    ],
)
def test_nodes_of_a_cluster_prove_themselves_as_the_environment_says(
    tmp_path: Path, mtls: str | None, node: str, refused: bool
) -> None:
    environment = load_environment(open_project(write_project(tmp_path, topology="hybrid")), "dev")
    if mtls is not None:
        cluster = Cluster(control_plane="kong:8005", telemetry_endpoint="kong:8006", mtls=mtls)  # type: ignore[arg-type]
        gateway = environment.settings.gateway.model_copy(update={"cluster": cluster})
        settings = environment.settings.model_copy(update={"gateway": gateway})
        environment = dataclasses.replace(environment, settings=settings)
    checks = judged(environment, role="control_plane", cluster_mtls=node)
    assert ("gateway.role" in checks) is refused


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
def issuer() -> Iterator[tuple[CheckedIssuer, dict[str, Any]]]:
    """An issuer with metadata at the OpenID Connect place; the test may alter what it says."""
    metadata: dict[str, Any] = {}
    with TokenIssuer() as keys:

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_metadata = self.path == "/realms/tools/.well-known/openid-configuration"
                body = json.dumps(metadata).encode() if is_metadata else b"no"
                self.send_response(200 if is_metadata else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        with serving(Handler) as uri:
            checked = CheckedIssuer("keycloak", f"{uri}/realms/tools", keys.jwks_uri)
            metadata |= {
                "issuer": checked.issuer,
                "jwks_uri": checked.address,
                "code_challenge_methods_supported": ["plain", "S256"],
            }
            yield checked, metadata


def test_issuer_that_is_what_the_file_says_is_all_well(issuer: tuple[CheckedIssuer, dict[str, Any]]) -> None:
    checks = list(check_issuer(issuer[0]))
    assert [(finding.id, finding.status) for finding in checks] == [
        ("issuer.keys", "ok"), ("clock.skew", "ok"), ("issuer.metadata", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "status", "message"),
    [
        (None, "ok", "refuses whoever shows no client"),
        (200, "warning", "tells strangers about tokens"),
        (404, "error", "answered 404"),
    ],
)
def test_an_issuer_of_opaque_tokens_must_refuse_strangers(fault: int | None, status: str, message: str) -> None:
    with IntrospectingIssuer() as issuer:
        issuer.fault = fault
        checked = CheckedIssuer("idp", issuer.url, issuer.endpoint, discovery=False, introspected=True)
        first, *_ = check_issuer(checked)
    assert (first.id, first.status) == ("issuer.introspection", status)
    assert message in first.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"issuer": "https://evil.example"}, "names the issuer https://evil.example, not"),
        ({"jwks_uri": "https://evil.example/keys"}, "names another jwks_uri, https://evil.example/keys"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE with S256: MCP clients must refuse it"),
    ],
)
def test_issuer_metadata_that_differs_is_an_error(
    issuer: tuple[CheckedIssuer, dict[str, Any]], change: dict[str, Any], message: str
) -> None:
    issuer[1].update(change)
    (finding,) = [finding for finding in check_issuer(issuer[0]) if finding.id == "issuer.metadata"]
    assert finding.status == "error"
    assert message in finding.message


def test_clients_look_for_metadata_in_the_order_of_the_specification() -> None:
    assert discovery_urls("https://login.example.org/realms/tools") == (
        "https://login.example.org/.well-known/oauth-authorization-server/realms/tools",
        "https://login.example.org/.well-known/openid-configuration/realms/tools",
        "https://login.example.org/realms/tools/.well-known/openid-configuration",
    )


# -- guard and server --------------------------------------------------------------------------------------------------


def test_guards_secret_is_read_and_never_shown(project: Project, tmp_path: Path) -> None:
    hosted = load_environment(project, "dev").servers["hosted"]
    (finding,) = doctor_guard.secrets(hosted.manifest, "dev.hosted", {"LAKERA_API_KEY": "planted-lakera-key"})
    assert (finding.status, finding.message) == ("ok", "Lakera Guard API key can be read from LAKERA_API_KEY")
    (off_host,) = doctor_guard.secrets(hosted.manifest, "dev.hosted", {})
    assert off_host.status == "skipped"
    key = tmp_path / "key"
    key.write_text("planted-file-key\n")
    key.chmod(0o644)
    external = load_environment(project, "dev").servers["external"].manifest
    reference = SecretRef(file=str(key))
    origin = external.origin.model_copy(update={"environment": {"API_KEY": reference}})
    (wide,) = doctor_guard.secrets(external.model_copy(update={"origin": origin}), "dev.external")
    assert wide.status == "error"
    assert "is open to others (mode 0644)" in wide.message
    assert "planted" not in repr([finding, off_host, wide])


def test_a_vendors_engine_is_asked_with_the_guards_own_key(project: Project) -> None:
    manifest = load_environment(project, "dev").servers["hosted"].manifest
    assert manifest.guard.engines.lakera
    with LakeraService() as service:
        lakera = manifest.guard.engines.lakera.model_copy(update={"base_url": service.url, "project_id": "project-1"})
        engines = manifest.guard.engines.model_copy(update={"lakera": lakera})
        manifest = manifest.model_copy(update={"guard": manifest.guard.model_copy(update={"engines": engines})})
        (good,) = doctor_guard.vendors(manifest, "dev.hosted", {"LAKERA_API_KEY": KEY})
        (bad,) = doctor_guard.vendors(manifest, "dev.hosted", {"LAKERA_API_KEY": "planted-wrong-key"})
        (keyless,) = doctor_guard.vendors(manifest, "dev.hosted", {})
        request_count = len(service.seen)
    assert (good.status, bad.status, keyless.status, request_count) == ("ok", "error", "skipped", 2)
    assert good.message.startswith("lakera takes the key and answered in ")
    assert bad.message.startswith("lakera reaches no verdict (it answered 401)")
    assert "planted" not in repr(bad)


def test_an_engine_of_ones_own_is_asked_and_its_certificates_are_read(project: Project, tmp_path: Path) -> None:
    manifest = load_environment(project, "dev").servers["hosted"].manifest
    with ContractService() as service:
        settings = {"url": f"{service.url}/verdict", "token": {"env": "ENGINE_TOKEN"}}
        manifest = _with_engine(manifest, settings)
        (good,) = doctor_guard.vendors(manifest, "dev.hosted", {"ENGINE_TOKEN": KEY})
        unsure = _with_engine(manifest, {"url": "https://judge.example.com/", "ca_file": str(tmp_path / "missing.pem")})
        (bad,) = doctor_guard.vendors(unsure, "dev.hosted", {})
    assert good.message.startswith("http takes the key and answered in ")
    assert bad.status == "error"
    assert "missing.pem" in bad.message


def _with_engine(manifest: Server, settings: dict[str, Any]) -> Server:
    engines = Engines(http=ContractEngine.model_validate(settings))
    return manifest.model_copy(update={"guard": manifest.guard.model_copy(update={"engines": engines})})


def test_a_vendors_engine_is_not_asked_offline_nor_off_its_host(tmp_path: Path) -> None:
    root = write_project(tmp_path, every_shape=True)
    on_host = by_id(ringwall("doctor", "dev.hosted", "--offline", "--host", "dev-2", "--json", "--project", root))
    assert on_host["guard.engines"] == [("skipped", "not asked: --offline")]
    off_host = by_id(ringwall("doctor", "dev.hosted", "--offline", "--json", "--project", root))
    assert off_host["guard.engines"] == [("skipped", "this machine is not host dev-2")]


def test_guard_that_enforces_another_lock_or_is_not_ready_is_an_error(environment: EnvironmentStack) -> None:
    server = environment.servers["one"]
    good = {"ready": True, "identity": "verified", "tool_lock_sha256": digest(server.lock.dump())}
    assert list(doctor_guard._judge(environment, server, good)) == []
    state = {"ready": False, "problems": ["audit: disk full"], "identity": "demo", "tool_lock_sha256": "sha256:0"}
    messages = [(finding.status, finding.message) for finding in doctor_guard._judge(environment, server, state)]
    assert messages == [
        ("error", "not ready: audit: disk full"),
        ("warning", "it runs with a demo identity: nobody is verified"),
        ("error", "it enforces a tool lock that is not the one in the file"),
    ]


# -- the command -------------------------------------------------------------------------------------------------------


def by_id(result: Result) -> dict[str, list[tuple[str, str]]]:
    checks: dict[str, list[tuple[str, str]]] = {}
    for finding in result.json["checks"]:
        checks.setdefault(finding["id"], []).append((finding["status"], finding["message"]))
    return checks


def test_offline_asks_nobody_and_says_what_it_skipped(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    result = ringwall("doctor", "dev.one", "--offline", "--json", "--project", root)
    checks = by_id(result)
    assert checks["project.plan"][0][0] == "ok"
    assert checks["cloudflare.token"] == [("skipped", "not asked: --offline")]
    assert checks["cloudflare.permissions"][0][1].startswith("not asked: --offline; the plan needs Access: Apps")
    assert checks["gateway.plugins"][0][1].startswith("not asked: --offline; the plan needs acl, ")
    assert checks["issuer.keys"] == [("skipped", "not asked: --offline")]
    assert checks["guard.ready"] == [("skipped", "this machine is not host dev-1")]
    assert all(finding["remedy"] for finding in result.json["checks"] if finding["status"] in ("error", "warning"))


def test_whole_environment_is_asked_about_and_no_secret_is_printed(
    tmp_path: Path,
    cloudflare: CloudflareStandIn,
    issuer: tuple[CheckedIssuer, dict[str, Any]],
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
        text = text.replace("https://login.example.org/realms/tools/certs", issuer[0].address)
        file.write_text(text.replace("https://login.example.org/realms/tools", issuer[0].issuer))
        result = ringwall("doctor", "dev", "--json", "--project", root)
        writes = kong.writes()
    checks = by_id(result)
    gateway = {key: value for key, value in checks.items() if key.startswith("gateway.")}
    assert {value[0][0] for key, value in gateway.items() if key != "gateway.keys"} == {"ok"}, gateway
    assert ("error", "1 key of the issuer missing at Kong: tokens signed with it are refused") in checks["gateway.keys"]
    strange = (
        "consumer mallory is in group issuer-access and not Ringwall's, so what it signs is trusted (no JWT key yet)"
    )
    assert ("error", strange) in checks["gateway.keys"]
    assert writes == []
    assert checks["cloudflare.token"][0][0] == "ok"
    assert checks["cloudflare.permissions"][0][0] == "error"
    assert checks["issuer.metadata"] == [("ok", "names itself, its keys and PKCE as the stack file expects")]
    assert result.code == 3
    text = ringwall("doctor", "dev", "--offline", "--project", root).out
    assert "planted" not in result.out + result.err + text


def test_host_option_looks_at_guard_log_and_server(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    checks = by_id(ringwall("doctor", "dev.one", "--offline", "--host", "dev-1", "--json", "--project", root))
    assert checks["guard.ready"][0][0] == "error"
    assert checks["server.reachable"][0][0] == "error"
    wrong = ringwall("doctor", "dev.one", "--offline", "--host", "dev-9", "--project", root)
    assert wrong.code == 2
    assert wrong.errors == ["--host: no environment of these stacks has a host dev-9; name a key of its hosts"]


def test_files_that_are_not_good_become_findings_and_the_engine_is_still_checked(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    (root / "stacks" / "dev.one.lock.yaml").unlink()
    result = ringwall("doctor", "--offline", "--json", "--project", root)
    checks = by_id(result)
    assert checks["project.files"][0][0] == "error"
    assert "engine.found" in checks
    assert result.code == 3


def test_outside_a_project_the_engine_alone_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGWALL_ENGINE", str(tmp_path / "nothing"))
    result = ringwall("doctor", "--json")
    checks = by_id(result)
    assert checks["project.files"] == [("skipped", "there is no project here")]
    assert checks["engine.found"][0][0] == "error"
    assert result.code == 3


def test_what_is_not_done_in_time_or_breaks_is_an_error_and_the_rest_is_reported() -> None:
    import threading

    gate = threading.Event()

    def never() -> list[Check]:
        gate.wait(60)
        return []

    def broken() -> list[Check]:
        raise KeyError("planted-secret")

    def refused() -> list[Check]:
        raise Unreachable("it does not answer", remedy="start it")

    tasks = [Task(("a.x",), never), Task(("b.x",), broken), Task(("c.x",), refused)]
    checks = run_all(tasks, offline=None, deadline=3)
    gate.set()
    assert [(finding.id, finding.status, finding.remedy) for finding in checks] == [
        ("a.x", "error", "run again with a longer --deadline"),
        ("b.x", "error", "report it"),
        ("c.x", "error", "start it"),
    ]
    assert "planted" not in repr(checks)


def test_server_bound_beyond_loopback_is_an_error_of_the_server(tmp_path: Path) -> None:
    import socket

    project = open_project(write_project(tmp_path))
    manifest = load_environment(project, "dev").servers["one"].manifest
    with socket.create_server(("0.0.0.0", 0)) as exposed:
        origin = manifest.origin.model_copy(update={"url": f"http://127.0.0.1:{exposed.getsockname()[1]}/mcp"})
        finding = doctor_guard._server(manifest.model_copy(update={"origin": origin}), "dev.one")
    assert finding.status == "error"
    assert "is bound beyond loopback, on 0.0.0.0" in finding.message


def test_doctor_of_a_rehearsal_looks_at_engine_and_files_and_asks_nobody(project: Project) -> None:
    done = ringwall("doctor", "dev", "--sandbox", "--json", "--project", project.root)
    checks = {check["id"]: check for check in done.json["checks"]}
    assert done.json["sandbox"] is True
    assert checks["engine.plugins"]["message"] == "a rehearsal has stand-ins for them"
    assert checks["cloudflare.token"]["message"] == "not asked: a rehearsal has a stand-in for it"
    assert {check["status"] for name, check in checks.items() if name.startswith(("cloudflare", "gateway"))} == {
        "skipped"
    }
