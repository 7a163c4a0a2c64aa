"""A vendor's list is read in its own form, and refused whole where it would open the door to too much."""

from __future__ import annotations

import json

import pytest

from wire.address_lists import LISTS, RefusedList, list_address, read_ranges, same_addresses

#: As platform.claude.com publishes it for programs, with the retired addresses below.
PAGE = """\
---
title: IP addresses
---
## Inbound IP addresses

### IPv4

`160.79.104.0/23`

### IPv6

`2607:6bc0::/48`

## Outbound IP addresses

These are the stable IP addresses that Anthropic uses for outbound requests.

### IPv4

`160.79.104.0/21`

`153.61.208.0/20`

### Phased out IP addresses

`34.162.46.92/32`

```text wrap
34.162.102.82/32
```
"""


def prefixes(*ranges: str) -> bytes:
    entries = [{"ipv6Prefix" if ":" in item else "ipv4Prefix": item} for item in ranges]
    return json.dumps({"creationTime": "2026-11-20T10:00:00.000000", "prefixes": entries}).encode()


def test_page_gives_the_outbound_addresses_and_neither_inbound_nor_retired_ones() -> None:
    assert read_ranges(PAGE.encode()) == ("160.79.104.0/21", "153.61.208.0/20")


def test_json_list_gives_both_kinds_of_prefixes_in_its_order_and_each_once() -> None:
    published = ("20.42.1.0/28", "4.151.119.48/28", "2603:1030::/48")
    assert read_ranges(prefixes(*published, published[0])) == published


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (prefixes(), "is empty"),
        (PAGE.replace("`160.79.104.0/21`", "").replace("`153.61.208.0/20`", "").encode(), "is empty"),
        (b"# IP addresses\n\n`160.79.104.0/21`\n", 'no section|neither a JSON list of prefixes nor a page with a section'),
        (b"<html><body>Sign in</body></html>", "neither a JSON list"),
        (b"{}", "has no list of prefixes"),
        (b"[]", "has no list of prefixes"),
        (b"{", "is not JSON"),
        (b"\xff", "is not UTF-8"),
        (b'{"prefixes": [{"ipv4prefix": "20.0.0.0/24"}]}', "without ipv4Prefix"),
        (b'{"prefixes": ["20.0.0.0/24"]}', "without ipv4Prefix"),
        (prefixes("20.0.0.0/24", "0.0.0.0/0"), "no public|wider"),
        (prefixes("::/0"), "no public|wider"),
        (prefixes("20.0.0.0/7"), "wider than a /8"),
        (prefixes("2600::/20"), "wider than a /24"),
        (prefixes(*(f"{first}.0.0.0/9" for first in (20, 23, 34))), "more IPv4 addresses than a /8"),
        (prefixes("10.0.0.0/24"), "holds 10.0.0.0/24, which is no public"),
        (prefixes("127.0.0.0/24"), "no public"),
        (prefixes("169.254.169.254/32"), "no public"),
        (prefixes("100.64.0.0/16"), "no public"),
        (prefixes("fd00::/48"), "no public"),
        (prefixes("224.0.1.0/24"), "no public"),
        (prefixes("20.0.0.1/24"), "no address range"),
        (prefixes("20.0.0.0/24 "), "no address range"),
        (prefixes("example.com"), "no address range"),
        (prefixes(*(f"20.{n // 256}.{n % 256}.0/24" for n in range(1001))), "holds 1001 ranges"),
    ],
)  # fmt: skip
def test_list_that_would_open_too_much_is_refused_whole(body: bytes, problem: str) -> None:
    with pytest.raises(RefusedList, match=problem):
        read_ranges(body)


def test_page_that_people_cite_leads_to_the_list_for_programs_and_other_sources_to_themselves() -> None:
    assert (
        list_address("https://docs.anthropic.com/en/api/ip-addresses/")
        == LISTS["https://docs.anthropic.com/en/api/ip-addresses"]
    )
    assert list_address("https://openai.com/chatgpt-connectors.json") == "https://openai.com/chatgpt-connectors.json"


def test_ranges_that_are_cut_otherwise_are_the_same_addresses() -> None:
    assert same_addresses(["20.0.0.0/25", "20.0.0.128/25"], ["20.0.0.0/24"])
    assert not same_addresses(["20.0.0.0/25"], ["20.0.0.0/24"])
