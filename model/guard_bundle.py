"""The signed file by which a guard gets its configuration, of a server or of a model route."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from model.base import Many, Model, Version1
from model.guard_config import GuardConfig, PrincipalId
from model.model_guard_config import ModelGuardConfig

#: The member that only a model route's configuration has, and needs.
ROUTE_MEMBER = "model_route"


def kind_of(config: object) -> str:
    """Whose configuration a value is, which says by which format it is judged."""
    of_route = isinstance(config, ModelGuardConfig) or (isinstance(config, dict) and ROUTE_MEMBER in config)
    return "route" if of_route else "server"


def format_of(config: object) -> type[GuardConfig] | type[ModelGuardConfig]:
    """The format by which a configuration is judged."""
    return ModelGuardConfig if kind_of(config) == "route" else GuardConfig


AnyGuardConfig = Annotated[
    Annotated[GuardConfig, Tag("server")] | Annotated[ModelGuardConfig, Tag("route")], Discriminator(kind_of)
]


class Signature(Model):
    """Ed25519 (RFC 8032) over the canonical JSON of the bundle without its signature."""

    algorithm: Literal["ed25519"] = Field("ed25519", description="Always Ed25519.")
    key_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")] = Field(description="Which key signed.")
    value: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{86}$")] = Field(
        description="Base64url without padding."
    )


#: To the end of the year 9999, after which no date is written.
UnixSeconds = Annotated[int, Field(ge=1, le=253_402_300_799)]


class GuardBundle(Model):
    """A signed, numbered guard configuration. A guard refuses a sequence lower than the one it applied last."""

    version: Version1 = Field(description="Format of the bundle.")
    sequence: Annotated[int, Field(ge=1)] = Field(description="Grows with every bundle of a server.")
    denied: Many[PrincipalId] = Field(
        (), description="Principals refused at once: person:<sub> or agent:<common_name>."
    )
    issued: UnixSeconds | None = Field(None, description="When it was signed, in Unix seconds.")
    expires: UnixSeconds | None = Field(
        None, description="When guards stop serving by it, in Unix seconds; bundles of older versions have no end."
    )
    config: AnyGuardConfig = Field(description="The configuration.")
    signature: Signature = Field(description="Over everything else.")

    def dump(self) -> dict[str, Any]:
        """As it is signed: without times that it does not have."""
        return {name: value for name, value in super().dump().items() if value is not None}
