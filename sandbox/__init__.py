"""Stand-in `cloudflare` and `kong` providers: the real Pulumi engine runs against them with no account and no network.

They speak Pulumi's provider protocol, take their argument types from the installed SDKs, refuse what the real services
are known to refuse, and keep what was made in one folder. They are for rehearsal and tests: nothing else may depend on
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.faults import Fault, Faults
    from sandbox.server import Sandbox

__all__ = ["Fault", "Faults", "Sandbox"]


def __getattr__(name: str) -> Any:
    """Load on first use: the server imports gRPC and Pulumi, which the CLI must not pay for at start."""
    if name == "Sandbox":
        from sandbox.server import Sandbox

        return Sandbox
    if name in ("Fault", "Faults"):
        from sandbox import faults

        return getattr(faults, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
