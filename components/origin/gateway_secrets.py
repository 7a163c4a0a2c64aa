"""What the gateway node of a host reads from its own environment: every reference of a stack that Kong resolves there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from model.base import SecretRef
from model.host_bundle import Secret
from model.model_route import ModelRoute
from model.stacks import PerimeterStack

#: `{vault://env/NAME}` is the variable NAME in capitals and with underscores; what follows a slash is a member of its JSON.
_REFERENCE = re.compile(r"\{vault://env/([a-z0-9][a-z0-9-]*)(?:/[A-Za-z0-9_-]+)?\}")


def gateway_secrets(server: PerimeterStack) -> list[Secret]:
    """The variables of the node on this host, by name, each with all that it is for."""
    purposes: dict[str, list[str]] = {}
    for text, purpose in _references(server):
        for name in _REFERENCE.findall(text):
            purposes.setdefault(name.replace("-", "_").upper(), []).append(purpose)
    return [
        Secret(reader="kong", reference=SecretRef(env=name), purpose=", ".join(dict.fromkeys(needed_for)))
        for name, needed_for in sorted(purposes.items())
    ]


def _references(server: PerimeterStack) -> Iterator[tuple[str, str]]:
    """Texts that may hold references, each with what it is for."""
    settings, manifest = server.settings, server.manifest
    if isinstance(manifest, ModelRoute):
        for model, routed in sorted(manifest.models.items()):
            for target in routed.targets:
                if target.credential is not None:
                    yield target.credential, f"credential of {model}"
        for key in ("cache", "gateway"):
            for path, text in _texts(getattr(manifest, key).dump(), key):
                yield text, f"{path} of {server.stack}"
    if settings.topology == "central":
        return
    environment, redis = server.environment.name, settings.gateway.redis
    issuer = settings.issuers[manifest.oauth.issuer] if manifest.oauth.issuer else None
    if issuer and issuer.introspection:
        yield issuer.introspection.gateway_secret, f"issuers.{manifest.oauth.issuer}.introspection of {environment}"
    for path, text in _texts(redis.dump() if redis else {}, "gateway.redis"):
        yield text, f"{path} of {environment}"
    for path, text in _texts(settings.logs.dump(), "logs"):
        yield text, f"{path} of {environment}"
    for path, text in _texts(manifest.logs.dump(), "logs"):
        yield text, f"{path} of {server.stack}"


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every text in a plain value."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, path)
