"""Address lists that vendors publish: where their hosted clients call from.

A list opens a door to whatever it holds, so one that is empty, too long, unreadable in part, private, or as wide as a
provider's whole network is refused whole: nothing of it is used.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from model.errors import Unreachable
from model.json import parse_json
from model.text import visible
from wire.http import HttpPolicy, RefusedAnswer, exchange, reason_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_BYTES = 512 * 1024
#: Rules that one Access group can hold (Cloudflare One docs, account limits).
MAX_RANGES = 1000
#: The widest range, and the most addresses of all ranges together: no vendor's egress is a whole /8, or a /24 of IPv6.
WIDEST = {4: 8, 6: 24}
TIMEOUT = httpx.Timeout(10, connect=5)
DEADLINE = 20.0

#: Pages people cite as the source -> the same list for programs. Read 2026-11-26.
LISTS: dict[str, str] = {
    "https://platform.claude.com/docs/en/api/ip-addresses": "https://platform.claude.com/docs/en/api/ip-addresses.md",
    "https://platform.claude.com/docs/api/ip-addresses": "https://platform.claude.com/docs/en/api/ip-addresses.md",
    "https://docs.claude.com/en/api/ip-addresses": "https://platform.claude.com/docs/en/api/ip-addresses.md",
    "https://docs.anthropic.com/en/api/ip-addresses": "https://platform.claude.com/docs/en/api/ip-addresses.md",
    "https://developers.openai.com/api/docs/guides/ip-addresses": "https://openai.com/chatgpt-connectors.json",
}
_OUTBOUND = re.compile(r"^#+ *Outbound IP addresses *$", re.MULTILINE)
#: The next heading of the page that is not of the outbound part: retired addresses stand below one.
_END = re.compile(r"^#+ +(?!IPv[46] *$)", re.MULTILINE)
_RANGE = re.compile(r"`([0-9a-fA-F.:]+/[0-9]{1,3})`")


class RefusedList(ValueError):
    """A list that is not used; its text says why."""


def list_address(source: str) -> str:
    """Where the list itself is, for the source that a stack file names."""
    return LISTS.get(source.rstrip("/"), source)


def fetch_ranges(url: str) -> tuple[str, ...]:
    """The ranges that a vendor publishes at `url`, in its order.

    Raises:
        Unreachable: it does not answer with the list.
        RefusedList: the list is not to be used.
    """
    try:
        with HttpPolicy(url, proxies=True).client(timeout=TIMEOUT) as client:
            answer = exchange(client, "GET", url, limit=MAX_BYTES, deadline=DEADLINE)
    except RefusedAnswer as error:
        raise Unreachable(f"{url}: {error}", remedy="see whether the address is still the vendor's list") from None
    except httpx.HTTPError as error:
        raise Unreachable(f"{url}: {reason_of(error)}", remedy="try again later") from None
    if answer.status != 200:
        moved = f", which names {visible(answer.headers['location'])}" if "location" in answer.headers else ""
        raise Unreachable(
            f"{url} answered {answer.status}{moved}", remedy="write the address of the vendor's list into source"
        )
    return read_ranges(answer.body)


def read_ranges(body: bytes) -> tuple[str, ...]:
    """The ranges of a list in one of the forms that vendors use; raises RefusedList."""
    try:
        text = body.decode("utf-8")
    except UnicodeError:
        raise RefusedList("is not UTF-8") from None
    entries = _of_json(text) if text.lstrip()[:1] in ("{", "[") else _of_page(text)
    networks = [_network(entry) for entry in dict.fromkeys(entries)]
    _refuse_wide(networks)
    return tuple(map(str, networks))


def _of_json(text: str) -> list[str]:
    """`{"prefixes": [{"ipv4Prefix": …}, {"ipv6Prefix": …}]}`, as OpenAI and Google publish theirs."""
    try:
        value: Any = parse_json(text)
    except ValueError as error:
        raise RefusedList(f"is not JSON ({error})") from None
    prefixes = value.get("prefixes") if isinstance(value, dict) else None
    if not isinstance(prefixes, list):
        raise RefusedList("has no list of prefixes")
    entries = []
    for prefix in prefixes:
        values = [prefix.get(key) for key in ("ipv4Prefix", "ipv6Prefix")] if isinstance(prefix, dict) else []
        entry = next((value for value in values if isinstance(value, str)), None)
        if entry is None:
            raise RefusedList("holds an entry without ipv4Prefix and ipv6Prefix")
        entries.append(entry)
    return entries


def _of_page(text: str) -> list[str]:
    """The section "Outbound IP addresses" of Anthropic's page, as Markdown."""
    start = _OUTBOUND.search(text)
    if start is None:
        raise RefusedList('is neither a JSON list of prefixes nor a page with a section "Outbound IP addresses"')
    end = _END.search(text, start.end())
    return _RANGE.findall(text[start.end() : end.start() if end else len(text)])


def _network(entry: str) -> Network:
    try:
        return ipaddress.ip_network(entry, strict=True)
    except ValueError:
        raise RefusedList(f"holds {visible(entry[:60])}, which is no address range") from None


def _refuse_wide(ranges: Sequence[Network]) -> None:
    if not ranges:
        raise RefusedList("is empty")
    if len(ranges) > MAX_RANGES:
        raise RefusedList(f"holds {len(ranges)} ranges; an Access group takes {MAX_RANGES}")
    totals = {4: 0, 6: 0}
    for network in ranges:
        if not network.is_global or network.is_multicast:
            raise RefusedList(f"holds {network}, which is no public address range")
        totals[network.version] += network.num_addresses
        if network.prefixlen < WIDEST[network.version]:
            raise RefusedList(f"holds {network}, which is wider than a /{WIDEST[network.version]}")
    for version, total in totals.items():
        bits = 32 if version == 4 else 128
        if total > 2 ** (bits - WIDEST[version]):
            raise RefusedList(f"opens the door to more IPv{version} addresses than a /{WIDEST[version]} holds")


def same_addresses(first: Iterable[str], second: Iterable[str]) -> bool:
    """Whether two lists of ranges hold the same addresses, however they are cut."""
    return _collapsed(first) == _collapsed(second)


def _collapsed(ranges: Iterable[str]) -> list[Network]:
    networks = [ipaddress.ip_network(text) for text in ranges]
    collapsed: list[Network] = list(ipaddress.collapse_addresses(n for n in networks if n.version == 4))
    collapsed += ipaddress.collapse_addresses(n for n in networks if n.version == 6)
    return collapsed
