"""The units of a host: what each process is denied, who may open what, and what systemd itself says of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.errors import InputError
from model.host_bundle import GATEWAY_METRICS, HostBundle
from operations.host.machine import Machine
from operations.host.render import Layout, render
from operations.host.systemd import systemd_files
from operations.host.unit_text import CONFINEMENT, command_line
from tests.operations.host.conftest import bundles_of
from tests.support.projects import write_project

UNITS = "root/etc/systemd/system/"
#: `systemd-analyze security` from 0 (confined) to 10 (not at all), of systemd 252; the highest of each kind of unit.
EXPOSURE = {
    "ringwall-guard.service": 1.4,
    "ringwall-kong.service": 1.4,
    "ringwall-cloudflared-dev.one.service": 1.2,
    "ringwall-port-dev.one.service": 0.8,
    "ringwall-server-dev.one.service": 0.7,
    "ringwall-server-dev.external@.service": 0.7,
    "ringwall-server-dev.hosted.service": 0.7,
}

Unit = list[tuple[str, str]]


@pytest.fixture(scope="module")
def units(bundles: list[HostBundle]) -> dict[str, Unit]:
    """The lines of every unit of both hosts, by its name."""
    hosts = render(bundles, Layout.systemd, {})
    texts = {
        file.path.removeprefix(UNITS): file.content
        for host in ("dev-2", "dev-1")  # the guard of dev-1 counts
        for file in hosts[host]
        if file.path.startswith(UNITS)
    }
    return {name: _lines(text) for name, text in texts.items()}


def _lines(text: str) -> Unit:
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def services(units: dict[str, Unit], prefix: str = "ringwall-") -> Iterator[tuple[str, Unit]]:
    chosen = [(name, lines) for name, lines in units.items() if name.startswith(prefix) and name.endswith(".service")]
    assert chosen
    yield from chosen


def value(lines: Unit, key: str) -> str | None:
    values = [found for name, found in lines if name == key]
    assert len(values) <= 1
    return values[0] if values else None


def test_every_process_of_every_shape_has_a_unit(units: dict[str, Unit]) -> None:
    assert set(units) == {
        "ringwall-guard.service",
        "ringwall-kong.service",
        "ringwall-cloudflared-dev.external.service",
        "ringwall-cloudflared-dev.hosted.service",
        "ringwall-cloudflared-dev.one.service",
        "ringwall-port-dev.one.service",
        "ringwall-port-dev.one.socket",
        "ringwall-server-dev.external.socket",
        "ringwall-server-dev.external@.service",
        "ringwall-server-dev.hosted.service",
        "ringwall-server-dev.one.service",
    }


def test_every_service_is_denied_whatever_it_does_not_need(units: dict[str, Unit]) -> None:
    for name, lines in services(units):
        for line in CONFINEMENT:
            assert line in lines, f"{name}: {line}"
        assert value(lines, "User") or value(lines, "DynamicUser") == "yes", name
        assert value(lines, "User") != "root", name


def test_a_server_has_no_network_but_its_own_loopback_and_sees_nothing_of_the_guard(units: dict[str, Unit]) -> None:
    for name, lines in services(units, "ringwall-server-"):
        assert value(lines, "PrivateNetwork") == "yes", name
        assert value(lines, "IPAddressDeny") == "any", name
        hidden = str(value(lines, "InaccessiblePaths")).split()
        assert {"-/etc/ringwall", "-/var/lib/ringwall", "-/var/log/ringwall"} <= set(hidden), name


def test_users_of_servers_are_their_own(units: dict[str, Unit]) -> None:
    users = [value(lines, "User") for _, lines in services(units, "ringwall-server-")]
    assert len(set(users)) == len(users)
    assert not {"ringwall-guard", "ringwall-kong", None} & set(users)


def test_a_command_runs_once_for_each_connection_that_the_guard_alone_may_make(units: dict[str, Unit]) -> None:
    socket, command = units["ringwall-server-dev.external.socket"], units["ringwall-server-dev.external@.service"]
    assert value(socket, "ListenStream") == "/run/ringwall/dev.external/stdio"
    assert (value(socket, "Accept"), value(socket, "SocketUser"), value(socket, "SocketMode")) == (
        "yes",
        "ringwall-guard",
        "0600",
    )
    assert (value(command, "StandardInput"), value(command, "StandardOutput")) == ("socket", "socket")
    assert value(command, "ExecStart") == "node server.js"
    assert value(command, "EnvironmentFile") == "/etc/ringwall/dev.external/server.env"
    assert "--command-sockets /run/ringwall" in str(value(units["ringwall-guard.service"], "ExecStart"))


def test_a_port_is_opened_by_systemd_and_handed_on_inside_the_servers_network(units: dict[str, Unit]) -> None:
    assert value(units["ringwall-port-dev.one.socket"], "ListenStream") == "127.0.0.1:3000"
    proxy = units["ringwall-port-dev.one.service"]
    assert value(proxy, "JoinsNamespaceOf") == "ringwall-server-dev.one.service"
    assert value(proxy, "PrivateNetwork") == "yes"
    assert str(value(proxy, "ExecStart")).endswith("systemd-socket-proxyd 127.0.0.1:3000")


def test_no_secret_and_no_path_to_a_key_of_another_is_in_a_command_line(units: dict[str, Unit]) -> None:
    tunnel = units["ringwall-cloudflared-dev.one.service"]
    assert value(tunnel, "LoadCredential") == "tunnel-token:/etc/ringwall/dev.one/tunnel-token"
    assert str(value(tunnel, "ExecStart")).endswith(" run --token-file %d/tunnel-token")
    local = units["ringwall-cloudflared-dev.hosted.service"]
    assert str(value(local, "ExecStart")).endswith(" run --credentials-file %d/tunnel-credentials.json")


def test_the_guard_binds_its_own_ports_and_no_other(bundles: list[HostBundle]) -> None:
    on_first = [bundle for bundle in bundles if bundle.host == "dev-1"]
    files = {file.path: file.content for file in systemd_files(Machine.of(on_first))}
    lines = _lines(files[f"{UNITS}ringwall-guard.service"])
    assert value(lines, "SocketBindDeny") == "any"
    assert [found for key, found in lines if key == "SocketBindAllow"] == [
        f"tcp:{port}" for port in (9010, 9052, 9900, 10010, 10052)
    ]


def test_without_kong_on_the_host_there_is_no_tunnel_and_no_gateway(tmp_path: Path) -> None:
    bundles = bundles_of(write_project(tmp_path, topology="hybrid"))
    central = [
        bundle.model_copy(update={"kong": bundle.kong.model_copy(update={"role": "elsewhere", "settings": {}})})
        for bundle in bundles
    ]
    names = [file.path for file in systemd_files(Machine.of(central))]
    assert not [name for name in names if "kong" in name or "cloudflared" in name]


def test_two_processes_that_want_one_port_are_refused_by_name(bundles: list[HostBundle]) -> None:
    taken = next(bundle for bundle in bundles if bundle.server == "one")
    clash = taken.kong.model_copy(update={"settings": {**taken.kong.settings, "status_listen": "127.0.0.1:9010"}})
    with pytest.raises(
        InputError, match=r"port 9010 is wanted twice: by Kong's status_listen and by the guard of dev\.one"
    ):
        Machine.of([taken.model_copy(update={"kong": clash})])


def test_kong_may_write_its_log_where_the_stack_says_and_nowhere_else(bundles: list[HostBundle]) -> None:
    second = [bundle for bundle in bundles if bundle.host == "dev-2"]
    assert [bundle.gateway_logs for bundle in second] == [("/var/log/kong/hosted.log",)]
    files = {file.path: file.content for file in systemd_files(Machine.of(second))}
    assert value(_lines(files[f"{UNITS}ringwall-kong.service"]), "ReadWritePaths") == "/var/log/kong"
    folders = files["root/etc/tmpfiles.d/ringwall.conf"].splitlines()
    assert 'd "/var/log/kong" 0750 ringwall-kong ringwall-kong' in folders
    for elsewhere in (
        "/var/log/kong.log",
        "/etc/kong/hosted.log",
        "/var/log/ringwall/kong/x.log",
        "/var/log/../x/y.log",
    ):
        with pytest.raises(InputError, match="would write its log into"):
            Machine.of([second[0].model_copy(update={"gateway_logs": (elsewhere,)})])


def test_what_a_stack_file_says_is_never_read_by_systemd_as_more_than_itself() -> None:
    assert command_line(["a b", "100%", "$HOME", 'say "x"', "back\\slash", ""]) == (
        r'"a b" 100%% $$HOME "say \"x\"" "back\\slash" ""'
    )


# -- systemd's own judgement --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(bundles: list[HostBundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file system with the units of both hosts, and a program wherever one of them names one."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here, so systemd's own judgement of the units was NOT asked")
    root = tmp_path_factory.mktemp("root")
    for files in render(bundles, Layout.systemd, {}).values():
        for file in files:
            if file.path.startswith("root/"):
                path = root / file.path.removeprefix("root/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.content)
    programs = (
        *("opt/ringwall/bin/ringwall", "usr/local/bin/cloudflared", "usr/local/bin/kong", "bin/kill", "usr/bin/node"),
        *("usr/local/openresty/nginx/sbin/nginx", "usr/lib/systemd/systemd-socket-proxyd"),
        *("usr/local/lib/ringwall/dev.one", "usr/local/lib/ringwall/dev.hosted"),
    )
    for program in programs:
        path = root / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    shutil.copytree("/usr/lib/systemd/system", root / "usr/lib/systemd/system", symlinks=True)
    return root


def test_systemd_finds_nothing_wrong_with_the_units(tree: Path) -> None:
    names = sorted(path.name for path in (tree / "etc/systemd/system").glob("ringwall-*") if "@" not in path.name)
    result = subprocess.run(
        ["systemd-analyze", "verify", f"--root={tree}", "--man=no", *names], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")
    assert [line for line in result.stderr.splitlines() if "ringwall" in line] == []


@pytest.mark.parametrize("name", EXPOSURE)
def test_systemd_calls_each_unit_confined(tree: Path, name: str) -> None:
    threshold = str(round(EXPOSURE[name] * 10))
    result = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--root={tree}",
            f"--threshold={threshold}",
            "--no-pager",
            name,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Overall exposure level" in result.stdout, result.stderr
    assert result.returncode == 0, result.stdout.splitlines()[-1]


def test_metrics_are_read_of_each_process_that_serves_any(bundles: list[HostBundle]) -> None:
    first = [bundle for bundle in bundles if bundle.host == "dev-1"]

    def jobs(chosen: list[HostBundle]) -> list[str]:
        files = {file.path: file.content for file in systemd_files(Machine.of(chosen))}
        lines = files["root/etc/ringwall/prometheus.yml"].splitlines()
        return [line.split()[-1] for line in lines if "job_name" in line or "targets" in line]

    assert jobs(first) == [
        *("ringwall-guard", '["127.0.0.1:10052"]', '["127.0.0.1:10010"]'),
        *("kong", '["127.0.0.1:8100"]'),
        *("cloudflared", '["127.0.0.1:20241"]', '["127.0.0.1:20242"]'),
    ]
    silent = [
        bundle.model_copy(
            update={"listeners": tuple(item for item in bundle.listeners if item.purpose != GATEWAY_METRICS)}
        )
        for bundle in first
    ]
    assert "kong" not in jobs(silent)
