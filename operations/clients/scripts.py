"""Programs in Python for a server behind Ringwall: of an agent with its service token, of a person who signs in."""

from __future__ import annotations

_PERSON = '''\
import asyncio
import webbrowser
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

URL = {url!r}


class Tokens:
    """Kept in memory alone: another run signs in again."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def tools() -> list[str]:
    redirect = asyncio.get_running_loop().create_future()

    async def answer(reader, writer):
        path = (await reader.readline()).split()[1].decode()
        writer.write(b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\n\\r\\nSigned in. You may close this page.")
        await writer.drain()
        writer.close()
        if urlsplit(path).path == "/callback" and not redirect.done():
            redirect.set_result({{name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}})

    async def open_browser(address):
        webbrowser.open(address)

    async def code():
        query = await redirect
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    metadata = OAuthClientMetadata(
        client_name="Python",
        redirect_uris=[f"http://127.0.0.1:{{port}}/callback"],
        token_endpoint_auth_method="none",
    )
    auth = OAuthClientProvider(URL, metadata, Tokens(), open_browser, code)
    async with (
        listener,
        httpx2.AsyncClient(auth=auth, timeout=300) as http,
        Client(streamable_http_client(URL, http_client=http)) as client,
    ):
        return [tool.name for tool in (await client.list_tools()).tools]


if __name__ == "__main__":
    print(asyncio.run(tools()))
'''

_AGENT = """\
import os

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

HEADERS = {{
    "{id_header}": os.environ["{id_variable}"],
    "{secret_header}": os.environ["{secret_variable}"],
}}


async def tools() -> list[str]:
    async with (
        httpx2.AsyncClient(headers=HEADERS, timeout=60) as http,
        Client(streamable_http_client({url!r}, http_client=http)) as client,
    ):
        return [tool.name for tool in (await client.list_tools()).tools]
"""


def person_script(url: str) -> str:
    """A program in which a person signs in with the browser. It returns to 127.0.0.1, on a free port."""
    return _PERSON.format(url=url)


def agent_script(url: str, *, id_header: str, id_variable: str, secret_header: str, secret_variable: str) -> str:
    """A program that presents a service token from the environment."""
    return _AGENT.format(
        url=url,
        id_header=id_header,
        id_variable=id_variable,
        secret_header=secret_header,
        secret_variable=secret_variable,
    )
