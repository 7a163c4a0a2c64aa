"""What a delivery says of a receiver that has gone."""

from __future__ import annotations

import socket

import pytest

from operations.audit_export import receipts
from tests.support.syslog_receiver import LINGER_NOT


def test_a_receiver_that_resets_just_before_the_end_is_said_to_have_ended_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The moment between the look at the connection and its end: the system knows no connection any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        look = receipts._check_open

        def look_and_lose(connection: socket.socket, channel: receipts._Channel, timeout: float) -> None:
            look(connection, channel, timeout)
            accepted, _ = listener.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            accepted.close()

        monkeypatch.setattr(receipts, "_check_open", look_and_lose)
        with pytest.raises(ConnectionResetError, match="the receiver ended the connection"):
            receipts.deliver("127.0.0.1", listener.getsockname()[1], None, b"record", 20)
