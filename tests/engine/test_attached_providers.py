"""Providers attached by PULUMI_DEBUG_PROVIDERS are there before a run begins, or one line says which is not."""

from __future__ import annotations

import socket

import pytest

from engine.plugins import ATTACHED, refuse_unattached
from model.errors import EngineFailed
from tests.support.ports import free_port


def test_providers_that_listen_and_none_are_no_reason_to_refuse() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        refuse_unattached({ATTACHED: f"kong:{server.getsockname()[1]}"})
    refuse_unattached({})
    refuse_unattached({ATTACHED: ""})


def test_the_provider_that_does_not_answer_is_named_with_its_port() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(EngineFailed) as refused:
        refuse_unattached({ATTACHED: f"kong:{server.getsockname()[1]},cloudflare:{port}"})
    assert str(refused.value) == (
        f"PULUMI_DEBUG_PROVIDERS: no cloudflare provider answers on 127.0.0.1:{port} (Connection refused), so nothing was "
        "begun; start it, or unset the variable and use the installed plugins"
    )


@pytest.mark.parametrize("entry", ["kong", "kong:", "kong:x"])
def test_an_entry_without_a_port_is_named(entry: str) -> None:
    with pytest.raises(EngineFailed, match=f"{entry} names no provider and port; write name:port"):
        refuse_unattached({ATTACHED: entry})
