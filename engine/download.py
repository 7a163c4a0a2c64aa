"""The official Pulumi release: fetched over TLS, checked against its published SHA-256, one file taken out of it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from engine.locate import PINNED

Progress = Callable[[str], None]

ARCHIVES = "https://get.pulumi.com/releases/sdk"
# Checksums from a second host first: one changed server then does not vouch for its own files.
CHECKSUMS = (f"https://github.com/pulumi/pulumi/releases/download/v{PINNED}", ARCHIVES)
ARCHIVE_LIMIT = 400 * 1024 * 1024
CHECKSUMS_LIMIT = 1024 * 1024
#: Seconds for the archive, of some 150 MB.
DEADLINE = 3600.0
EXECUTABLE_LIMIT = 400 * 1024 * 1024
_SYSTEMS = {"Linux": "linux", "Darwin": "darwin"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class DownloadFailed(Exception):
    """The release cannot be downloaded: no network, no such file, or no build for this machine."""


class ReleaseMismatch(Exception):
    """The release was downloaded and is not what was published. This is an error and never a reason to try another way."""


def archive_name(system: str, machine: str) -> str:
    """File name of the release for a machine, as `platform` names it. Raises `DownloadFailed` where there is none."""
    try:
        return f"pulumi-v{PINNED}-{_SYSTEMS[system]}-{_MACHINES[machine]}.tar.gz"
    except KeyError:
        raise DownloadFailed(f"no Pulumi download for {system} {machine}") from None


def download(
    executable: Path,
    system: str,
    machine: str,
    progress: Progress,
    *,
    archives: str = ARCHIVES,
    checksums: tuple[str, ...] = CHECKSUMS,
) -> None:
    """Put the release's `pulumi` executable at `made`. Raises `DownloadFailed` or `ReleaseMismatch`."""
    name = archive_name(system, machine)
    expected = _expected(name, checksums)
    archive = executable.with_name(name)
    progress(f"downloading {archives}/{name}")
    try:
        actual = _fetch(f"{archives}/{name}", archive)
        if actual != expected:
            raise ReleaseMismatch(f"{archives}/{name} has SHA-256 {actual}, published is {expected}")
        _extract(archive, executable)
    finally:
        archive.unlink(missing_ok=True)


def _expected(name: str, hosts: tuple[str, ...]) -> str:
    import httpx

    from wire.http import HttpPolicy, exchange, reason_of

    reasons = []
    for host in hosts:
        url = f"{host}/pulumi-{PINNED}-checksums.txt"
        try:
            with HttpPolicy(url, proxies=True, redirects=True).client(timeout=httpx.Timeout(20, connect=5)) as client:
                answer = exchange(client, "GET", url, limit=CHECKSUMS_LIMIT, deadline=60)
        except httpx.HTTPError as error:
            reasons.append(f"{url}: {reason_of(error)}")
            continue
        if answer.status != 200:
            reasons.append(f"{url}: HTTP {answer.status}")
            continue
        for line in answer.body.decode("utf-8", "replace").splitlines():
            match = re.fullmatch(r"([0-9a-f]{64})\s+\*?(\S+)", line.strip())
            if match and match.group(2) == name:
                return match.group(1)
        raise ReleaseMismatch(f"{url} has no checksum for {name}")
    raise DownloadFailed("; ".join(reasons))


def _fetch(url: str, target: Path) -> str:
    import httpx

    from wire.http import HttpPolicy, RefusedAnswer, read_body, reason_of

    digest = hashlib.sha256()
    try:
        with (
            HttpPolicy(url, proxies=True, redirects=True).client(timeout=httpx.Timeout(60, connect=5)) as client,
            client.stream("GET", url) as answer,
            target.open("wb") as output,
        ):
            if answer.status_code != 200:
                raise DownloadFailed(f"{url}: HTTP {answer.status_code}")

            def write_chunk(piece: bytes) -> None:
                digest.update(piece)
                output.write(piece)

            read_body(answer, ARCHIVE_LIMIT, time.monotonic() + DEADLINE, write_chunk)
    except RefusedAnswer as error:
        raise ReleaseMismatch(f"{url}: {error}") from None
    except httpx.HTTPError as error:
        raise DownloadFailed(f"{url}: {reason_of(error)}") from error
    return digest.hexdigest()


def _extract(archive: Path, executable: Path) -> None:
    """Copy the bytes of the one member ``pulumi/pulumi``; no path from the archive is ever used."""
    try:
        with tarfile.open(archive, "r:gz") as opened:
            member = opened.getmember("pulumi/pulumi")
            source = opened.extractfile(member) if member.isreg() else None
            if source is None or member.size > EXECUTABLE_LIMIT:
                raise ReleaseMismatch(f"{archive.name} holds no plain file pulumi/pulumi of a sane size")
            with contextlib.closing(source), executable.open("wb") as output:
                _copy(source, output)
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise ReleaseMismatch(f"{archive.name} cannot be unpacked ({error.__class__.__name__})") from error


def _copy(source: IO[bytes], output: IO[bytes]) -> None:
    while chunk := source.read(1024 * 1024):
        output.write(chunk)
