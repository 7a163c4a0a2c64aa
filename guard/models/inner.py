"""The way to the gateway's inner routes: one for each model, found by its Host, entered with the guard's own key."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

from guard.cancellation import heed_cancellation
from guard.http.upstream import HttpUpstream, UpstreamAnswer, UpstreamDown
from guard.models.requests import FORMATS, ModelRequest
from model.base import seconds
from model.model_guard_config import InnerModel, ModelGuardConfig
from model.server import Origin
from wire.json import dump
from wire.secrets import read_secret

#: Where the inner routes stand at the gateway, whatever path the public endpoint has (`components.gateway.inner_entities`).
BASE = "/v1"
#: Seconds for a connection of a probe.
_PATIENCE = 2.0


class InnerConnections:
    """Connections to the gateway of one configuration. Make and close it inside the event loop.

    Raises:
        InputError: the guard's key cannot be read.
    """

    def __init__(self, config: ModelGuardConfig) -> None:
        self._inner = config.inner
        self._key = read_secret(config.inner.key)
        self._timeouts = config.timeouts
        self._routes: dict[tuple[str, str], HttpUpstream] = {}
        #: What is wrong with the gateway; None after it answered, and before anything was tried.
        self.problem: str | None = None

    async def send(self, request: ModelRequest, body: Mapping[str, object], principal: str) -> UpstreamAnswer:
        """Send one request of a principal to its model's inner route.

        Raises:
            UpstreamDown: there is no answer.
            CancelledError: the request was ended before.
        """
        heed_cancellation()
        path = FORMATS[request.kind].path
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if request.stream else "application/json",
        }
        if self._inner.principal_header is not None:
            # A digest counts as well, and says nobody's address to Kong's logs.
            headers[self._inner.principal_header] = hashlib.sha256(principal.encode()).hexdigest()[:32]
        try:
            answer = await self._route(request.model, path).send("POST", headers, dump(body), owner="")
        except UpstreamDown as problem:
            if not problem.sent:
                self.problem = str(problem)
            raise
        self.problem = None
        return answer

    async def reached(self) -> bool:
        """Whether the gateway accepts a connection. A model is not asked: every answer costs."""
        address = urlsplit(self._inner.url)
        port = address.port or (443 if address.scheme == "https" else 80)
        try:
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(address.hostname, port)
        except (OSError, TimeoutError) as error:
            self.problem = f"the gateway refuses connections ({type(error).__name__})"
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self.problem = None
        return True

    def _route(self, model: InnerModel, path: str) -> HttpUpstream:
        route = self._routes.get((model.name, path))
        if route is None:
            fixed = {"host": model.inner_host, self._inner.key_header.lower(): self._key}
            route = self._routes[model.name, path] = HttpUpstream(
                Origin(url=f"{self._inner.url.rstrip('/')}{BASE}/{path}"),
                fixed=fixed,
                connect=seconds(self._timeouts.connect),
                silence=seconds(self._timeouts.read),
            )
        return route

    async def close(self) -> None:
        for route in self._routes.values():
            await route.close()
