"""What a server may call: an address inside its network for each destination, and somebody outside who hands on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from model.errors import InputError
from model.host_bundle import HostBundle
from operations.host.render import Layout, render
from tests.operations.host.test_containers import HELPERS, IMAGES

NAMED = ("api.example.net:443", "api.example.net:8443", "db.internal.example:5432")
UNITS = "root/etc/systemd/system/"


@pytest.fixture(scope="module")
def calling(bundles: list[HostBundle]) -> list[HostBundle]:
    """The URL and the command of dev-1, which may both call out."""
    return [
        bundle.model_copy(update={"origin": bundle.origin.model_copy(update={"egress": NAMED})})
        for bundle in bundles
        if bundle.host == "dev-1" and bundle.origin is not None
    ]


def test_each_destination_is_found_inside_the_network_and_handed_on_outside(calling: list[HostBundle]) -> None:
    files = {file.path: file.content for file in render(calling, Layout.systemd, {})["dev-1"]}
    hosts = files["root/usr/local/lib/ringwall/dev.one.hosts"].splitlines()
    assert hosts[1:] == [
        *("127.0.0.1 localhost", "::1 localhost", "127.0.0.2 api.example.net", "127.0.0.3 db.internal.example"),
    ]
    places = {1: "127.0.0.2:443", 2: "127.0.0.2:8443", 3: "127.0.0.3:5432"}
    for stack in ("dev.one", "dev.external"):
        for (number, place), destination in zip(places.items(), NAMED, strict=True):
            socket = files[f"{UNITS}ringwall-out-{stack}-{number}.socket"].splitlines()
            proxy = files[f"{UNITS}ringwall-out-{stack}-{number}.service"].splitlines()
            assert {f"ListenStream={place}", "PrivateNetwork=yes"} <= set(socket)
            assert f"ExecStart=/usr/lib/systemd/systemd-socket-proxyd {destination}" in proxy
            assert "PrivateNetwork=yes" not in proxy
            # The metadata services of clouds are no destination, whatever a name leads to.
            assert "IPAddressDeny=link-local multicast fd00:ec2::254" in proxy


@pytest.mark.parametrize("name", ["server-dev.one", "port-dev.one", "server-dev.external@"])
def test_whatever_is_in_the_servers_network_joins_the_first_socket_itself(calling: list[HostBundle], name: str) -> None:
    files = {file.path: file.content for file in render(calling, Layout.systemd, {})["dev-1"]}
    lines = files[f"{UNITS}ringwall-{name}.service"].splitlines()
    stack = "dev.external" if "external" in name else "dev.one"
    assert f"JoinsNamespaceOf=ringwall-out-{stack}-1.socket" in lines
    assert "PrivateNetwork=yes" in lines


def test_in_compose_a_server_still_has_no_network_and_a_relay_for_each_destination(calling: list[HostBundle]) -> None:
    files = {file.path: file.content for file in render(calling, Layout.compose, {**IMAGES, **HELPERS})["dev-1"]}
    services: dict[str, Any] = YAML(typ="safe").load(files["compose.yaml"])["services"]
    assert services["server-one"]["network_mode"] == "none"
    assert services["server-one"]["sysctls"] == {"net.ipv4.ip_unprivileged_port_start": "0"}
    assert [mount["source"] for mount in services["server-one"]["volumes"]] == ["./hosts/dev.one"]
    assert "127.0.0.3 db.internal.example" in files["hosts/dev.one"]
    inside, outside = services["out-one-3-server"], services["out-one-3"]
    assert inside["network_mode"] == "service:server-one"
    assert inside["command"] == ["TCP4-LISTEN:5432,bind=127.0.0.3,fork,reuseaddr", "UNIX-CONNECT:/run/relay/port"]
    assert outside["command"][1] == "TCP:db.internal.example:5432"
    assert "ports" not in outside
    assert inside["volumes"] == outside["volumes"]


def test_a_pod_cannot_hold_a_server_to_names_so_it_is_refused_with_what_can(calling: list[HostBundle]) -> None:
    with pytest.raises(InputError, match=r"a NetworkPolicy knows no host names: dev\.external could") as refused:
        render(calling, Layout.kubernetes, IMAGES)
    assert "--format systemd or compose" in str(refused.value)


def test_the_readme_lists_what_a_server_calls(calling: list[HostBundle]) -> None:
    called = calling[0].egress[0].model_copy(update={"process": "server", "destination": NAMED[0]})
    listed = [bundle.model_copy(update={"egress": (*bundle.egress, called)}) for bundle in calling]
    readme = next(file for file in render(listed, Layout.systemd, {})["dev-1"] if file.path == "README.md").content
    assert f"| server | `{NAMED[0]}` |" in readme


def test_systemd_calls_the_proxy_confined(calling: list[HostBundle], tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here, so systemd's own judgement of the unit was NOT asked")
    name = "ringwall-out-dev.one-1.service"
    files = {file.path: file.content for file in render(calling, Layout.systemd, {})["dev-1"]}
    (tmp_path / name).write_text(files[f"{UNITS}{name}"])
    judged = ["systemd-analyze", "security", "--offline=true", "--threshold=12", "--no-pager", str(tmp_path / name)]
    result = subprocess.run(judged, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-300:]
