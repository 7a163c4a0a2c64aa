"""A service that does not answer the doctor: the remedy names what stands on the way to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from model.errors import Unreachable
from operations.doctor.http import fetch

pytestmark = pytest.mark.usefixtures("closed_network")


@pytest.fixture
def closed_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port that is taken and refuses every connection, and an environment without proxies."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_on_the_way_is_named(closed_port: int, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{closed_port}")
    with pytest.raises(Unreachable, match=r"^https://service\.example does not answer \(ConnectError\)") as refused:
        fetch("https://service.example/path?secret=1")
    remedy = f"check the address, the network and the proxy of {variable}, then run this again"
    assert refused.value.each[0].remedy == remedy


def test_on_the_way_to_this_machine_no_proxy_is_named(closed_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    with pytest.raises(Unreachable) as refused:
        fetch(f"http://127.0.0.1:{closed_port}/")
    assert refused.value.each[0].remedy == "check the address and the network, then run this again"
