"""URLs that must not be reached for: metadata services, private networks, disguised hosts; and images that carry data out.

Private addresses count in arguments only: in results they are what an inventory, a log or a configuration is made of.
Addresses are read by `ipaddress` and `inet_aton`, never by hand (MCP security best practices, SSRF).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import parse_qsl, urlsplit

from guard.engines.rules.rule import INCOMING, OUTGOING, Rule
from guard.verdict import Category

_U = Category.MALICIOUS_URL
_NAMES = re.compile(
    r"(?:^|\.)(?:localhost|localdomain|internal|intranet|local|metadata\.google\.internal|nip\.io|sslip\.io|xip\.io|"
    r"localtest\.me|lvh\.me|rbndr\.us)$"
)


def reaches_inside(url: str) -> bool:
    """A URL whose host is this machine, a private network or a metadata service, however it is written."""
    try:
        parts = urlsplit(url.rstrip(".,;:)]}'\""))
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return True  # brackets or ports that only some readers would take
    if not host:
        return False
    if "@" in parts.netloc:
        return True
    address = _address(host)
    if address is not None:
        return not address.is_global or address.is_multicast
    if not host.isascii() or "xn--" in host:
        return _mixed(host)
    return _NAMES.search(host) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # What a C library takes for an address: 2130706433, 0x7f.1, 0177.0.0.1.
        if not re.fullmatch(r"(?:0x[0-9a-f]+|[0-9]+)(?:\.(?:0x[0-9a-f]+|[0-9]+)){0,3}", host, re.IGNORECASE):
            return None
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _mixed(host: str) -> bool:
    """A name that mixes Latin letters with look-alikes of another script."""
    try:
        shown = host.encode("ascii").decode("idna") if host.isascii() else host
    except UnicodeError:
        return True
    letters = [char for char in shown if char.isalpha()]
    return any(char.isascii() for char in letters) and any("\u0370" <= char <= "\u058f" for char in letters)


def _carries_data(markup: str) -> bool:
    """An image whose address has room for what a model should fill in, or is filled already."""
    found = re.search(r"https?://[^\s)\"'>]+", markup)
    if found is None:
        return False
    try:
        query = urlsplit(found[0]).query
    except ValueError:
        return True
    if re.search(r"[{<\[]\s*\w+|%7B\w+|\b(?:DATA|SECRET|CONVERSATION|PAYLOAD|BASE64)\b", query):
        return True
    return any(len(value) >= 48 and len(set(value)) > 12 for _, value in parse_qsl(query))


RULES = (
    Rule("inside-url", _U, r"\b(?:https?|ftp|gopher|dict|ldap|tftp|ws|wss)://[^\s\"'<>`\\]+", OUTGOING, check=reaches_inside),
    Rule("metadata-address", _U, r"\b169\.254\.169\.254\b|\b169\.254\.170\.2\b|\bmetadata\.google\.internal\b|\bfd00:ec2::254\b|\b100\.100\.100\.200\b", OUTGOING),
    Rule("odd-scheme", _U, r"\b(?:gopher|dict|jar|php|phar|expect|netdoc|file)://+\S", OUTGOING),
    Rule("image-exfiltration", _U, r"!\[[^\]\n]{0,200}\]\(\s*https?://[^)\s]+\?[^)\s]+\)|<img\b[^>]{0,200}\bsrc\s*=\s*[\"']?https?://[^\"'>\s]+\?[^>]+>", INCOMING, check=_carries_data),
)  # fmt: skip
