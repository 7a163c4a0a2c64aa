"""Options that had another name before: scripts that use it go on, and help shows the name of today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: By the words of the command. Only what means the same under both names.
FORMER: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("audit", "verify"): {"--key": "--public-key"},
    ("diff",): {"--environment": "--env"},
    ("guard", "bundle"): {"--out": "--output"},
    ("guard", "keygen"): {"--out": "--output"},
}


def in_use(arguments: Sequence[str]) -> list[str]:
    """The arguments with the names of today; what stands behind `--` is another program's."""
    names = next((names for words, names in FORMER.items() if tuple(arguments[: len(words)]) == words), {})
    front = list(arguments)
    end = front.index("--") if "--" in front else len(front)
    for index, argument in enumerate(front[:end]):
        name, equals, value = argument.partition("=")
        if name in names:
            front[index] = f"{names[name]}{equals}{value}"
    return front
