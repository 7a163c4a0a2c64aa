"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from model.project import Project, load_environment, open_project
from model.stacks import EnvironmentStack
from tests.support.engine_project import OFFICIAL_HOST
from tests.support.example_ports import refuse_connections
from tests.support.projects import write_project

pytest_plugins = ["tests.support.mcp_peers"]

# Workers of xdist are told the width of its terminal. Commands that write into a pipe are tested without one. A user's
# Python keeps what it writes into a pipe until its buffer is full, so a command hands on itself what is to be read at once.
for name in ("COLUMNS", "LINES", "PYTHONUNBUFFERED"):
    os.environ.pop(name, None)

# A job that a shell started in the background ignores Ctrl-C, and so does every program that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow at making examples; that says nothing about the code. A commit is judged by the same examples each
# time, so that none is refused for what stood there before it; `make properties` looks for new ones.
SLOW_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same examples", SLOW_MACHINE, derandomize=True)
settings.register_profile("new examples", SLOW_MACHINE, max_examples=1000)
settings.load_profile("same examples")


@pytest.fixture(scope="session", autouse=True)
def _nobody_on_example_ports() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        refuse_connections(patch)
        yield


def pytest_report_header() -> str:
    own = "the tests' own Python host (no pulumi-language-python on PATH)"
    return f"plain pulumi runs programs by {OFFICIAL_HOST or own}"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Coroutine tests run on asyncio alone, as the product does."""
    return "asyncio"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with every shape of server."""
    return open_project(write_project(tmp_path, every_shape=True))


@pytest.fixture
def environment(project: Project) -> EnvironmentStack:
    return load_environment(project, "dev")


@pytest.fixture
def closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing beyond this machine is asked: what is not loopback goes to a proxy that is not there."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "KONG_ADMIN_TOKEN", "RINGWALL_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def local_time_zone() -> Iterator[Callable[[str], None]]:
    """Puts this process into a time zone, one of `tests.support.time_zones`, until the test ends."""
    with pytest.MonkeyPatch.context() as patch:

        def move(zone: str) -> None:
            patch.setenv("TZ", zone)
            time.tzset()

        yield move
    time.tzset()
