"""No secret in a manifest, neither in clear nor as a nested `secure:` value.

Pulumi hands a `secure:` value nested in an object to the program as a plain string and keeps it readable in state,
backups and history, so encrypting it there protects nothing. A secret field takes a reference instead.
"""

from __future__ import annotations

import re

from model.errors import InputError
from model.loader import Document, KeyPath, walk

REMEDY = (
    'use a reference: "{vault://env/NAME}" for the gateway, or {env: NAME} / {file: /path} for the host; '
    "and rotate the value, it has been in a file"
)

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
    ("a bearer credential", re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/_.=-]{16,}")),
    ("a URL with a password", re.compile(r"://[^/\s:@]*:[^/\s@{]+@")),
    (
        "a secret in a URL's query",
        re.compile(r"(?i)[?&](api[_-]?key|key|(access[_-]?)?token|secret|password|sig|signature)=[^&{]"),
    ),
    ("a secret on a command line", re.compile(r"(?i)^--?([a-z-]+[_-])?(password|secret|token|api[_-]?key)=[^{]")),
)
SECRET_KEY = re.compile(
    r"(?i)(^|[_.\-:])(password|passwd|secret|client[_-]?secret|token|api[_-]?key|private[_-]?key|authorization|x-api-key"
    r"|cookie)$"
)
REFERENCE = re.compile(r"\{vault://[^{}]+\}")


def find_clear_secrets(document: Document, below: KeyPath) -> list[InputError]:
    """Problems below the key path `below`; never quotes the value found."""
    value = document.value
    for part in below:
        value = value[part] if isinstance(value, dict) and part in value else None
    problems = []
    for path, item in walk(value, below):
        if isinstance(item, dict):
            if "secure" in item:
                problems.append(
                    document.error((*path, "secure"), "a nested secure: value, which Pulumi keeps readable", REMEDY)
                )
            # A secret in the place of a key: the line says where, the key itself is not repeated.
            problems += [
                InputError(f"a key that looks like {shape} in clear", file=document.where((*path, key)), remedy=REMEDY)
                for key in item
                if (shape := secret_shape(key))
            ]
        if not isinstance(item, str) or REFERENCE.fullmatch(item) or any(secret_shape(str(part)) for part in path):
            continue
        if shape := secret_shape(item):
            problems.append(document.error(path, f"looks like {shape} in clear", REMEDY))
        elif item and SECRET_KEY.search(next((part for part in reversed(path) if isinstance(part, str)), "")):
            problems.append(document.error(path, "a secret in clear", REMEDY))
    return problems


def secret_shape(text: str) -> str | None:
    """What kind of secret a text looks like, such as ``a GitHub token``; None for none."""
    return next((name for name, pattern in _SHAPES if pattern.search(text)), None)
