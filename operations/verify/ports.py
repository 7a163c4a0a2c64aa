"""Probes of the ports behind the public name, on every address of this machine that is not loopback.

Each port is tested by a real connection and by the kernel's table of listening sockets, as either alone can be wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from operations.sockets import exposure
from operations.verify.context import Probe, VerifyContext
from operations.verify.report import ProbeResult, failed, passed, skipped
from operations.verify.subject import Listening, PublicHostname

_WAIT = 2.0


def own_addresses() -> tuple[str, ...]:
    """List this machine's addresses that are not loopback (Linux: fib_trie and if_inet6 of /proc/net; empty elsewhere)."""
    addresses = set(parse_fib_trie(_text("/proc/net/fib_trie"))) | set(parse_if_inet6(_text("/proc/net/if_inet6")))
    return tuple(sorted(addresses))


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="ascii")
    return ""


def parse_fib_trie(text: str) -> list[str]:
    """Parse the IPv4 addresses that the kernel's routing trie calls ``/32 host LOCAL``, without loopback."""
    addresses, last = set(), ""
    for line in text.splitlines():
        fields = line.split()
        if fields[:1] == ["|--"]:
            last = fields[1]
        elif fields == ["/32", "host", "LOCAL"] and not ipaddress.ip_address(last).is_loopback:
            addresses.add(last)
    return sorted(addresses)


def parse_if_inet6(text: str) -> list[str]:
    """Parse the IPv6 addresses of if_inet6 (proc_net(5)).

    A link-local address gets its interface, as nothing can connect to it without one.
    """
    addresses = set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != 6 or len(fields[0]) != 32:
            continue
        address = ipaddress.IPv6Address(int(fields[0], 16))
        if not address.is_loopback:
            addresses.add(f"{address}%{fields[5]}" if address.is_link_local else str(address))
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
