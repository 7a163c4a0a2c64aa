"""First contact with an unknown port: whether it speaks HTTP, in clear or over TLS. MCP is spoken in `dialog` only.

A port may belong to a database, a printer or a mail server. Protocols whose server speaks first are recognised by their
greeting and get nothing; the others get one `HEAD /`, which changes nothing where it is understood (RFC 9110 section
9.2.1), and nothing more unless the reply is HTTP. All of it is bounded in bytes and in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Literal

Kind = Literal["http", "https", "client-certificate", "other", "silent", "refused", "unreachable"]

#: Seconds to wait for the greeting of a server that speaks first.
GREETING = 0.2
_ENOUGH = 512
_WINDOW = 4096


@dataclass(frozen=True)
class Contact:
    """The protocol that a port speaks; `detail` says why no further request was sent to it."""

    kind: Kind
    detail: str = ""


async def first_contact(address: str, port: int, *, timeout: float, greeting: float = GREETING) -> Contact:
    """Judge one TCP port by at most two connections, each of them bounded by `timeout` seconds."""
    head = _head(address, port)
    first = await _exchange(address, port, head, timeout, greeting, None)
    if isinstance(first, Contact):
        return first
    if first.startswith(b"HTTP/1.") and not first.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400")):
        return Contact("http")
    # Servers of HTTPS answer clear text with an alert, with nothing, or (nginx, Go) with a 400 in clear.
    # Waiting for a greeting lets an alert about a missing client certificate arrive (TLS 1.3 sends it after the
    # handshake): if a request were sent meanwhile, the connection would be reset and the alert lost.
    over_tls = await _exchange(address, port, head, timeout, greeting, inspecting_tls())
    if isinstance(over_tls, bytes) and over_tls.startswith(b"HTTP/1."):
        return Contact("https")
    if isinstance(over_tls, Contact) and over_tls.kind == "client-certificate":
        return over_tls
    if first.startswith(b"HTTP/1."):
        return Contact("http")
    return Contact("other", "does not speak HTTP")


def inspecting_tls() -> ssl.SSLContext:
    """A TLS context that verifies no certificate, on purpose.

    The scan asks who may talk to the server, whatever its certificate; it sends no secret and calls no tool.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _head(address: str, port: int) -> bytes:
    name = f"[{address}]" if ":" in address else address
    return f"HEAD / HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode("ascii", "replace")


async def _exchange(
    address: str, port: int, head: bytes, timeout: float, greeting: float, tls: ssl.SSLContext | None
) -> bytes | Contact:
    """Send `head` and return the first bytes of the reply, or a Contact that says why there is none to judge."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port, ssl=tls, limit=_WINDOW)
            if greeting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(greeting):
                        greeted = await reader.read(_ENOUGH)
                        reason = "speaks first, which HTTP does not" if greeted else "closes the connection at once"
                        return Contact("other", reason)
            writer.write(head)
            await writer.drain()
            return await reader.read(_ENOUGH)
    except TimeoutError:
        return Contact("silent" if tls is None else "other", f"did not answer a HEAD within {timeout:g} s")
    except ssl.SSLError as error:
        if "CERTIFICATE_REQUIRED" in str(error).upper().replace(" ", "_"):
            return Contact("client-certificate", "speaks TLS and demands a client certificate")
        return Contact("other", "does not speak TLS")
    except ConnectionRefusedError:
        return Contact("refused", "nothing listens there (any more)")
    except OSError as error:
        if writer is not None and tls is None:
            return b""  # reset on clear text: it may want TLS
        return Contact("unreachable", f"cannot be reached ({error.strerror or type(error).__name__})")
    finally:
        if writer is not None:
            writer.transport.abort()
