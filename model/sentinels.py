"""Pulumi's signs for values that JSON has no word for (`sdk/go/common/resource/properties.go`).

The engine writes them into properties, events and checkpoints; `plan.values` turns them into a plan's own markers.
"""

from __future__ import annotations

from typing import Final

WIRE_UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
WIRE_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
WIRE_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the engine's published sentinel, not a secret
WIRE_RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
WIRE_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
WIRE_ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
WIRE_ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
