"""The calls of the demo: each by the official SDK's client through the running guard, with what the guard wrote down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from cli.demo_outcome import Attempt, AttemptResult, decisions
from components.gateway.names import REMAINING_HEADER
from guard.identity.verifier import ASSERTION
from model.errors import RingwallError

SECONDS = 30
#: As the gateway says it of a budget that nothing was taken from.
_BUDGET = "2000000"


class DemoClient:
    """Calls through one guard, as a person behind edge and gateway does: those two add the headers given here.

    `log` is the guard's audit log.
    """

    def __init__(self, url: str, hostname: str, log: Path) -> None:
        self._url, self._hostname, self._log = url, hostname, log

    def make(self, attempt: Attempt, token: str | None) -> AttemptResult:
        """Make the call. Raises RingwallError when the log does not hold what it must."""
        count = len(decisions(self._log))
        saw = asyncio.run(self._call(attempt, token))
        records = [record for record in decisions(self._log)[count:] if _is_about(record, attempt)]
        if not records:
            raise RingwallError(f"the guard wrote nothing down of “{attempt.title}”; the client saw: {saw}")
        record = records[-1]
        if (record["decision"], record["reason"]) != (attempt.decision, attempt.reason):
            raise RingwallError(
                f"“{attempt.title}” was to be {attempt.decision} {attempt.reason}, "
                f"and is {record['decision']} {record['reason']}; the client saw: {saw}"
            )
        return AttemptResult(attempt, saw, record)

    async def _call(self, attempt: Attempt, token: str | None) -> str:
        headers = {"host": self._hostname, REMAINING_HEADER: _BUDGET}
        if token is not None:
            headers[ASSERTION.decode()] = token
        refused: list[str] = []

        async def keep(response: httpx2.Response) -> None:
            if response.status_code == 401:
                refused.append(_message(json.loads(await response.aread())))

        hooks = {"response": [keep]}
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx2.AsyncClient(headers=headers, event_hooks=hooks, trust_env=False, timeout=SECONDS) as http,
                Client(streamable_http_client(self._url, http_client=http)) as client,
            ):
                await client.list_tools()  # as a client does when its session begins
                result = await client.call_tool(attempt.tool, dict(attempt.arguments))
        except BaseExceptionGroup as group:
            return _error_text(group, refused)
        except (MCPError, httpx2.HTTPError, TimeoutError) as error:
            return _error_text(error, refused)
        text = " ".join(content.text for content in result.content if content.type == "text")
        return f"tool error: {text}" if result.is_error else text


def _is_about(record: Mapping[str, Any], attempt: Attempt) -> bool:
    """Whether a record is the attempt's: of its call, or of a request that got no further than its token.

    A record that counts earlier refusals is written a second after them, when the next attempt may be under way.
    """
    return "repeats" not in record and (record.get("name") == attempt.tool or record.get("principal") is None)


def _error_text(error: BaseException, refused: list[str]) -> str:
    if refused:
        return f"HTTP 401: {refused[0]}"
    known = next((leaf for leaf in _leaves(error) if isinstance(leaf, MCPError)), None)
    if known is not None:
        return f"error {known.error.code}: {known.error.message}"
    return f"{type(error).__name__}: {error}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in error.exceptions:
        yield from _leaves(inner)


def _message(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("message")) if isinstance(error, dict) else str(error)
