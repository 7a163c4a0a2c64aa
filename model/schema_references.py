"""Follows a JSON Schema's reference to a place in the same document, the one kind that is ever followed here."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote


def referenced(root: Any, reference: Any) -> Any:
    """What ``#`` or ``#/a/b`` leads to in the document `root`; None for any other reference, and for one to nothing."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    node = root
    for step in reference.split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(node, list):
            node = node[int(name)] if name.isdecimal() and int(name) < len(node) else None
        else:
            node = node.get(name) if isinstance(node, dict) else None
    return node
