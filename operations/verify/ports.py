"""Probes of the ports behind the public name, on every address of this machine that is not loopback.

Each port is tested by a real connection and by the kernel's table of listening sockets, as either alone can be wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from model.loopback import is_loopback
from operations.sockets import exposure
from operations.verify.context import Probe, VerifyContext
from operations.verify.report import ProbeResult, failed, passed, skipped
from operations.verify.subject import Listening, PublicHostname

_WAIT = 2.0


def own_addresses() -> tuple[str, ...]:
    """List this machine's addresses that are not loopback: those of its interfaces, and on Linux those of its local routes.

    A link-local address of IPv6 has its interface with it, as nothing can connect to it without one.
    """
    families = (socket.AF_INET, socket.AF_INET6)
    interfaces = [entry for entries in psutil.net_if_addrs().values() for entry in entries if entry.family in families]
    addresses = {entry.address for entry in interfaces} | set(parse_fib_trie(_text("/proc/net/fib_trie")))
    return tuple(sorted(address for address in addresses if not is_loopback(address.partition("%")[0])))


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="ascii")
    return ""


def parse_fib_trie(text: str) -> list[str]:
    """Parse the IPv4 addresses that the kernel's routing trie calls ``/32 host LOCAL``.

    An address that only a route makes local, such as a load balancer's on a cloud's machine, is on no interface and so
    not among psutil's.
    """
    addresses, last = set(), ""
    for line in text.splitlines():
        fields = line.split()
        if fields[:1] == ["|--"]:
            last = fields[1]
        elif fields == ["/32", "host", "LOCAL"]:
            addresses.add(last)
    return sorted(addresses)


async def _answers(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_WAIT):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def judge_port(port: int, addresses: Iterable[str]) -> ProbeResult:
    """Judge whether `port` can be reached on any of `addresses`, or is bound beyond loopback at all."""
    targets = list(addresses)
    answers = await asyncio.gather(*(_answers(address, port) for address in targets))
    open_on = [address for address, answered in zip(targets, answers, strict=True) if answered]
    binding = exposure(port)
    if open_on or binding.state == "exposed":
        return failed("; ".join(filter(None, [f"answers on {', '.join(open_on)}" if open_on else "", str(binding)])))
    if binding.state == "unknown":
        return skipped(f"nothing to try here: {binding.detail}")
    summary = f"refused on {', '.join(targets)}" if targets else "no other address of this machine is known"
    return passed(f"{summary}; {binding}")


def probe_of(listening: Listening) -> Probe:
    """The probe of one port."""

    async def run(context: VerifyContext, _: PublicHostname) -> ProbeResult:
        if not context.on_host:
            return skipped("not run with --on-host, which says that this machine is the origin host")
        return await judge_port(listening.port, own_addresses())

    return Probe(
        f"ports.{listening.name}",
        f"port {listening.port} on every non-loopback address of this host",
        "refused, and bound to loopback only",
        listening.remedy,
        run,
    )
