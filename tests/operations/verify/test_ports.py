"""A port is tried on the addresses of the interfaces of this machine, and on those that only a route makes local."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import psutil
import pytest

from operations.verify import ports
from operations.verify.ports import own_addresses, parse_fib_trie

#: /proc/net/fib_trie of a machine to which a load balancer's address is routed (`ip route add local 203.0.113.9/32`).
TRIE = """\
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.128.0.7
        /32 host LOCAL
     |-- 10.128.0.255
        /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 203.0.113.9
        /32 host LOCAL
"""


def test_local_routes_are_read_and_broadcasts_are_not() -> None:
    assert parse_fib_trie(TRIE) == ["10.128.0.7", "127.0.0.1", "203.0.113.9"]


def test_addresses_are_those_of_interfaces_and_of_local_routes_without_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "10.128.0.7"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET6, "2001:db8::7"),
        (socket.AF_INET6, "fe80::1%eth0"),
        (psutil.AF_LINK, "02:42:ac:11:00:02"),
    ]
    interface = [SimpleNamespace(family=family, address=address) for family, address in entries]
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": interface})
    monkeypatch.setattr(ports, "_text", lambda _: TRIE)
    assert own_addresses() == ("10.128.0.7", "2001:db8::7", "203.0.113.9", "fe80::1%eth0")


def test_addresses_of_this_machine_can_be_bound() -> None:
    for address in own_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.bind(socket.getaddrinfo(address, 0, family, socket.SOCK_STREAM)[0][4])
