"""Rules for addresses that a caller must not make a server fetch, and for links that carry data away.

Arguments: private, loopback and metadata hosts (OWASP SSRF cheat sheet; RFC 6890), in every notation that resolvers take,
and `file:` where the argument is no path (`model.parameter_kinds`).
Elsewhere a private address is ordinary (a log, a dashboard, a README), so the rules match only what a client loads or
runs by itself: images with data in their query (the known way to leak through a chat client) and script links. Hosts are
never judged by reputation; there is no list of bad hosts.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from guard.engines.rules.rule import READ, Check, DetectionRule
from guard.inspect.verdict import Category, Leg

_ARGUMENTS = frozenset((Leg.ARGUMENTS,))
_METADATA = frozenset(
    (
        "metadata.google.internal",
        "metadata.goog",
        "metadata",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.tencentyun.com",
        "kubernetes.default",
    )
)
#: Names that no public server has: RFC 6761, RFC 6762 with its appendix G, RFC 8375, and those of clusters.
_LOCAL_SUFFIXES = (
    *(".localhost", ".internal", ".localdomain", ".local", ".svc"),
    *(".lan", ".home", ".corp", ".private", ".intranet", ".home.arpa"),
)
#: Names that resolve to the address they spell, and names that lead to the reader's own machine.
_WILDCARD_DNS = (".nip.io", ".sslip.io", ".xip.io", ".traefik.me", ".rbndr.us", ".1u.ms")
_OWN_MACHINE = ("localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "localho.st")
#: How a person names the machine itself. Other spellings of it (127.1, 2130706433, a.localhost) stay refused.
LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_SCHEMES = frozenset(("file", "gopher", "dict", "ldap", "ldaps", "tftp", "jar", "netdoc", "phar", "expect", "php"))
#: Schemes whose host is looked up, so that a name without a dot is one of the server's own network.
_LOOKED_UP = frozenset(("http", "https", "ws", "wss", "ftp"))
#: A name has at most 253 characters; longer ones take normalisation and IDNA time by the square of their length.
_TOO_LONG = re.compile(r"[^/]*//[^/?#]{1025}")
_LOCAL_FILE = re.compile(r"(?i)file:(?:///(?!/)|//localhost/|/(?!/))")
#: Networks that lead nearby although they count as public: one of IETF's own, where a cloud keeps its metadata (RFC 6890),
#: and addresses that hold one of IPv4 (RFC 4291 section 2.5.5.1, RFC 7915, RFC 8215).
_NEARBY = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48")))
_NUMBERS = re.compile(r"(?:0[xX][0-9a-fA-F]+|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]+|[0-9]+)){0,3}")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a resolver reads from a host: dotted, hexadecimal, octal or decimal (inet_aton), or IPv4 inside IPv6."""
    try:
        address = ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        if not _NUMBERS.fullmatch(host):
            return None
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    if isinstance(address, ipaddress.IPv6Address):
        nat64 = address in ipaddress.IPv6Network("64:ff9b::/96")
        inner = (
            address.ipv4_mapped
            or address.sixtofour
            or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if nat64 else None)
        )
        return inner or address
    return address


def _mixed_scripts(host: str) -> bool:
    """Whether a label mixes Latin with Cyrillic or Greek letters, or is written in look-alikes only (UTS 39)."""
    for label in host.split("."):
        if label.isascii():
            continue
        scripts = {unicodedata.name(char, "").split(" ", 1)[0] for char in label if char.isalpha()}
        if "LATIN" in scripts and scripts & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}:
            return True
        if scripts == {"CYRILLIC"} and not set(label) - set("асеорхуіјѕԁһӏԛԝ-0123456789"):
            return True
    return False


def forbidden(url: str, allowed: frozenset[str] = frozenset()) -> bool:
    """Whether no argument may hold this URL."""
    if _TOO_LONG.match(url):
        return True
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return True
    if parts.scheme.lower() in _SCHEMES:
        return not local_file(url)
    host = unicodedata.normalize("NFKC", unquote(host)).lower().replace("\u3002", ".").rstrip(".!")
    if host in allowed:
        return False
    if parts.username is not None and "." in parts.username:
        return True  # https://known.example@other.example: a name that poses as the host
    address = _address(host)
    if address is not None:
        nearby = any(address in network for network in _NEARBY)
        return nearby or not address.is_global or str(address) == "168.63.129.16"
    if is_local_name(host) or (host and "." not in host and parts.scheme.lower() in _LOOKED_UP):
        return True
    if host.startswith("xn--") or ".xn--" in host:
        try:
            host = host.encode("ascii").decode("idna")
        except UnicodeError:
            return True
    return _mixed_scripts(host)


def is_local_name(host: str) -> bool:
    """Whether a name (lower-case) is that of a machine nearby, or resolves to the address that it spells."""
    if host == "localhost" or (host in _METADATA and "." in host) or host in _OWN_MACHINE:
        return True
    return host.endswith((*_LOCAL_SUFFIXES, *_WILDCARD_DNS, *(f".{name}" for name in _OWN_MACHINE)))


def local_file(url: str) -> bool:
    """Whether the URL names a file of the host that reads it (RFC 8089); one of another host is fetched from there."""
    return _LOCAL_FILE.match(url) is not None


@lru_cache(maxsize=32)
def checker(allowed: frozenset[str]) -> Check:
    """The check for URLs in arguments. The same hosts give the same object, so that engines share their tables."""
    return lambda value, before: forbidden(value.rstrip(".,;:!?)'\""), allowed)


_PLACEHOLDER = re.compile(r"[{$<]|%7[bB]|%24")
#: Badges have long values that are addresses, searches and pictures; what carries data away is one opaque word.
_CARRIES = re.compile(
    r"[?&][^=&?\s]*=[\w=-]{24,}(?:[&\s]|$)|[?&](?:q|data|d|c|content|secret|payload|text|msg|info)=[^&\s]{12,}"
)


def carries_data(value: str, before: str) -> bool:
    """Whether the query holds a placeholder, or a value long enough to carry data."""
    query = value.partition("?")[2]
    return bool(query) and (_PLACEHOLDER.search(query) is not None or _CARRIES.search("?" + query) is not None)


#: A place in a template for what the conversation holds.
_CONVERSATION = (
    r"(?:\{{1,2}|<|\[|%7B|\$\{)[ _-]*(?:the[ _-])?(?:conversation|chat[ _-]?(?:history|log)|(?:system|user)[ _-]?(?:prompt|data|input|messages?|secrets?|query)|"
    r"secrets?|memor(?:y|ies)|credentials|passwords?|previous[ _-]messages?)[ _a-z-]{0,24}(?:\}|>|\]|%7D)"
)
_HANDLER = r"\bon(?:error|load|click|focus|mouse[a-z]+|toggle|begin|animation[a-z]+)\s*=\s*"
#: What markup does that sends something away or loads more.
_ACTIVE = (
    r"(?:\bfetch\s*\(|document\s*\.\s*cookie|\beval\s*\(|\batob\s*\(|xmlhttprequest|sendbeacon|(?:local|session)storage|"
    r"\bimport\s*\(|\bnew\s+(?:image|websocket)\b)"
)
_KEY_FILES = (
    r"(?:/etc/(?:passwd|shadow)|/\.ssh/|/\.aws/|/\.kube/|/\.env\b|id_(?:rsa|ed25519)|/\.netrc\b|/\.git-credentials\b)"
)


@lru_cache(maxsize=32)
def rules(check: Check) -> tuple[DetectionRule, ...]:
    """The rules; `check` says which addresses arguments must not hold."""
    bad = Category.MALICIOUS_URL
    return (
        DetectionRule(
            "url.forbidden",
            bad,
            r"\b(?:[a-z][a-z0-9+.-]{1,15}):/{1,3}[^\s\"'<>`{}|\\^]+",
            trigger=r"[a-z]:/",
            legs=_ARGUMENTS,
            check=check,
            confidence=0.85,
            subject="address",
        ),
        DetectionRule(
            "url.file",
            bad,
            r"\bfile:/{1,3}[^\s\"'<>`{}|\\^]+",
            legs=_ARGUMENTS,
            check=lambda value, before: local_file(value),
            confidence=0.85,
            subject="file_url",
        ),
        DetectionRule(
            # A browser's tool would run it in the page that is open.
            "url.script_address",
            bad,
            r"^\s*(?:javascript|vbscript):",
            legs=_ARGUMENTS,
            confidence=0.85,
            subject="address",
        ),
        DetectionRule(
            "url.metadata",
            bad,
            r"(?:169\.254\.169\.254|169\.254\.170\.2|100\.100\.100\.200|fd00:ec2::254|\bmetadata\.google\.internal)",
            legs=_ARGUMENTS,
            confidence=0.8,
            subject="metadata",
        ),
        DetectionRule(
            "url.image_with_data",
            bad,
            r"!\[[^\]\n]*\]\(\s*<?https?://[^)\s]*\?[^)\s]*|<img[^>]{1,200}src\s*=\s*[\"']?https?://[^\"'>\s]*\?[^\"'>\s]*",
            trigger=r"!\[[^\]\n]*\]\(\s*<?https?://|<img\s",
            legs=READ,
            check=carries_data,
            confidence=0.7,
        ),
        DetectionRule(
            # What a page loads by itself, with a place for what was said: whoever fills it in sends that away.
            "url.conversation_sent",
            bad,
            rf"(?:!\[[^\]\n]*\]\(\s*<?|\b(?:src|srcset|href|action|poster|background)\s*=\s*[\"']?|\burl\(\s*[\"']?|@import\s+[\"']|;\s*url=)"
            rf"https?://[^\s\"'<>)]*{_CONVERSATION}",
            trigger=_CONVERSATION,
            legs=READ,
            confidence=0.75,
        ),
        DetectionRule(
            "url.script",
            bad,
            r"\]\(\s*<?(?:javascript|vbscript):|\]\(\s*<?data:text/html",
            legs=READ | _ARGUMENTS,
            confidence=0.8,
        ),
        DetectionRule(
            # Pages are full of `javascript:void(0)` and of images with a substitute: only what sends or loads something.
            "url.active_markup",
            bad,
            rf"{_HANDLER}(?:\"[^\"<>\n]*{_ACTIVE}|'[^'<>\n]*{_ACTIVE}|[^\s\"'`<>]*{_ACTIVE})|"
            rf"\b(?:href|src|action|formaction|data)\s*=\s*[\"']?\s*(?:javascript|vbscript):[^<>\n]*{_ACTIVE}",
            trigger=rf"{_HANDLER}|(?:javascript|vbscript):",
            legs=READ,
            confidence=0.7,
        ),
        DetectionRule(
            # A file of another host is fetched from there, with the user's own credentials (SMB).
            "url.file_share",
            bad,
            r"(?:\]\(\s*<?|\b(?:href|src|action|data)\s*=\s*[\"']?)(?:file:(?://[a-z0-9.-]+[/\\]|/{4,}|/*\\\\)|\\\\[a-z0-9.-]+\\)[^\s)\"'>]*",
            trigger=r"\bfile:|[(=\"'<]\\\\",
            legs=READ,
            check=lambda value, before: "file://localhost/" not in value.lower(),
            confidence=0.75,
        ),
        DetectionRule(
            "url.file_secret",
            bad,
            rf"(?:\]\(\s*<?|\b(?:href|src|action|data)\s*=\s*[\"']?)file:/+[^\s)\"'>]*{_KEY_FILES}",
            trigger=r"\bfile:",
            legs=READ,
            confidence=0.75,
        ),
        DetectionRule(
            "url.data",
            bad,
            r"\bdata:text/html;base64,",
            legs=READ | _ARGUMENTS,
            confidence=0.8,
            subject="data_url",
        ),
    )
