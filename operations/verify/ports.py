"""The ports behind the public name, tried directly on every address of this machine that is not loopback.

Two ways, as either alone can be fooled: a real connection, and the kernel's table of listening sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from operations.sockets import exposure
from operations.verify.context import Context, Probe
from operations.verify.report import Result, failed, passed, skipped
from operations.verify.subject import Door, Listening

_WAIT = 2.0


def own_addresses() -> tuple[str, ...]:
    """This machine's addresses that are not loopback (Linux: fib_trie and if_inet6 of /proc/net; empty elsewhere)."""
    found = set(parse_fib_trie(_text("/proc/net/fib_trie"))) | set(parse_if_inet6(_text("/proc/net/if_inet6")))
    return tuple(sorted(found))


def _text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="ascii")
    return ""


def parse_fib_trie(text: str) -> list[str]:
    """IPv4 addresses that the kernel's routing trie calls ``/32 host LOCAL``, loopback left out."""
    found, last = set(), ""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif words == ["/32", "host", "LOCAL"] and not ipaddress.ip_address(last).is_loopback:
            found.add(last)
    return sorted(found)


def parse_if_inet6(text: str) -> list[str]:
    """IPv6 addresses of if_inet6 (proc_net(5)); link-local ones with their interface, without which nobody can connect."""
    found = set()
    for line in text.splitlines():
        words = line.split()
        if len(words) != 6 or len(words[0]) != 32:
            continue
        address = ipaddress.IPv6Address(int(words[0], 16))
        if not address.is_loopback:
            found.add(f"{address}%{words[5]}" if address.is_link_local else str(address))
    return sorted(found)


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


async def look(port: int, addresses: Iterable[str]) -> Result:
    """Whether `port` can be reached on any of `addresses`, or is bound beyond loopback at all."""
    tried = list(addresses)
    answers = await asyncio.gather(*(_answers(address, port) for address in tried))
    open_on = [address for address, answered in zip(tried, answers, strict=True) if answered]
    seen = exposure(port)
    if open_on or seen.state == "exposed":
        return failed("; ".join(filter(None, [f"answers on {', '.join(open_on)}" if open_on else "", str(seen)])))
    if seen.state == "unknown":
        return skipped(f"nothing to try here: {seen.detail}")
    where = f"refused on {', '.join(tried)}" if tried else "no other address of this machine is known"
    return passed(f"{where}; {seen}")


def probe_of(listening: Listening) -> Probe:
    """The check of one port."""

    async def run(context: Context, _: Door) -> Result:
        if not context.on_host:
            return skipped("this is not said to be the origin host (--on-host)")
        return await look(listening.port, own_addresses())

    return Probe(
        f"ports.{listening.name}",
        f"port {listening.port} on every non-loopback address of this host",
        "refused, and bound to loopback only",
        listening.remedy,
        run,
        everywhere=False,
    )
