"""A delivery over TCP or TLS whose receiver shows that its program has read everything, though it sends no receipt.

1. Every byte is sent, and the receiver's system acknowledges it.
2. The receiver has not ended the connection by then.
3. This side ends its direction, and waits for the other side's end.

A program that ends a connection with bytes unread makes its system send a reset in place of an end (RFC 2525, section 2.17).
So an end that comes after 2 says that all of it was read, and anything else is an error. The steps are taken below TLS,
whose library reports a reset and a plain end alike; TLS itself runs in memory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import ssl
import struct
import termios
import time
from typing import Protocol

_BLOCK = 65536


class _Channel(Protocol):
    def send(self, data: bytes) -> None: ...

    def take(self, received: bytes) -> None:
        """Look at what the receiver sent; raises ssl.SSLError where it refuses."""
        ...

    def end(self) -> None: ...


class _PlainChannel:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def take(self, received: bytes) -> None:
        """A receiver has nothing to say."""

    def end(self) -> None:
        _end_direction(self._connection)


class _TlsChannel:
    def __init__(self, connection: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
            finally:
                connection.sendall(self._outgoing.read())
            received = connection.recv(_BLOCK)
            if not received:
                raise ConnectionAbortedError("the receiver ended the connection")
            self._incoming.write(received)

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._connection.sendall(self._outgoing.read())

    def take(self, received: bytes) -> None:
        self._incoming.write(received)
        try:
            while self._tls.read(_BLOCK):
                pass
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass

    def end(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):  # not all receivers answer TLS's word for the end
            self._tls.unwrap()
        self._connection.sendall(self._outgoing.read())
        _end_direction(self._connection)


def deliver(host: str, port: int, context: ssl.SSLContext | None, data: bytes, timeout: float) -> None:
    """Send `data` over a connection of its own. Returns once the receiver has read all of it; raises OSError.

    `timeout` is for each step, in seconds.
    """
    with socket.create_connection((host, port), timeout=timeout) as connection:
        channel: _Channel = _TlsChannel(connection, context, host) if context else _PlainChannel(connection)
        channel.send(data)
        _until_acknowledged(connection, timeout)
        _check_open(connection, channel, timeout)
        channel.end()
        while received := connection.recv(_BLOCK):
            channel.take(received)


def _end_direction(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        raise ConnectionResetError("the receiver ended the connection") from None  # Linux has no class for that number


def _until_acknowledged(connection: socket.socket, timeout: float) -> None:
    """Wait until the receiver's system has every byte (Linux tcp(7): SIOCOUTQ, which is TIOCOUTQ)."""
    until = time.monotonic() + timeout
    while struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0]:
        if broken := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(broken, os.strerror(broken))  # the subclass of that number, such as ConnectionResetError
        if time.monotonic() > until:
            raise TimeoutError("the receiver does not acknowledge what it is sent")
        time.sleep(0.001)


def _check_open(connection: socket.socket, channel: _Channel, timeout: float) -> None:
    connection.settimeout(0.0)
    try:
        while received := connection.recv(_BLOCK):
            channel.take(received)
        raise ConnectionAbortedError("the receiver ended the connection")
    except BlockingIOError:
        connection.settimeout(timeout)
