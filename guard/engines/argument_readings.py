"""Other readings of an address, a path or a command in an argument, as lenient parsers, file systems and shells take it.

Browsers end a host at a backslash and leave out line ends and tabs (WHATWG URL), URL libraries do neither, and some look for
`@` behind `#`. Which of them the server has is unknown, so each reading is judged beside the argument as it is. All work is
linear in the argument's length.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice

from guard.engines.rules import urls
from model.tool_lock import ParameterKind

#: What URL parsers cut off at both ends, and what they leave out anywhere (WHATWG URL, basic URL parser).
_EDGES = "".join(map(chr, range(0x21)))
_LEFT_OUT = str.maketrans("", "", "\t\r\n")
#: An address that all of them read alike.
_ORDINARY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\\?#@\s]+(?:[/?#][^@\s\\]*)?")
_WEB = re.compile(r"(?i)(https?|wss?|ftp):[/\\]*")
_FILE = re.compile(r"(?i)file:[/\\]*")
_SHARE = re.compile(r"[/\\]*\\\\([A-Za-z0-9][A-Za-z0-9.-]*)[/\\]")
_LINE_FEED = re.compile(r"(?i)\n|%0a")
#: Where a host ends: for browsers, for URL libraries, and for those that look for nothing but a slash.
_ENDS = (re.compile(r"[/\\?#]"), re.compile(r"[/?#]"), re.compile(r"/"))
_PORT = re.compile(r":[0-9]*$")

#: A path that all file systems read alike: no step twice, none back, none in another system's writing.
_UNUSUAL = re.compile(r"//|\\|/\.|\.{3}|;|%[cCeE]")
#: Slash and dot in more bytes than they have, which strict decoders refuse (RFC 3629 section 10).
_OVERLONG = (
    (re.compile(r"(?i)%c0%af|%c1%9c|%e0%80%af"), "/"),
    (re.compile(r"(?i)%c0%ae|%e0%80%ae"), "."),
)
#: A filter that takes out `../` once leaves it of `....//`; some servers drop what stands behind `;` in a step.
_DOTS, _PARAMETER = re.compile(r"\.{3,}"), re.compile(r";[^/]*")

#: How a whole statement of SQL begins, after comments; its literals and comments, an open one to the end.
_STATEMENT = re.compile(
    r"(?i)(?:\s|--[^\n]*\n|/\*[^*]*\*/)*(?:select|with|insert|update|delete|merge|explain|show|describe|create|alter|drop|values)\s"
)
_TOKEN = re.compile(r"'(?:[^']|'')*+(?:'|\Z)|\"(?:[^\"]|\"\")*+(?:\"|\Z)|--[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)")

_BREAKS_OUT = re.compile(r"(?i).\s*(?:(?:or|and|union|having|order|like|between|xor)\b|--|#|/\*|;|\)|\|\||&&)")

#: Quotes of nothing and a backslash within a word, which a shell leaves out.
_NOTHING = re.compile(r"''|\"\"|(?<=[A-Za-z])\\(?=[A-Za-z])")
_WORD, _PATTERN = re.compile(r"[^\s'\"`;|&<>(){}]+"), re.compile(r"[*?\[]")
#: Patterns of one argument that are compared, and characters of one.
_MOST_PATTERNS, _LONGEST = 64, 200
#: Key files by their last steps, for patterns that match them.
_KEY_FILES = tuple(
    tuple(path.split("/"))
    for path in ("etc/shadow", "etc/passwd", "etc/sudoers", ".ssh/id_rsa", ".ssh/id_ed25519", ".aws/credentials")
)


def readings(kind: ParameterKind | None, value: str) -> Iterator[str]:
    """What else an argument of this kind may be read as."""
    if kind in ("url", "local_url"):
        yield from _addresses(value)
    elif kind == "path":
        yield from _paths(value)
        yield from _matched_files(value)
    elif kind == "command":
        if (plain := _NOTHING.sub("", value)) != value:
            yield plain
        yield from _matched_files(value)


def literals(value: str) -> list[str] | None:
    """The literals of a whole statement of SQL, each as it would stand behind a quote; None for anything else.

    Whoever writes the statement leaves no place by a comment, a union or a comparison. Whatever stands in quotes could be
    where a value that looks like a statement was to end.
    """
    if not _STATEMENT.match(value):
        return None
    quoted = [token for token in _TOKEN.findall(value) if token[0] in "'\""]
    if any(token.count(token[0]) % 2 or _BREAKS_OUT.match(token) for token in quoted):
        return None  # it ends within a literal, or a literal goes on as a statement would behind a value
    return quoted


def _addresses(value: str) -> Iterator[str]:
    if _ORDINARY.fullmatch(value) and "%0" not in value:
        return
    plain = value.strip(_EDGES).translate(_LEFT_OUT)
    if _LINE_FEED.search(value):
        # Some HTTP libraries end a field at a line feed alone.
        yield _LINE_FEED.sub("\r\n", value)
    if share := _SHARE.match(plain):
        yield f"file://{share[1]}/"
    if scheme := _FILE.match(plain):
        yield f"file:///{plain[scheme.end() :]}"
    elif scheme := _WEB.match(plain):
        yield from _hosts(f"{scheme[1]}://", plain[scheme.end() :])
    elif plain[:1] in ("/", "\\") and plain[1:2] in ("/", "\\"):
        yield from _hosts("http://", plain.lstrip("/\\"))
    elif _names_machine(host := _ENDS[0].split(plain, maxsplit=1)[0].rpartition("@")[2]):
        yield f"http://{host if host.count(':') < 2 or host.startswith('[') else f'[{host}]'}/"


def _hosts(scheme: str, text: str) -> Iterator[str]:
    """The address of each host that stands there for some reader."""
    authorities = dict.fromkeys(end.split(text, maxsplit=1)[0] for end in _ENDS)
    for host in dict.fromkeys("".join(authority.rpartition("@")[2].split()) for authority in authorities):
        yield f"{scheme}{host.rstrip(chr(92))}/"


def _names_machine(host: str) -> bool:
    """Whether a bare word is an IP address or a name of a machine nearby: `10.0.0.8:80`, `localhost`, `db.internal`."""
    name = _PORT.sub("", host) if host.count(":") == 1 or host.startswith("[") else host
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]").partition("%")[0])
    except ValueError:
        return urls.is_local_name(name.lower().rstrip("."))
    return True


def _paths(value: str) -> Iterator[str]:
    share = _SHARE.match(value)
    # WSL's own names lead to this machine.
    if share and share[1].lower() not in ("wsl", "wsl.localhost", "localhost"):
        yield f"file://{share[1]}/"
    if not _UNUSUAL.search(value):
        return
    plain = value.replace("\\", "/")
    for overlong, character in _OVERLONG:
        plain = overlong.sub(character, plain)
    plain = _DOTS.sub("..", _PARAMETER.sub("", plain))
    yield plain
    yield posixpath.normpath(plain)


def _matched_files(value: str) -> Iterator[str]:
    """The key files that a shell's pattern matches; `/etc/*` says which directory and not which file."""
    if not _PATTERN.search(value):
        return
    words = (match[0] for match in _WORD.finditer(value))
    for word in islice((word for word in words if len(word) <= _LONGEST and _PATTERN.search(word)), _MOST_PATTERNS):
        steps = word.strip("/").split("/")
        if sum(map(str.isalnum, steps[-1])) < 2:
            continue
        for file in _KEY_FILES:
            near = steps[-len(file) :]
            if len(near) == len(file) and all(map(fnmatchcase, file, near)) and any(map(str.isalnum, near[0])):
                yield "/" + "/".join(file)
