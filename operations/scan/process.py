"""The command line of the process that owns a socket, shortened and without anything that may be secret."""

from __future__ import annotations

import re

import psutil

from model.masking import is_secret_name, secret_shape
from model.text import visible

MASK = "***"
MAX_WORDS = 8
MAX_LENGTH = 120
#: Options that hold a secret in some programs.
_MAYBE_SECRET = frozenset({"p", "k", "u", "auth", "pass", "key", "user", "header", "h"})
_FLAG = re.compile(r"--?[A-Za-z][A-Za-z0-9_-]*")
_ASSIGNMENT = re.compile(r"(-{0,2}[A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
#: Characters of a plain argument: a path, a module, a host, a port, a word. Every other argument is masked unseen.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+,=\[\]-]{1,300}")
#: A long run without a separator that mixes letters and digits reads like a key.
_DENSE = re.compile(r"(?=[A-Za-z0-9+]*[0-9])(?=[A-Za-z0-9+]*[A-Za-z])[A-Za-z0-9+]{16,}")


def command_line(pid: int) -> str:
    """Read the process's command line, short and masked; empty where this user may not read it or it has ended."""
    try:
        return short([argument for argument in psutil.Process(pid).cmdline() if argument])
    except psutil.Error:
        return ""


def short(arguments: list[str]) -> str:
    """Write `arguments` as one line of at most 120 characters, with every value that is or may be secret replaced by ***."""
    shown: list[str] = []
    masked_next = False
    for position, argument in enumerate(arguments[:MAX_WORDS]):
        text = argument.rsplit("/", 1)[-1] if position == 0 else argument
        if masked_next and not argument.startswith("-"):
            shown.append(MASK)
            masked_next = False
            continue
        masked_next = _FLAG.fullmatch(argument) is not None and _secret_name(argument)
        shown.append(_masked(text))
    line = " ".join(shown) + (" ..." if len(arguments) > MAX_WORDS else "")
    return line if len(line) <= MAX_LENGTH else line[: MAX_LENGTH - 3] + "..."


def _masked(text: str) -> str:
    assigned = _ASSIGNMENT.fullmatch(text)
    if assigned is not None and _secret_name(assigned[1]):
        return f"{visible(assigned[1])}={MASK}"
    if not _PLAIN.fullmatch(text) or secret_shape(text) is not None or _DENSE.search(text) is not None:
        return f"{visible(assigned[1])}={MASK}" if assigned is not None else MASK
    if "://" in text and "@" in text:
        return MASK
    folders = text.split("/")
    return text if len(text) <= 40 or len(folders) < 3 else ".../" + "/".join(folders[-2:])


def _secret_name(name: str) -> bool:
    """Whether an option's value is or may be secret: by its name, or as one of `_MAYBE_SECRET`."""
    option = name.lstrip("-")
    return is_secret_name(option) or option.lower() in _MAYBE_SECRET
