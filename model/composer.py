"""Composes YAML text into ruamel's nodes and records which nodes carried an explicit tag, which ruamel forgets.

Imported only when a file is read, since ruamel takes a while to import.
"""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.events import AliasEvent


class _Tagged(Composer):
    """Once composed, ``!!str 1`` and ``1`` look alike, and only one of them is a number to Pulumi."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # anchors are refused, each on its line
        self.tagged: dict[int, str] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        node = super().compose_node(parent, index)
        if not isinstance(event, AliasEvent) and event.ctag is not None:
            self.tagged[id(node)] = str(event.ctag)
        return node


def compose(text: str, max_depth: int) -> tuple[Any, dict[int, str]]:
    """The root node of the one document in `text` (None when there is none), and explicit tags by `id` of their node.

    Raises:
        ruamel.yaml.error.YAMLError: not YAML, or nested deeper than `max_depth`.
        ValueError, OverflowError: an escape that is no Unicode character.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _Tagged
    yaml.max_depth = max_depth
    root = yaml.compose(text)
    return root, yaml.composer.tagged
