"""What Kong itself asks for a model route in edition ai, by address; its secrets are in `gateway_secrets`. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from components.gateway.inner_entities import address
from model.model_gateway import VectorSearch
from model.model_route import ModelRoute
from model.model_target import ProviderModel


class OutsideService(NamedTuple):
    """One service: where it is, and what for."""

    destination: str
    purpose: str


def gateway_services(manifest: ModelRoute) -> Iterator[OutsideService]:
    """Every service of the route's `gateway` and of its cache by meaning."""
    gateway = manifest.gateway
    if gateway.lakera is not None:
        yield OutsideService(gateway.lakera.url, "Lakera Guard, asked by Kong")
    if gateway.prisma_airs is not None:
        yield OutsideService(gateway.prisma_airs.url, "Prisma AIRS, asked by Kong")
    if gateway.sanitizer is not None:
        yield OutsideService(gateway.sanitizer.url, "personal data, asked by Kong")
    if gateway.topics is not None:
        yield from _search(gateway.topics, "topics of prompts")
    if manifest.cache.semantic is not None:
        yield from _search(manifest.cache.semantic, "the cache by meaning")


def _search(search: VectorSearch, purpose: str) -> Iterator[OutsideService]:
    port = search.port or (6379 if search.store == "redis" else 5432)
    yield OutsideService(f"{search.host}:{port}", f"vectors of {purpose}")
    yield OutsideService(model_address(search.embeddings), f"embeddings for {purpose}")


def model_address(model: ProviderModel) -> str:
    """Scheme, host and port that a model's requests go to."""
    scheme, host, port = address(model)
    return f"{scheme}://{host}:{port}"
