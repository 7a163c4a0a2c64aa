"""How many calls of the providers' APIs a run makes, from the operations on its resources.

Cloudflare's plugin makes one call an operation (recorded on pulumi-cloudflare 6.23.1, and terraform-provider-cloudflare
5.22, internal/services): a tunnel's configuration, whose deletion does nothing, is the exception. Kong's reads back what it
made or changed (terraform-provider-kong, kong/resource_kong_*.go: each create and update ends in the read). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.repair.kinds import SHAPES, Kind
from model.resource_types import is_resource
from model.text import counted


@dataclass(frozen=True)
class Calls:
    """Calls of each API."""

    cloudflare: int = 0
    kong: int = 0

    def __add__(self, addend: Calls) -> Calls:
        return Calls(self.cloudflare + addend.cloudflare, self.kong + addend.kong)

    def __bool__(self) -> bool:
        return bool(self.cloudflare or self.kong)

    def __str__(self) -> str:
        return f"{counted(self.cloudflare, 'call')} of Cloudflare's API and {counted(self.kong, 'call')} of Kong's Admin API"

    def as_json(self) -> dict[str, int]:
        return {"cloudflare": self.cloudflare, "kong": self.kong}


#: Calls an operation, by the engine's word for it; the halves of a replacement are operations of their own.
_CLOUDFLARE = {"create": 1, "update": 1, "refresh": 1, "read": 1, "import": 1, "delete": 1}
_KONG = {**_CLOUDFLARE, "create": 2, "update": 2}
_HALVES = {"create-replacement": "create", "delete-replaced": "delete", "import-replacement": "import"}
_NO_CALL = {("delete", SHAPES[Kind.ingress].token)}


def calls_of(operation: str, type_: str) -> Calls:
    """The calls of one operation on a resource of one type."""
    operation = _HALVES.get(operation, operation)
    if not is_resource(type_) or (operation, type_) in _NO_CALL:
        return Calls()
    if type_.startswith("kong:"):
        return Calls(kong=_KONG.get(operation, 0))
    return Calls(cloudflare=_CLOUDFLARE.get(operation, 0)) if type_.startswith("cloudflare:") else Calls()


def total(operation: str, types: Iterable[str]) -> Calls:
    """The calls of the same operation on many resources."""
    return sum((calls_of(operation, type_) for type_ in types), Calls())
