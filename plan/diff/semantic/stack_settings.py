"""Compares what a stack file holds besides the manifest: the encryption of state, secrets and Pulumi's own settings."""

from __future__ import annotations

from typing import Any

from model.loader import Document
from model.project import config_of
from model.stacks import KINDS
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.keys import difference


def compare_stack_settings(stack: str, base: Document, head: Document) -> list[Change]:
    """A change for every key outside the manifest that differs. All loosen: encrypted values and Pulumi's settings cannot be
    proven harmless."""
    base_values, head_values = (_keys(document) for document in (base, head))
    changes = []
    for key in sorted(base_values.keys() | head_values.keys()):
        base_value, head_value = base_values.get(key), head_values.get(key)
        if base_value == head_value:
            continue
        config = key.startswith("config.")
        meaning = "a secret or a setting of Pulumi's" if config else "how the stack's secrets are encrypted in state"
        title = f"{key}: {_shown(base_value, head_value)}"
        changes.append(change("beside-manifest", Direction.LOOSENS, 55 if config else 75, stack, "", title, (meaning,)))
    return changes


def _keys(document: Document) -> dict[str, Any]:
    top = document.value if isinstance(document.value, dict) else {}
    values = {key: value for key, value in top.items() if key != "config"}
    values.update({f"config.{key}": value for key, value in config_of(document).items() if key not in KINDS})
    return values


def _shown(base: Any, head: Any) -> str:
    """How the two values are shown: encrypted values and salts, which tell a reader nothing, are not shown at all."""
    values = [value for value in (base, head) if value is not None]
    if all(isinstance(value, bool) for value in values):
        return difference(base, head)
    return "added" if base is None else "removed" if head is None else "another value"
