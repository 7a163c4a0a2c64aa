"""What `ringwall local` starts a server with, and what a connection to the socket of a command starts and ends."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from cli.local_server import behind_socket
from guard.http.stdio_command import connect, socket_of
from model.base import SecretRef
from model.errors import InputError
from model.host_bundle import HostBundle
from model.server import Origin
from operations.host.activation import command_socket
from operations.host.machine import HostMember
from tests.operations.host.conftest import bundles_of
from tests.support.projects import write_project
from tests.support.waiting import eventually

#: It tells what it was started with, and then lives as long as its input.
TELLS = """import json, os
print(json.dumps({"pid": os.getpid(), "directory": os.getcwd(), "variables": dict(os.environ)}), flush=True)
input()
"""
COMMAND = (sys.executable, "-c", TELLS)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> HostBundle:
    root = write_project(tmp_path_factory.mktemp("project"), every_shape=True)
    (chosen,) = (bundle for bundle in bundles_of(root) if bundle.server == "external")
    return chosen


def of_command(bundle: HostBundle, directory: str | None = None) -> HostMember:
    origin = Origin(command=COMMAND, environment={"DESK_KEY": SecretRef(env="DESK_KEY")}, directory=directory)
    return HostMember(bundle.model_copy(update={"origin": origin}), 0)


async def test_each_connection_starts_the_command_with_its_own_variables_and_ends_it(
    bundle: HostBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_KEY", "a-key-of-the-desk")
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "nothing-for-a-server")
    async with behind_socket(of_command(bundle), tmp_path) as sockets:
        path = socket_of(sockets, "dev", "external")
        assert [item.stat().st_mode & 0o777 for item in (path, path.parent)] == [0o600, 0o700]
        connections = [await connect(path) for _ in range(2)]
        told = [json.loads(await connection.stdout.readline()) for connection in connections]
        assert len({item["pid"] for item in told}) == 2
        for item in told:
            assert item["directory"] == item["variables"]["HOME"] == str(tmp_path / "home")
            assert item["variables"]["DESK_KEY"] == "a-key-of-the-desk"
            assert "CLOUDFLARE_API_TOKEN" not in item["variables"]
        connections[0].kill(9)
        await eventually(lambda: not alive(told[0]["pid"]), "the first command's end")
        assert alive(told[1]["pid"])
    assert not alive(told[1]["pid"])
    connections[1].kill(9)
    assert not sockets.exists()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_what_its_host_would_not_have_is_said_before_anything_is_started(
    bundle: HostBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_KEY", "x")
    with pytest.raises(InputError, match=r"origin\.directory: /srv/elsewhere is no folder here"):
        async with behind_socket(of_command(bundle, "/srv/elsewhere"), tmp_path):
            pass
    monkeypatch.delenv("DESK_KEY")
    with pytest.raises(InputError, match="DESK_KEY"):
        async with behind_socket(of_command(bundle, str(tmp_path)), tmp_path):
            pass


async def test_a_command_that_fails_is_named_with_where_its_words_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    errors = tmp_path / "server.log"
    place = {"environment": {}, "directory": tmp_path, "umask": 0o077, "errors": errors}
    script = (sys.executable, "-c", "import sys; sys.exit('no such key')")
    async with command_socket(tmp_path / "a" / "stdio", script, **place):  # type: ignore[arg-type]
        connection = await connect(tmp_path / "a" / "stdio")
        assert await asyncio.wait_for(connection.stdout.read(), 60) == b""
        connection.kill(9)
        await eventually(lambda: bool(caplog.messages), "a line of the log")
    assert caplog.messages == [f"the command ended with exit code 1; what it wrote to stderr is in {errors}"]
    assert errors.read_text() == "no such key\n"
    caplog.clear()
    async with command_socket(tmp_path / "b" / "stdio", ("/nonexistent",), **place):  # type: ignore[arg-type]
        connection = await connect(tmp_path / "b" / "stdio")
        assert await asyncio.wait_for(connection.stdout.read(), 60) == b""
        connection.kill(9)
    assert caplog.messages == [f"the command cannot be started in {tmp_path} (No such file or directory)"]
