"""No secret in a manifest, neither in clear nor as a nested `secure:` value.

Pulumi hands a `secure:` value nested in an object to the program as a plain string and keeps it readable in state,
backups and history, so encrypting it there protects nothing. A secret field takes a reference instead.
"""

from __future__ import annotations

from model.errors import InputError
from model.loader import Document, KeyPath, walk
from model.masking import REFERENCE, is_secret_name, secret_shape

REMEDY = (
    'use a reference: "{vault://env/NAME}" for the gateway, or {env: NAME} / {file: /path} for the host; '
    "and rotate the value, it has been in a file"
)


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
                InputError(
                    f"a key that looks like {shape} in clear", file=document.location((*path, key)), remedy=REMEDY
                )
                for key in item
                if (shape := secret_shape(key))
            ]
        if not isinstance(item, str) or REFERENCE.fullmatch(item) or any(secret_shape(str(part)) for part in path):
            continue
        if shape := secret_shape(item):
            problems.append(document.error(path, f"looks like {shape} in clear", REMEDY))
        elif item and is_secret_name(next((part for part in reversed(path) if isinstance(part, str)), "")):
            problems.append(document.error(path, "a secret in clear", REMEDY))
    return problems
