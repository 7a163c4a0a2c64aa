"""What Kong itself asks for a model route in edition ai: each service's address, and the references to its secrets. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from components.gateway.inner_entities import address
from model.model_gateway import VectorSearch
from model.model_route import ModelRoute
from model.model_target import ProviderModel


class OutsideService(NamedTuple):
    """One service: where it is, what for, and the vault references by which Kong is let in."""

    destination: str
    purpose: str
    references: tuple[str, ...]


def gateway_services(manifest: ModelRoute) -> Iterator[OutsideService]:
    """Every service of the route's `gateway` and of its cache by meaning."""
    gateway = manifest.gateway
    if gateway.lakera is not None:
        yield _service(gateway.lakera.url, "Lakera Guard, asked by Kong", gateway.lakera.api_key)
    if gateway.prisma_airs is not None:
        yield _service(gateway.prisma_airs.url, "Prisma AIRS, asked by Kong", gateway.prisma_airs.api_key)
    if gateway.sanitizer is not None:
        yield _service(gateway.sanitizer.url, "personal data, asked by Kong")
    if gateway.topics is not None:
        yield from _search(gateway.topics, "topics of prompts")
    if manifest.cache.semantic is not None:
        yield from _search(manifest.cache.semantic, "the cache by meaning")


def _search(search: VectorSearch, purpose: str) -> Iterator[OutsideService]:
    port = search.port or (6379 if search.store == "redis" else 5432)
    yield _service(f"{search.host}:{port}", f"vectors of {purpose}", search.username, search.password)
    yield _service(model_address(search.embeddings), f"embeddings for {purpose}", search.embeddings.credential)


def _service(destination: str, purpose: str, *references: str | None) -> OutsideService:
    return OutsideService(destination, purpose, tuple(reference for reference in references if reference is not None))


def model_address(model: ProviderModel) -> str:
    """Scheme, host and port that a model's requests go to."""
    scheme, host, port = address(model)
    return f"{scheme}://{host}:{port}"
