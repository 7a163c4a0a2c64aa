"""The first word to a port nobody knows: does it speak HTTP at all, in clear or over TLS?

A port may belong to a database, a printer or a mail server. Protocols whose server speaks first are recognised by their
greeting and get nothing; the others get one `HEAD /`, which changes nothing where it is understood (RFC 9110 section
9.2.1), and no more unless the reply is HTTP. Bounded in bytes and in time.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Literal

Kind = Literal["http", "https", "client-certificate", "other", "silent", "refused", "unreachable"]

#: Seconds that a server which speaks first has for its greeting.
GREETING = 0.2
_ENOUGH = 512
_WINDOW = 4096


@dataclass(frozen=True)
class Contact:
    """What a port speaks; `detail` says why nothing more was asked of it."""

    kind: Kind
    detail: str = ""


async def first_contact(address: str, port: int, *, timeout: float, greeting: float = GREETING) -> Contact:
    """Judge one TCP port within `timeout` seconds for each of at most two connections."""
    head = _head(address, port)
    first = await _try(address, port, head, timeout, greeting, None)
    if isinstance(first, Contact):
        return first
    if first.startswith(b"HTTP/1.") and not first.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400")):
        return Contact("http")
    # Servers of HTTPS answer clear text with an alert, with nothing, or (nginx, Go) with a 400 in clear.
    # The pause lets an alert about a missing certificate arrive (TLS 1.3 sends it after the handshake): data under way
    # would have the connection reset, and the alert lost.
    over_tls = await _try(address, port, head, timeout, greeting, inspecting_tls())
    if isinstance(over_tls, bytes) and over_tls.startswith(b"HTTP/1."):
        return Contact("https")
    if isinstance(over_tls, Contact) and over_tls.kind == "client-certificate":
        return over_tls
    if first.startswith(b"HTTP/1."):
        return Contact("http")
    return Contact("other", "does not speak HTTP")


def inspecting_tls() -> ssl.SSLContext:
    """Unverified on purpose: the question is who may talk to the server, whatever its certificate, and no secret and no
    call is sent."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _head(address: str, port: int) -> bytes:
    name = f"[{address}]" if ":" in address else address
    return f"HEAD / HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode("ascii", "replace")


async def _try(
    address: str, port: int, head: bytes, timeout: float, greeting: float, tls: ssl.SSLContext | None
) -> bytes | Contact:
    """The first bytes of the reply to `head`, or why there is none to judge."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(address, port, ssl=tls, limit=_WINDOW)
            if greeting:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(greeting):
                        spoke = await reader.read(_ENOUGH)
                        what = "speaks first, which HTTP does not" if spoke else "closes the connection at once"
                        return Contact("other", what)
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
