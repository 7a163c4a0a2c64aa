"""What a guard with workers cannot serve is refused by name, at its start and when a bundle brings it."""

from __future__ import annotations

from model.errors import InputError
from model.guard_bundle import AnyGuardConfig, kind_of


def require_fitting(config: AnyGuardConfig) -> None:
    """Raises InputError for a model route, and for a server that is a command."""
    name = f"{config.server.environment}.{config.server.name}"
    if kind_of(config) == "route":
        raise InputError(
            f"{name} is a model route, which one process serves", key="--workers", remedy="leave it out for this guard"
        )
    if config.origin.command:  # type: ignore[union-attr]
        raise InputError(
            f"{name} is a command, and its processes belong to the one guard that talks to them",
            key="--workers",
            remedy="leave it out for this guard, or serve the command over HTTP",
        )
