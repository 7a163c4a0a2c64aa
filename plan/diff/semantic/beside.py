"""What stands in a stack file beside its manifest: how state is encrypted, secrets, Pulumi's own settings."""

from __future__ import annotations

from typing import Any

from model.loader import Document
from model.project import config_of
from model.stacks import KINDS
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.keys import difference


def compare_beside(stack: str, before: Document, after: Document) -> list[Change]:
    """Every key that is not the manifest. None can be proven neutral: the values are encrypted, or Pulumi's."""
    was, now = (_keys(document) for document in (before, after))
    changes = []
    for key in sorted(was.keys() | now.keys()):
        one, other = was.get(key), now.get(key)
        if one == other:
            continue
        config = key.startswith("config.")
        what = "a secret or a setting of Pulumi's" if config else "how the stack's secrets are encrypted in state"
        title = f"{key}: {_shown(one, other)}"
        changes.append(change("beside-manifest", Direction.LOOSENS, 55 if config else 75, stack, "", title, (what,)))
    return changes


def _keys(document: Document) -> dict[str, Any]:
    top = document.value if isinstance(document.value, dict) else {}
    found = {key: value for key, value in top.items() if key != "config"}
    found.update({f"config.{key}": value for key, value in config_of(document).items() if key not in KINDS})
    return found


def _shown(one: Any, other: Any) -> str:
    """Encrypted values and salts are no secrets, and of no use to a reader."""
    values = [value for value in (one, other) if value is not None]
    if all(isinstance(value, bool) for value in values):
        return difference(one, other)
    return "added" if one is None else "removed" if other is None else "another value"
