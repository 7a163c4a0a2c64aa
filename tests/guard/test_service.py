"""The guard as a process: how it starts, refuses to, listens, takes new configurations, and ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from guard.app import admin_app
from guard.bundle.bundle import Opened, render, sign
from guard.bundle.keys import create_key_pair, load_private_key
from guard.decide.term import Term
from guard.listening import serve
from guard.running import running
from guard.service import GuardService
from model.errors import InputError, RingwallError
from model.guard_config import GuardConfig
from operations.sockets import listeners
from tests.support.certificates import issued
from tests.support.command_line import ringwall
from tests.support.guard_service import ME, Origin, answer_of, config_for, guarded, serving, sse, tool
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.ports import free_port
from tests.support.token_issuer import TokenIssuer
from tests.support.waiting import LIFETIMES, eventually, eventually_sync

RINGWALL = str(Path(sys.executable).with_name("ringwall"))


async def until_healthy(port: int) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:

        async def healthy() -> bool:
            try:
                return (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(healthy, "the guard is healthy", within=90)  # a process starts, maybe on a busy machine


@pytest.fixture
def signing(tmp_path: Path) -> tuple[Any, Path]:
    private, public, _ = create_key_pair(tmp_path / "keys")
    return load_private_key(private), public


def real(issuer: TokenIssuer) -> dict[str, Any]:
    doors = [{"hostname": "raw.example.com", "audience": "a" * 64}]
    return {"access": {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, "front_doors": doors}}


async def test_a_signed_bundle_is_run_replaced_and_never_rolled_back(tmp_path: Path, signing: tuple[Any, Path]) -> None:
    key, public = signing
    bundle = tmp_path / "guard.bundle.json"

    def write(config: GuardConfig, sequence: int, denied: tuple[str, ...] = ()) -> None:
        staged = bundle.with_suffix(".new")
        staged.write_text(render(sign(config, sequence=sequence, denied=denied, key=key)))
        staged.replace(bundle)

    origin = Origin()
    with TokenIssuer() as issuer:
        async with serving(origin):
            admin = free_port()
            config = config_for(origin, tmp_path, identity=real(issuer), admin_port=admin)
            write(config, 5)
            arguments = [
                "--config",
                str(bundle),
                "--public-key",
                str(public),
                "--server",
                "dev.raw",
                "--poll",
                "1s",
            ]
            process = await asyncio.create_subprocess_exec(
                RINGWALL, "guard", "run", *arguments, "--state", tmp_path / "state", stderr=subprocess.PIPE
            )
            try:
                await until_healthy(config.listen.port)
                async with httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{admin}", trust_env=False, verify=NO_AUTHORITIES
                ) as client:

                    async def ready(expected: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
                        async def state() -> dict[str, Any] | None:
                            document = (await client.get("/readyz")).json()
                            return document if expected(document) else None

                        return await eventually(state, "/readyz shows the expected state")

                    first = await ready(lambda state: state["ready"])
                    assert (first["identity"], first["bundle"]["sequence"]) == ("verified", 5)
                    write(config, 6, ("person:mallory",))
                    assert (await ready(lambda state: state["bundle"]["sequence"] == 6))["denied"] == ["person:mallory"]
                    write(config, 4)
                    kept = await ready(lambda state: state["bundle"]["problem"])
                    assert kept["bundle"]["sequence"] == 6
                    assert kept["denied"] == ["person:mallory"]
                    metrics = (await client.get("/metrics")).text
                    assert "ringwall_guard_open_streams 0.0" in metrics
            finally:
                process.send_signal(signal.SIGTERM)
                _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
            kinds = [json.loads(line)["kind"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
            assert kinds.count("config") == 1
            assert kinds[-2:] == ["close", "head"]


@pytest.mark.parametrize(
    "what",
    [
        "unsigned",
        "no-identity",
        "another-server",
        "port-taken",
        "beyond-loopback",
        "state-nowhere",
        "server-of-no-bundle",
        "token-of-no-bundle",
    ],
)
def test_a_guard_that_cannot_be_sound_does_not_start(tmp_path: Path, signing: tuple[Any, Path], what: str) -> None:
    key, public = signing
    origin = Origin(port=free_port())
    values = config_for(origin, tmp_path).dump()
    arguments = ["--state", str(tmp_path / "state")]
    with TokenIssuer() as issuer:
        if what == "unsigned":
            values["identity"] = real(issuer)
        elif what == "no-identity":
            values["identity"] = {}
        elif what == "beyond-loopback":
            values["listen"]["address"] = "0.0.0.0"
        text = json.dumps(values)
        if what == "another-server":
            config = GuardConfig.model_validate(values | {"identity": real(issuer)})
            text = render(sign(config, sequence=1, denied=(), key=key))
            arguments += ["--public-key", str(public), "--server", "dev.other"]
        elif what == "state-nowhere":
            arguments[1] = str(tmp_path / "guard.json" / "state")
        elif what == "server-of-no-bundle":
            arguments += ["--server", "dev.raw"]
        elif what == "token-of-no-bundle":
            arguments += ["--token-file", str(public)]
        (tmp_path / "guard.json").write_text(text)
        taken = None
        if what == "port-taken":
            port = str(values["listen"]["port"])
            taken = subprocess.Popen([sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1"],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
            eventually_sync(lambda: _listens(values["listen"]["port"]), "the port is taken")
        try:
            done = subprocess.run(
                [RINGWALL, "guard", "run", "--config", str(tmp_path / "guard.json"), *arguments],
                capture_output=True,
                text=True,
                timeout=200,
            )
        finally:
            if taken is not None:
                taken.kill()
                taken.wait()
    assert done.returncode != 0
    assert "error:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "a defect" not in done.stderr


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


async def test_answers_under_way_are_finished_before_the_guard_ends(tmp_path: Path) -> None:
    origin = Origin()
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(_: Any) -> dict[str, Any]:
        began.set()
        await go.wait()
        return {"content": [{"type": "text", "text": "finished"}]}

    origin.replies["tools/call"] = slow
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        calling = asyncio.ensure_future(guard.call("search"))
        await began.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await eventually(lambda: guard.service.runtime.draining, "the guard drains")
        assert (await guard.client.get("/healthz")).status_code == 503
        assert (await guard.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 503
        go.set()
        assert (await calling)["result"]["content"][0]["text"] == "finished"


async def test_a_guard_that_starts_before_its_server_is_ready_once_the_server_is(tmp_path: Path) -> None:
    origin = Origin(port=free_port())
    config = config_for(origin, tmp_path)
    async with running(Opened(config, "sha256:" + "1" * 64, 1, frozenset()), tmp_path / "state") as service:
        stop, started = asyncio.Event(), asyncio.Event()
        listening = asyncio.get_running_loop().create_task(serve(service, stop, started=started.set))
        await started.wait()
        await eventually(lambda: "refuses connections" in str(service.readiness()["problems"]), "the server is missed")
        async with serving(origin):
            await eventually(lambda: service.readiness()["ready"], "it is found, though nobody calls")
            stop.set()
            await listening


async def test_a_guard_whose_issuer_has_no_keys_is_not_ready_until_it_has(tmp_path: Path) -> None:
    with TokenIssuer() as issuer:
        issuer.fault = 500
        async with guarded(Origin(), tmp_path, identity=real(issuer)) as guard:
            transport = httpx.ASGITransport(admin_app(guard.service.runtime))
            async with httpx.AsyncClient(transport=transport, base_url="http://admin") as admin:
                missing = f"identity: {issuer.jwks_uri}: the issuer answered 500"

                async def reported() -> bool:
                    return bool((await admin.get("/readyz")).json()["problems"] == [missing])

                async def ready() -> bool:
                    return (await admin.get("/readyz")).status_code == 200

                await eventually(reported, "the issuer's failure is reported")
                issuer.fault = None
                await eventually(ready, "the guard is ready")
            assert issuer.hits >= 2, "nobody called: it was the guard that looked"


async def test_a_collector_and_a_source_out_of_reach_are_seen_by_readiness_and_metrics(tmp_path: Path) -> None:
    audit = {"path": str(tmp_path / "audit.jsonl"), "anchor": {"url": "http://127.0.0.1:9/heads"}}
    async with guarded(Origin(), tmp_path, audit=audit) as guard:
        runtime = guard.service.runtime
        runtime.source_status = lambda: {"source": "x", "last_check": None, "problem": "out of reach"}
        transport = httpx.ASGITransport(admin_app(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as admin:

            async def failed_anchor() -> dict[str, Any] | None:
                anchor = (await admin.get("/readyz")).json()["audit"]["anchor"]
                return dict(anchor) if anchor["failures"] else None

            anchor = await eventually(failed_anchor, "a head was not sent")
            assert anchor["error"] == "the collector did not answer (ConnectError)"
            lines = (await admin.get("/metrics")).text.splitlines()
        values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if "#" not in name}
        assert values["ringwall_guard_audit_anchor_lag_records"] == values["ringwall_guard_audit_records"] > 0
        assert values["ringwall_guard_audit_anchor_failures"] >= 1
        assert values["ringwall_guard_bundle_source_well"] == 0
        assert values["ringwall_guard_bundle_sequence"] == 1


async def test_what_needs_a_restart_is_refused_and_the_old_configuration_stays(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        moved = guard.config.model_copy(update={"path": "/other"})
        with pytest.raises(InputError, match="path differs"):
            await guard.service.apply(Opened(moved, "sha256:" + "2" * 64, 2, frozenset()))
        broken = guard.config.dump()
        broken["grants"][0]["arguments"] = {"search": {"$ref": "https://evil.example/schema"}}
        config = GuardConfig.model_validate(broken)
        with pytest.raises(InputError, match=r"grants\.0\.arguments\.search"):
            await guard.service.apply(Opened(config, "sha256:" + "2" * 64, 2, frozenset()))
        assert guard.service.runtime.policy.sequence == 1
        await guard.initialize()
        assert "result" in await guard.call("search")


async def test_a_configuration_may_move_the_server(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard, serving(other := Origin()):
        values = guard.config.dump()
        values["origin"]["url"] = f"http://127.0.0.1:{other.port}/mcp"
        await guard.service.apply(Opened(GuardConfig.model_validate(values), "sha256:" + "2" * 64, 2, frozenset()))
        await guard.initialize()
        assert "result" in await guard.call("search")
        assert len(other.calls) == 1
        assert guard.origin.calls == []


async def test_a_state_file_nobody_can_read_stops_the_guard(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "refused.json").write_text("{}")
    config = config_for(Origin(port=free_port()), tmp_path)
    with pytest.raises(InputError, match="list of refused definitions"):
        await GuardService.open(Opened(config, "sha256:" + "1" * 64, 1, frozenset()), tmp_path / "state")


async def test_a_stream_that_uses_up_the_budget_is_ended_with_an_answer(tmp_path: Path) -> None:
    origin = Origin(tools=[tool("search")])
    note = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "word " * 200}}
    origin.replies["tools/call"] = lambda m: sse(
        *[note] * 50, {"jsonrpc": "2.0", "id": m["id"], "result": {"content": []}}
    )
    async with guarded(origin, tmp_path, limits={"principal_tokens_per_minute": 2000}) as guard:
        await guard.initialize()
        response = await guard.post({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "search"}})
        # The call ran: a tool error that says so, and no refusal.
        assert answer_of(response, 7)["result"]["isError"]
        assert response.text.count("notifications/message") < 20


async def test_beyond_127_0_0_1_only_a_client_with_a_pinned_certificate_is_heard(tmp_path: Path) -> None:
    authority = issued("ca", is_authority=True)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    server = issued("server", ["127.0.0.2"], by=authority).write(tmp_path / "server.pem")
    client = issued("client", by=authority).write(tmp_path / "client.pem")
    stranger = issued("stranger", by=issued("other ca", is_authority=True)).write(tmp_path / "stranger.pem")
    listen = {
        "address": "127.0.0.2",
        "port": free_port(),
        "tls_certificate": {"file": str(server)},
        "tls_key": {"file": str(server)},
        "client_ca": {"file": str(ca)},
    }
    async with guarded(Origin(), tmp_path, listen=listen):
        url = f"https://127.0.0.2:{listen['port']}/healthz"
        for shown, heard in ((None, False), (stranger, False), (client, True)):
            context = ssl.create_default_context(cafile=str(ca))
            if shown:
                context.load_cert_chain(shown)
            async with httpx.AsyncClient(verify=context, trust_env=False) as http:
                try:
                    assert (await http.get(url)).status_code == 200
                except httpx.TransportError:
                    assert not heard
                else:
                    assert heard


async def test_a_guard_that_cannot_listen_never_says_that_it_does(tmp_path: Path) -> None:
    origin = Origin()
    async with serving(origin):
        config = config_for(origin, tmp_path)
        said: list[str] = []
        with socket.create_server(("127.0.0.1", config.listen.port)):
            async with running(Opened(config, "sha256:" + "1" * 64, 1, frozenset()), tmp_path / "state") as service:
                with pytest.raises(RingwallError, match=f"cannot listen on 127.0.0.1:{config.listen.port}"):
                    await serve(service, asyncio.Event(), started=lambda: said.append("listens"))
        assert said == []


def test_a_taken_port_is_refused_by_its_holders_name_before_anything_is_said(tmp_path: Path) -> None:
    for key in ("guard_port", "guard_admin_port"):
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            origin = Origin()
            origin.port = free_port()
            config = config_for(origin, tmp_path, admin_port=free_port()).dump()
            if key == "guard_port":
                config["listen"]["port"] = port
            else:
                config["admin_port"] = port
            file = tmp_path / f"{key}.json"
            file.write_text(json.dumps(config))
            done = ringwall("guard", "run", "--config", file, "--state", tmp_path / "unused")
        assert (done.code, done.out) == (2, "")
        assert done.errors[0].startswith(
            f"{key}: 127.0.0.1:{port} is taken by {listening_name()} (pid {os.getpid()}); "
        )
        assert not (tmp_path / "unused").exists()


def listening_name() -> str | None:
    """The name by which the kernel's table calls this process."""
    with socket.create_server(("127.0.0.1", 0)) as own:
        return listeners(own.getsockname()[1])[0].command


async def test_a_configuration_that_needs_a_restart_denies_at_once_all_the_same(tmp_path: Path) -> None:
    listening, over = asyncio.Event(), asyncio.Event()

    async def listen(_: Any) -> Any:
        listening.set()
        return sse(": hello\n\n", then=over.wait)  # type: ignore[arg-type]

    async with guarded(Origin(get=listen), tmp_path) as guard:
        await guard.initialize()
        stream = asyncio.ensure_future(guard.client.get("/mcp", headers={"accept": "text/event-stream"}))
        await listening.wait()
        moved = guard.config.model_copy(update={"path": "/other"})
        with pytest.raises(InputError, match=r"path differs .*its deny list is in force"):
            await guard.service.apply(Opened(moved, "sha256:" + "2" * 64, 2, frozenset({ME})))
        await stream  # it ended, although its server goes on
        assert (await guard.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 403
        assert guard.reasons()[-1][2] == "denied"
        events = [json.loads(line) for line in guard.audit.read_text().splitlines()]
        assert [event["details"]["denied"] for event in events if event["kind"] == "deny"] == [[ME]]
        await guard.service.apply(Opened(guard.config, "sha256:" + "3" * 64, 3, frozenset()))
        assert (await guard.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 200
        over.set()


async def test_an_expired_configuration_lets_nothing_pass_and_ends_its_streams(tmp_path: Path) -> None:
    listening, over = asyncio.Event(), asyncio.Event()

    async def listen(_: Any) -> Any:
        listening.set()
        return sse(": hello\n\n", then=over.wait)  # type: ignore[arg-type]

    async with guarded(Origin(get=listen), tmp_path) as guard:
        await guard.initialize()
        for sequence, lifetime in enumerate(LIFETIMES, 2):
            ends = int(time.time()) + lifetime
            await guard.service.apply(Opened(guard.config, f"sha256:{sequence:064}", sequence, frozenset(), ends))
            soon = guard.service.runtime.readiness()
            await guard.client.get("/mcp", headers={"accept": "text/event-stream"})
            assert time.time() >= ends
            if listening.is_set():
                break
        assert soon["bundle"]["expires"] == ends
        assert soon["warnings"][0].startswith("bundle: the configuration expires at ")
        response = await guard.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert response.status_code == 403
        assert response.headers["ringwall-incident"] == guard.records()[-1]["incident"]
        assert guard.reasons()[-1] == ("http", "refuse", "bundle_expired")
        late = guard.service.runtime.readiness()
        assert (late["ready"], late["warnings"]) == (False, [])
        assert late["problems"][0].startswith("bundle: the configuration expired at ")
        over.set()


def test_a_configuration_warns_for_seven_days_before_its_end() -> None:
    day, end = 24 * 3600, 1_800_000_000
    term = Term(1, end)
    assert term.warning(end - 7 * day - 1) is None
    assert "expires at 2027-01-15T08:00:00Z" in str(term.warning(end - 7 * day))
    assert (term.warning(end), term.is_over(end), term.is_over(end - 0.1)) == (None, True, False)
    assert not Term().is_over(float("inf"))
