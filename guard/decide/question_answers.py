"""What a client's answers to a server's questions hold: what each text is for the engines, and which roots are none.

Answers come as messages of their own (up to 2025-11-25) or in `inputResponses` of the repeated request (2026-07-28).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard.inspect.verdict import EVERYTHING
from model.parameter_kinds import KindTree
from model.tool_lock import ParameterKind

#: MCP asks for `file:` URIs in roots: they name folders that the client shows, and nobody fetches them. What a model wrote
#: for a server (sampling) is prose.
_KINDS: Mapping[str, Mapping[str, ParameterKind]] = {
    "roots/list": {"/roots/*/uri": "path", "/roots/*/name": "text"},
    "sampling/createMessage": {"/content/text": "text", "/content/*/text": "text"},
}
_TREES = {method: KindTree(kinds) for method, kinds in _KINDS.items()}
#: The kinds in the params of a request that repeats a question's answer.
IN_PARAMS: Mapping[str, ParameterKind] = {
    f"/inputResponses/*{pointer}": kind for kinds in _KINDS.values() for pointer, kind in kinds.items()
}
PARAMS = KindTree(IN_PARAMS)


def answer_kinds(method: str) -> KindTree:
    """The kinds in the result of a server's request of this method."""
    return _TREES.get(method, EVERYTHING)


def foreign_root(result: Any) -> bool:
    """Whether an answer to roots/list names a root that is no `file:` URI."""
    roots = result.get("roots") if isinstance(result, dict) else None
    uris = (root.get("uri") for root in roots if isinstance(root, dict)) if isinstance(roots, list) else ()
    return any(isinstance(uri, str) and not uri.lower().startswith("file://") for uri in uris)


def foreign_root_in_params(params: Mapping[str, Any]) -> bool:
    """Whether the answers that a request repeats hold such a root."""
    responses = params.get("inputResponses")
    return isinstance(responses, dict) and any(foreign_root(response) for response in responses.values())
