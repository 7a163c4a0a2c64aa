"""The long documents of a server: the guard's configuration and the host bundle. Where they stand in Pulumi's state.

They are outputs of their components. The stack exports only their digests: Pulumi prints every output of a stack whole,
JSON unfolded, which was 780 lines a server, and a changed digest shows as well that there is something to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

GUARD: Final = "ringwall:index:Guard"
ORIGIN: Final = "ringwall:index:Origin"
#: By component type: its output, and the name under which `ringwall outputs`, plans and rules know it.
DOCUMENTS: Final[Mapping[str, Mapping[str, str]]] = {
    GUARD: {"config": "guard_config"},
    ORIGIN: {"host_bundle": "host_bundle"},
}


def documents(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The documents in a deployment's resources, as the backend holds them."""
    return {
        name: (resource.get("outputs") or {})[key]
        for resource in resources
        for key, name in DOCUMENTS.get(resource["type"], {}).items()
        if key in (resource.get("outputs") or {})
    }
