"""Exposure is read from the kernel, from sockets that really listen."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from model.errors import Unreachable
from operations.sockets import Exposure, ListeningSocket, all_listeners, exposure, listeners, other_namespaces


def listening(address: str, port: int = 0) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address, port), family=family)


def test_server_on_127_0_0_1_is_loopback_and_its_owner_is_named() -> None:
    with listening("127.0.0.1") as sock:
        port = sock.getsockname()[1]
        (found,) = listeners(port)
        exposed = exposure(port)
    assert (found.address, found.port, found.pid, found.is_loopback) == ("127.0.0.1", port, os.getpid(), True)
    assert (exposed.state, exposed.addresses, exposed.pid) == ("loopback", ("127.0.0.1",), os.getpid())
    assert str(exposed).startswith("bound to loopback only, on 127.0.0.1 by ")


def test_server_on_0_0_0_0_is_exposed() -> None:
    with listening("0.0.0.0") as sock:
        exposed = exposure(sock.getsockname()[1])
    assert (exposed.state, exposed.addresses, exposed.pid) == ("exposed", ("0.0.0.0",), os.getpid())
    assert "bind it to 127.0.0.1" in str(exposed)


def test_every_address_of_a_port_counts() -> None:
    with listening("127.0.0.1") as sock:
        port = sock.getsockname()[1]
        with listening("127.0.0.2", port):
            assert exposure(port).addresses == ("127.0.0.1", "127.0.0.2")
            assert exposure(port).state == "loopback"


def test_ipv6_addresses_are_read_in_the_kernels_byte_order() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6: its addresses were not checked on a real socket")
    try:
        six = listening("::1")
    except OSError:
        pytest.skip("this machine has no ::1: IPv6 was not checked on a real socket")
    with six:
        assert exposure(six.getsockname()[1]).addresses == ("::1",)
    with listening("::") as every:
        assert exposure(every.getsockname()[1]).state == "exposed"


def test_demo_server_bound_to_all_addresses_is_found(start_demo: Callable[..., Any]) -> None:
    with start_demo("--host", "0.0.0.0") as (url, process):
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        exposed = exposure(port)
    assert (exposed.state, exposed.pid) == ("exposed", process.pid)


def test_port_nobody_listens_on_is_unknown_not_safe() -> None:
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        exposed = exposure(bound_only.getsockname()[1])
    assert exposed.state == "unknown"
    assert str(exposed).startswith("cannot tell who may reach it: no socket of this machine")


def test_machine_whose_table_cannot_be_read_cannot_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with listening("0.0.0.0") as sock:
        port = sock.getsockname()[1]
        monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))  # as where /proc is not mounted
        exposed = exposure(port)
        assert listeners(port) == ()
        with pytest.raises(Unreachable, match="the listening sockets of this machine cannot be listed"):
            all_listeners()
    assert exposed.state == "unknown"
    assert "the kernel's table of sockets cannot be read" in str(exposed)


def test_row_of_a_table_that_is_not_understood_is_no_empty_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "net").mkdir()
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    for row in ("0: 00000000:1F90 shortened", f"0: 00000000:1F90 00000000:0000 7F {'0 ' * 8}"):
        (tmp_path / "net" / "tcp").write_text(f"head\n{row}\n")
        assert exposure(8080).state == "unknown"
        assert "cannot be read" in str(exposure(8080))


def test_user_who_may_not_see_the_whole_table_sees_the_sockets_of_their_own_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(kind: str) -> None:  # as macOS does to all but root
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    with listening("0.0.0.0") as sock:
        port = sock.getsockname()[1]
        assert [(item.address, item.port, item.pid) for item in listeners(port)] == [("0.0.0.0", port, os.getpid())]


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("192.168.1.4", False),
        ("fe80::1%eth0", False),
        ("*", False),
        ("", False),
    ],
)
def test_loopback_is_127_and_1_only(address: str, loopback: bool) -> None:
    assert ListeningSocket(address, 1).is_loopback is loopback


def test_only_listening_rows_of_the_port_are_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if sys.byteorder != "little":
        pytest.skip("the text below is from a little-endian kernel: not checked on this machine")
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    row = "   0: {} 00000000:0000 {} 00000000:00000000 00:00000000 00000000     0        0 {} 1 0 100 0 0 10 0\n"
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(
        head
        + row.format("0100007F:1F90", "0A", 11)
        + row.format("00000000:1F90", "01", 12)
        + row.format("00000000:1F91", "0A", 13)
    )
    (tmp_path / "net" / "tcp6").write_text(
        head
        + row.replace("00000000:0000", f"{'0' * 32}:0000").format(f"{'0' * 24}01000000:1F90", "0A", 14)
        + row.replace("00000000:0000", f"{'0' * 32}:0000").format("0000000000000000FFFF00000100007F:1F90", "0A", 15)
    )
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert [(item.address, item.pid) for item in listeners(8080)] == [
        ("127.0.0.1", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
    ]
    assert [(item.address, item.port) for item in all_listeners()][-1] == ("0.0.0.0", 8081)


def test_arguments_of_the_owner_are_not_shown() -> None:
    code = (
        "import socket,time; s=socket.create_server(('127.0.0.1',0)); print(s.getsockname()[1],flush=1); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, "--token=planted-secret"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        exposed = exposure(int(process.stdout.readline()))
        process.kill()
    assert exposed.pid == process.pid
    assert "planted-secret" not in repr(exposed) + str(exposed)


def test_exposure_reads_as_a_sentence() -> None:
    assert str(Exposure("exposed", ("0.0.0.0", "::"), 7, "node")) == (
        "bound beyond loopback, on 0.0.0.0, :: by node (pid 7); bind it to 127.0.0.1"
    )


def test_network_namespace_of_a_container_is_counted_as_not_seen() -> None:
    unshare = ["unshare", "--map-root-user", "--net", "--"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine gives no network namespace: other namespaces were not checked")
    code = "import sys; print(flush=True); sys.stdin.read()"
    command = [*unshare, sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as inside:
        assert inside.stdout is not None
        inside.stdout.readline()
        assert other_namespaces() >= 1
        inside.communicate()
