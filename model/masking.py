"""Which values are secret, and what is shown in their place: one rule for files, plans, drift, scans and the guard.

A value is secret by the name it stands at (`is_secret_name`) or by its form (`secret_shape`). Numbers, switches and
references such as ``{vault://env/NAME}`` reveal nothing and are always shown. This module recognizes and masks values;
`model.clear_secrets` refuses a secret in a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from model.sentinels import WIRE_SIGNATURE, WIRE_UNKNOWN

#: What is shown in a secret's place.
SECRET: Final = "[secret]"  # noqa: S105 - a label, not a secret

#: A name is read in lower case with its words joined by `_`: ``X-Api-Key``, ``xApiKey`` and ``x_api_key`` are one.
#: A secretary and a secretion are no secrets.
_SECRET_NAME = re.compile(
    r"passw|passphrase|passcode|(^|_)pwd(_|$)|kennwort|contrase|secret(?!ar[yi]|i(?:on|ve))|credential|authorization|cookie|tokens?(_|$)"
    r"|(api|private|access|account|encryption|master|session|shared|signing|hmac)_?keys?(_|$)"
)
#: A name that ends in one of these words tells about a secret (where it is, how long it lasts) and does not hold it.
_ABOUT_A_SECRET = re.compile(
    r"(^|_)(id|ids|name|names|url|uri|uris|endpoint|endpoints|server|servers|issuer|issuers|path|file|env|duration|lifetime"
    r"|ttl|seconds|minute|hour|day|expiry|expires|expiration|at|version|type|types|method|methods|attribute|domain|supported"
    r"|count|limit|size|length|algorithm|algorithms|outputs|purpose|reader|scheme|field)$"
    # A model route's own key: a header's name. Other names that end in `header` may hold its value.
    r"|^credential_header$"
)
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")

#: Shapes that vendors document for their own credentials, then the generic ones.
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("a JSON Web Token", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")),
    ("a Cloudflare service token secret", re.compile(r"\bcfast_[A-Za-z0-9]{20,}")),
    ("a GitHub token", re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})")),
    ("an AWS access key", re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("a Slack token", re.compile(r"\bxox[abposr]-[A-Za-z0-9-]{10,}")),
    ("an OpenAI or Anthropic key", re.compile(r"\bsk-[A-Za-z0-9_-]{20,}")),
    ("a Google key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}")),
    ("a Pulumi token", re.compile(r"\bpul-[0-9a-f]{40}\b")),
    # A challenge is no credential: it names a parameter where a credential would begin (RFC 9110 section 11.4, RFC 6750
    # section 3, RFC 9728 section 5.1). Its quotation mark may be escaped, as JSON or as Lua has it.
    (
        "a bearer credential",
        re.compile(
            r"(?i)\b(bearer|basic)\s+"
            r"(?!(realm|scope|error(_description|_uri)?|resource_metadata|charset)=(\\*\"|\\+034))[A-Za-z0-9+/_.=-]{16,}"
        ),
    ),
    ("a URL with a password", re.compile(r"://[^/\s:@]*:[^/\s@{]+@")),
    (
        "a secret in a URL's query",
        re.compile(r"(?i)[?&](api[_-]?key|key|(access[_-]?)?token|secret|password|sig|signature)=[^&{]"),
    ),
    ("a secret on a command line", re.compile(r"(?i)^--?([a-z-]+[_-])?(password|secret|token|api[_-]?key)=[^{]")),
)
#: Where Kong finds a secret; never the secret.
REFERENCE = re.compile(r"\{vault://[^{}]+\}")
#: A value that only the engine knows, as a plan names it.
_SYMBOL = re.compile(r"\$\{[^{}]*\}")
#: How Kong's transformers and its log plugins' headers write a pair.
_PAIR = re.compile(r"([A-Za-z0-9_-]{1,80})\s*[:=]\s*(?=\S)")


#: Characters of a name that is kept with what it says: whoever sends a message chooses its names.
_LONGEST_NAME = 128


def is_secret_name(name: str) -> bool:
    """Whether a name says that the value at it is secret: ``x-api-key``, ``accessToken``, ``DB_PASSPHRASE``."""
    return _says_secret(name) if len(name) <= _LONGEST_NAME else _says_secret.__wrapped__(name)


@lru_cache(maxsize=4096)
def _says_secret(name: str) -> bool:
    words = _words(name)
    return _SECRET_NAME.search(words) is not None and _ABOUT_A_SECRET.search(words) is None


def is_secret_path(names: Iterable[str]) -> bool:
    """Whether the value at the end of a path is secret: by its own name, or by that of a mapping it stands in."""
    secret = False
    for name in names:
        secret = _is_secret_below(name, secret)
    return secret


def secret_shape(text: str) -> str | None:
    """What kind of secret a text looks like, such as ``a GitHub token``; None for none."""
    return next((name for name, pattern in _SHAPES if pattern.search(text)), None)


def is_open(value: Any) -> bool:
    """Whether a value reveals nothing wherever it stands: a number, a switch, null, or a reference to a secret."""
    if isinstance(value, str):
        return not value or REFERENCE.fullmatch(value) is not None or _SYMBOL.fullmatch(value) is not None
    return value is None or isinstance(value, bool | int | float)


def is_marked_secret(value: Any) -> bool:
    """Whether the engine (or a plan) marks the value as a secret."""
    return isinstance(value, Mapping) and (WIRE_SIGNATURE in value or "$secret" in value)


def masked(value: Any, *names: str) -> Any:
    """`value`, which stands at the path `names`, with `SECRET` in the place of each secret inside it.

    JSON text is opened. A text such as ``Authorization: hunter2`` keeps its name. A value that the engine
    knows only after the deployment is described in words.
    """
    return _masked(value, is_secret_path(names))


def open_json(text: str) -> Any:
    """The object or list that a text holds as JSON; the text itself where it holds none."""
    if text[:1] not in ("{", "[") or text.startswith("{vault:"):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict | list) else text


def _masked(value: Any, secret: bool) -> Any:
    if is_marked_secret(value):
        return SECRET
    if value in ({"$unknown": True}, WIRE_UNKNOWN):
        return "[known after the deployment]"
    if isinstance(value, Mapping):
        return {key: _masked(item, _is_secret_below(str(key), secret)) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, secret) for item in value]
    if is_open(value) or not isinstance(value, str):
        return value
    if (opened := open_json(value)) is not value:
        return _masked(opened, secret)
    if secret:
        return SECRET
    pair = _PAIR.match(value)
    if pair is not None and is_secret_name(pair[1]) and not is_open(value[pair.end() :]):
        return f"{pair[0]}{SECRET}"
    return SECRET if secret_shape(value) is not None else value


def _is_secret_below(name: str, secret: bool) -> bool:
    """Whether a value at `name` is secret, in a mapping that is (`secret`) or is not."""
    return is_secret_name(name) or (secret and _ABOUT_A_SECRET.search(_words(name)) is None)


def _words(name: str) -> str:
    return _WORD_BORDER.sub("_", name).lower()
