"""A client that reads any list of Cloudflare's API by its path, for `doctor` and `drift`. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model.environment import Cloudflare
from wire.cloudflare import CloudflareApi


class CloudflareReader(CloudflareApi):
    """Reads lists page by page; raises `Unreachable` as its parent does."""

    def __init__(self, settings: Cloudflare, token: str) -> None:
        super().__init__(settings, token)
        self._account = ""  # paths are given whole: some lists are a zone's

    def read_all(self, path: str, permission: str) -> Iterator[dict[str, Any]]:
        """A whole list, page by page; `permission` is what its reader's token needs."""
        return self._pages(path, permission, {})

    def read(self, path: str, permission: str) -> Any:
        """What stands at one address."""
        return self._call("GET", path, permission).get("result")
