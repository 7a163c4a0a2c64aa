"""A provider's refusal in plain words, without repetitions and without Go structures. Pure."""

from __future__ import annotations

import re

#: Texts around a refusal. The plugin reports a failure to its log and to the engine and wraps each of them
#: (pulumi-terraform-bridge); the language host repeats what the engine reported.
_FRAMES = (
    re.compile(r"^sdk-v\d/\S+\.go:\d+: sdk\.\w+: "),
    re.compile(r"^\d+ errors? occurred:\s*\*?\s*"),
    re.compile(r"^Exception calling application: "),
    re.compile(r"^(?:creating|updating|deleting|reading) urn:pulumi:\S+: "),
    re.compile(r": provider=[\w-]+@\S+$"),
)
_CONFLICT = re.compile(r"\b409\b|UNIQUE violation|\b1013\b|\b81053\b|already (?:exists|in use)|already have a\b")


def plain(text: str) -> str:
    """The refusal alone. Go structures are left out: pulumi-kong prints the whole request, secrets and all."""
    text = " ".join(without_structures(text).split())
    before = None
    while before != text:
        before = text
        for frame in _FRAMES:
            text = frame.sub("", text).strip()
    return re.sub(r":\s*error: ", ": ", text).strip()


def without_structures(text: str) -> str:
    """Cut out every ``&{…}``; one without its end goes up to the ``error:`` that follows it, else to the end."""
    while (start := text.find("&{")) >= 0:
        depth, end = 0, len(text)
        for place in range(start + 1, len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                end = place + 1
                break
        else:
            following = text.find(" error: ", start)
            end = following if following >= 0 else len(text)
        text = text[:start] + text[end:]
    return text


def is_conflict(text: str) -> bool:
    """Whether the service refused because such an object exists: Kong's 409, Cloudflare's 409, 1013 and 81053."""
    return bool(_CONFLICT.search(text))
