"""Looking objects up at their provider by name or tag: Cloudflare's API, Kong's Admin API, the sandbox. Reads only."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from engine.repair.kinds import SHAPES, Inputs, Kind
from engine.workspace import Target, workspace
from model.environment import Cloudflare
from model.errors import Unreachable
from model.project import load
from model.stacks import EnvironmentStack, ZoneStack

if TYPE_CHECKING:
    from pulumi.automation import Stack as EngineStack

    from model.stacks import Stack
    from wire.cloudflare_reader import CloudflareReader
    from wire.kong_reader import KongReader


class Lookup(Protocol):
    """Lists what a provider holds."""

    def items(self, kind: Kind, inputs: Inputs, *, full_list: bool = False) -> Iterable[Mapping[str, Any]]:
        """Candidates for the object that `inputs` make, as the provider's API shows them; raises `Unreachable`.

        With `full_list` the list of all in the same place, where a narrower question could be asked.
        """

    def removal(self, kind: Kind, inputs: Inputs, id: str) -> str | None:
        """The command that removes an object, its credential in a variable; None where no API is spoken to."""


def find(lookup: Lookup, kind: Kind, inputs: Inputs) -> list[str]:
    """Ids of the objects that are what `inputs` make, sorted."""
    if SHAPES[kind].path is None:
        return []
    return sorted(str(item["id"]) for item in lookup.items(kind, inputs) if SHAPES[kind].fits(inputs, item))


class ProviderLookup:
    """Asks the real APIs. Each client is made on its first use: a stack without Kong needs no gateway.

    Args:
        secret: a stack's encrypted configuration value by key, for those who keep the tokens there.
    """

    def __init__(self, loaded: Stack, secret: Callable[[str], str | None], open_clients: ExitStack) -> None:
        self._loaded = loaded
        self._secret = secret
        self._open = open_clients
        self._cloudflare: CloudflareReader | None = None
        self._kong: KongReader | None = None

    def items(self, kind: Kind, inputs: Inputs, *, full_list: bool = False) -> Iterable[Mapping[str, Any]]:
        shape = SHAPES[kind]
        if shape.path is None:
            return []
        path = shape.place(inputs) if full_list else shape.path(inputs)
        if shape.provider == "cloudflare":
            return self._account().read_all(path, shape.permission)
        if shape.alone and not full_list:
            entity = self._gateway().read(path)
            return [] if entity is None else [entity]
        return self._gateway().list_all(path) or []

    def removal(self, kind: Kind, inputs: Inputs, id: str) -> str | None:
        shape = SHAPES[kind]
        if shape.path is None:
            return None
        place = shape.place(inputs)
        if shape.provider == "cloudflare":
            base, header = self._settings().api, "Authorization: Bearer $CLOUDFLARE_API_TOKEN"
        else:
            # An empty variable leaves the header out.
            base, header = self._gateway().uri, "Kong-Admin-Token: $KONG_ADMIN_TOKEN"
        address = shlex.quote(f"{base.rstrip('/')}{place}/{id}")
        return f'curl --fail --request DELETE --header "{header}" {address}'

    def _account(self) -> CloudflareReader:
        if self._cloudflare is None:
            from wire.cloudflare import TOKEN_VARIABLE, token_from_environment
            from wire.cloudflare_reader import CloudflareReader

            token = self._secret("cloudflare:apiToken") or token_from_environment()  # as the provider plugin does
            if token is None:
                raise Unreachable(f"Cloudflare cannot be asked for what is there: set {TOKEN_VARIABLE}")
            self._cloudflare = self._open.enter_context(CloudflareReader(self._settings(), token))
        return self._cloudflare

    def _gateway(self) -> KongReader:
        if self._kong is None:
            from wire.kong_reader import KongReader

            if isinstance(self._loaded, ZoneStack):
                raise Unreachable("a zone has no gateway")
            self._kong = self._open.enter_context(
                KongReader(self._environment().settings.gateway, self._secret("kong:kongAdminToken"))
            )
        return self._kong

    def _settings(self) -> Cloudflare:
        if isinstance(self._loaded, ZoneStack):
            zone = self._loaded.manifest.cloudflare
            return Cloudflare.model_construct(
                api=zone.api, account_id="", zone=zone.zone, zone_id=zone.zone_id, team=""
            )
        return self._environment().settings.cloudflare

    def _environment(self) -> EnvironmentStack:
        environment = self._loaded.environment
        if environment is None:
            raise TypeError("a zone has no environment")
        return environment


class SandboxLookup:
    """Looks into what the sandbox's providers hold, by the engine's name of a type."""

    def __init__(self, objects: Callable[[str], Sequence[Mapping[str, Any]]]) -> None:
        self._objects = objects

    def items(self, kind: Kind, inputs: Inputs, *, full_list: bool = False) -> Iterable[Mapping[str, Any]]:
        return self._objects(SHAPES[kind].token)

    def removal(self, kind: Kind, inputs: Inputs, id: str) -> str | None:
        return None


@contextmanager
def opened_lookup(target: Target, stack: str, selected: EngineStack | None = None) -> Iterator[Lookup]:
    """The lookup for a stack: the sandbox's objects, or the real APIs with the stack's own tokens."""
    if target.sandbox_objects is not None:
        yield SandboxLookup(target.sandbox_objects)
        return

    def secret(key: str) -> str | None:
        from pulumi.automation.errors import CommandError

        if selected is None:
            return None
        try:
            return selected.get_config(key).value
        except CommandError:
            return None

    with ExitStack() as clients:
        yield ProviderLookup(load(target.project, stack), secret, clients)


@contextmanager
def stack_lookup(target: Target, stack: str) -> Iterator[Lookup]:
    """`opened_lookup` for a deployed stack whose own tokens are read from its configuration."""
    with ExitStack() as opened:
        selected = opened.enter_context(workspace(target, stack)) if target.sandbox_objects is None else None
        yield opened.enter_context(opened_lookup(target, stack, selected))
