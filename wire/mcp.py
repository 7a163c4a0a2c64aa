"""Asks a running MCP server what it offers, as a client of either protocol era does.

Definitions are taken whole, as the server sent them: the SDK's result types drop fields they do not know, and a field
nobody looked at is where a rug pull would hide. What comes back is untrusted and bounded (pages, entries, bytes, time).
A probe lists; it calls no tool and reads no resource. Only the streams of the official SDK are used on the wire.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import anyio
import httpx2
import mcp_types as types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from model.canonical import canonical_json
from model.errors import InputError, Unreachable
from model.loopback import is_loopback
from model.server import Origin
from model.text import visible
from model.tool_lock import ClientCapability, EntryKind
from wire.meter import Meter, ProbeLimits
from wire.secrets import command_variables

#: The SDK hands an adapter the result as it arrived; its result models would drop unknown fields.
_RAW: Any = TypeAdapter(dict[str, Any])

MAX_PAGES = 100
MAX_ENTRIES = 5000
MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class HttpTarget:
    """A streamable HTTP endpoint. Beyond loopback only with `allow_remote`: an origin has no business there."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_remote: bool = False

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class UnixSocketTarget:
    """Streamable HTTP on a Unix socket."""

    socket: str
    path: str = "/mcp"

    def __str__(self) -> str:
        return f"{self.socket} ({self.path})"


@dataclass(frozen=True)
class StdioTarget:
    """A command that speaks MCP on its standard streams; it is started for the probe and ended with it.

    It inherits HOME, PATH and the like only (the SDK's safe list), plus `environment`.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: str | None = None

    def __str__(self) -> str:
        return f"the command {self.command[0] if self.command else ''}"


Target = HttpTarget | UnixSocketTarget | StdioTarget


def target_of(origin: Origin) -> Target:
    """What a probe of the stack file's origin connects to; raises InputError as `wire.secrets.command_variables`."""
    if origin.command:
        return StdioTarget(origin.command, command_variables(origin), origin.directory)
    if origin.socket:
        return UnixSocketTarget(origin.socket, origin.path)
    return HttpTarget(str(origin.url))


@dataclass(frozen=True)
class ServerOffer:
    """What a server says it is and offers; each entry of a list is the JSON value it sent, nothing dropped.

    `protocol_version` is the negotiated one, `protocol_versions` all it named. `failed` says why a list could not be read,
    by its kind (`ToolLock.entries`); that list is then empty here. An entry may be anything: no object, no name, twice.
    `notes` are slips of the server that cost nothing. `client_capabilities` is what the looking client announced.
    """

    name: str
    version: str
    protocol_version: str
    protocol_versions: tuple[str, ...]
    instructions: str | None
    tools: tuple[dict[str, Any], ...]
    prompts: tuple[dict[str, Any], ...]
    resources: tuple[dict[str, Any], ...]
    resource_templates: tuple[dict[str, Any], ...]
    failed: Mapping[EntryKind, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    client_capabilities: tuple[ClientCapability, ...] = ()


def probe(target: Target, *, timeout: float = 10.0) -> ServerOffer:
    """Connect, list everything, disconnect; `timeout` in seconds bounds the whole conversation
    (ending a stubborn command may add some). Not to be called inside a running event loop.

    Raises:
        InputError: the target itself is wrong (not a loopback URL, credentials in the URL, an empty command).
        Unreachable: refused, silent, not MCP, asking for authentication, over a limit, or not startable.
    """
    _check(target)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
        conversation = _Conversation(target, timeout, stderr)
        try:
            with _quiet_sdk(conversation):
                return anyio.run(conversation.run)
        except BaseExceptionGroup as group:
            if group.split(Exception)[1] is not None:  # an interrupt is not a diagnosis
                raise
            raise conversation.diagnose(_leaf(group)) from group
        except Unreachable:
            raise
        except (MCPError, OSError, ValueError, RuntimeError, httpx2.HTTPError, anyio.BrokenResourceError) as error:
            raise conversation.diagnose(error) from error


def _check(target: Target) -> None:
    if isinstance(target, HttpTarget):
        try:
            parts = urlsplit(target.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts, host = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not host:
            raise InputError(
                "is not an http URL", key=visible(target.url), remedy="give one like http://127.0.0.1:3000/mcp"
            )
        if parts.username is not None or parts.password is not None:
            raise InputError("the URL holds credentials", key=host, remedy="take them out of the URL")
        if not is_loopback(host) and not target.allow_remote:
            raise InputError(
                f"{host} is not loopback, and an origin must listen on loopback only",
                key=target.url,
                remedy="run this on the server's own host, bind the server to 127.0.0.1 and name that address",
            )
    elif isinstance(target, UnixSocketTarget):
        if not Path(target.socket).is_socket():
            raise InputError("is no Unix socket", file=target.socket, remedy="start the server, or correct the path")
    elif not target.command or not target.command[0] or any("\0" in part for part in target.command):
        raise InputError("the command is empty or not a command line", remedy="give the program and its arguments")


class _Conversation:
    """One connection to one server, with what an error message needs to know about it."""

    def __init__(self, target: Target, timeout: float, stderr: IO[str]) -> None:
        self.target = target
        self.timeout = timeout
        self.stderr = stderr
        self.meter = Meter(ProbeLimits(MAX_BYTES))
        self.connected = False
        self.noise = False

    async def run(self) -> ServerOffer:
        """Both eras: discovery first; a server that stays silent on it gets the rest of the time for `initialize`."""
        deadline = anyio.current_time() + self.timeout
        with anyio.CancelScope(deadline=anyio.current_time() + self.timeout / 2) as scope:
            return await self.talk("auto", scope, deadline)
        if not self.connected:
            with anyio.CancelScope(deadline=deadline) as scope:
                return await self.talk("legacy", scope, deadline)
        failure = "did not finish its lists" if self.connected else "did not answer as an MCP server"
        raise Unreachable(self.line(f"{failure} within {self.timeout:g} s", self.hint()))

    async def talk(self, mode: str, scope: anyio.CancelScope, deadline: float) -> ServerOffer:
        async with (
            self.transport() as streams,
            Client(_OpenStreams(streams), mode=mode, cache=None) as client,
        ):
            self.connected = True
            scope.deadline = deadline
            return await self.listing(client)

    @contextlib.asynccontextmanager
    async def transport(self) -> AsyncIterator[Any]:
        if isinstance(self.target, StdioTarget):
            parameters = StdioServerParameters(
                command=self.target.command[0],
                args=list(self.target.command[1:]),
                env=dict(self.target.environment),
                cwd=self.target.directory,
            )
            async with stdio_client(parameters, errlog=self.stderr) as streams:  # type: ignore[arg-type]
                yield streams
            return
        if isinstance(self.target, UnixSocketTarget):
            # The SDK's own servers want a port in Host (DNS rebinding protection); a socket has none, so the default.
            url, headers = f"http://localhost{self.target.path}", {"host": "localhost:80"}
            inner = httpx2.AsyncHTTPTransport(uds=self.target.socket)
        else:
            url, headers = self.target.url, dict(self.target.headers)
            inner = httpx2.AsyncHTTPTransport()
        self.meter.inner = inner
        # trust_env off: a proxy from the environment must not come between this probe and the socket it judges.
        async with (
            httpx2.AsyncClient(transport=self.meter, headers=headers, timeout=self.timeout, trust_env=False) as client,
            streamable_http_client(url, http_client=client, max_sse_event_size=MAX_BYTES) as streams,
        ):
            yield streams

    async def listing(self, client: Client) -> ServerOffer:
        capabilities = client.server_capabilities
        info = client.server_info
        discovered = client.session.discover_result
        tools = await self.entries_of(client, types.ListToolsRequest, "tools") if capabilities.tools else ()
        prompts = await self.entries_of(client, types.ListPromptsRequest, "prompts") if capabilities.prompts else ()
        resources = (
            await self.entries_of(client, types.ListResourcesRequest, "resources") if capabilities.resources else ()
        )
        templates = (
            await self.entries_of(client, types.ListResourceTemplatesRequest, "resourceTemplates")
            if capabilities.resources
            else ()
        )
        return ServerOffer(
            name=info.name if info else "",
            version=info.version if info else "",
            protocol_version=client.protocol_version,
            protocol_versions=tuple(
                dict.fromkeys(discovered.supported_versions if discovered else [client.protocol_version])
            ),
            instructions=client.instructions,
            tools=tools,
            prompts=prompts,
            resources=resources,
            resource_templates=templates,
        )

    async def entries_of(self, client: Client, request: Any, key: str) -> tuple[dict[str, Any], ...]:
        """Every entry of one list over all its pages, as the server sent it."""
        entries: list[dict[str, Any]] = []
        cursor: str | None = None
        cursors: set[str] = set()
        size = 0
        for _ in range(MAX_PAGES):
            params = types.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
            try:
                raw = await client.session.send_request(request(params=params), _RAW)
            except MCPError as error:
                if error.code == types.METHOD_NOT_FOUND and cursor is None:
                    return ()
                raise
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                place = ".".join(map(str, first["loc"]))
                raise Unreachable(
                    self.line(f"its list of {key} breaks the protocol at {place}: {first['msg']}")
                ) from None
            for entry in raw[key]:
                try:
                    size += len(canonical_json(entry))
                except ValueError as error:
                    name = visible(str(entry.get("name", "?")))
                    raise Unreachable(self.line(f"its definition of {name} is not plain JSON: {error}")) from None
                entries.append(entry)
            if len(entries) > MAX_ENTRIES:
                raise Unreachable(self.line(f"it offers over {MAX_ENTRIES} {key}, which nobody can review"))
            if size > MAX_BYTES:
                raise Unreachable(self.line(f"its {key} are over {MAX_BYTES // 2**20} MiB, which nobody can review"))
            cursor = raw.get("nextCursor")
            if cursor is None:
                return tuple(entries)
            if cursor in cursors:
                raise Unreachable(self.line(f"its list of {key} never ends: it repeats a cursor"))
            cursors.add(cursor)
        raise Unreachable(self.line(f"its list of {key} has over {MAX_PAGES} pages"))

    def diagnose(self, error: BaseException) -> Unreachable:
        """One line for whatever came out of the SDK, its transports or the operating system."""
        if isinstance(error, Unreachable):
            return error
        if isinstance(self.target, StdioTarget):
            return self._diagnose_stdio(self.target, error)
        if self.meter.refusal:
            return Unreachable(self.line(self.meter.refusal))
        if isinstance(error, httpx2.ConnectError) or self.meter.unconnected:
            return Unreachable(self.line("nothing listens there", "start the server, or correct the address"))
        if isinstance(error, httpx2.TimeoutException):
            return Unreachable(self.line(f"did not answer within {self.timeout:g} s", "look at the server's log"))
        answer = f"HTTP {self.meter.status} {self.meter.content_type}".rstrip() if self.meter.status else "nothing"
        detail = visible(str(error).splitlines()[0] if str(error) else type(error).__name__)[:200]
        return Unreachable(
            self.line(f"it did not answer as an MCP server ({answer}; {detail})", "check the path, often /mcp")
        )

    def _diagnose_stdio(self, target: StdioTarget, error: BaseException) -> Unreachable:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            if target.directory and not Path(target.directory).is_dir():
                return Unreachable(self.line(f"its directory {target.directory} does not exist", "correct it"))
            return Unreachable(self.line("there is no such program", "install it, or give its full path"))
        if isinstance(error, PermissionError):
            return Unreachable(self.line("may not be run", "make it executable"))
        return Unreachable(self.line("it ended before it answered as an MCP server", self.hint()))

    def line(self, problem: str, remedy: str | None = None) -> str:
        return f"{self.target}: {problem}" + (f"; {remedy}" if remedy else "")

    def hint(self) -> str | None:
        """The last line the command wrote to stderr, which usually says why."""
        if not isinstance(self.target, StdioTarget):
            return "check that this is the MCP endpoint"
        self.stderr.seek(0)
        last = ""
        for text in self.stderr:
            last = visible(text) or last
        detail = f"the last line of its stderr: {last[:300]}" if last else "it wrote nothing to stderr"
        return f"its stdout held lines that are not JSON-RPC; {detail}" if self.noise else detail


class _OpenStreams:
    """Streams opened elsewhere, in the shape of an SDK transport."""

    def __init__(self, streams: Any) -> None:
        self.streams = streams

    async def __aenter__(self) -> Any:
        return self.streams

    async def __aexit__(self, *_: object) -> None:
        return None


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _SdkLogHandler(logging.Handler):
    """Keeps the SDK's warning about invalid messages of the peer, so that one line reports it instead of a traceback."""

    def __init__(self, conversation: _Conversation) -> None:
        super().__init__(logging.WARNING)
        self.conversation = conversation

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "mcp.client.stdio":
            self.conversation.noise = True


@contextlib.contextmanager
def _quiet_sdk(conversation: _Conversation) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("mcp", "client", "httpx2")]
    before = [logger.propagate for logger in loggers]
    handler = _SdkLogHandler(conversation)
    for logger in loggers:
        logger.propagate = False
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.propagate = propagate
            logger.removeHandler(handler)
