from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine import download
from engine.download import DownloadFailed, ReleaseMismatch

NAME = "pulumi-v3.256.0-linux-x64.tar.gz"
SUMS = "pulumi-3.256.0-checksums.txt"

Serve = Callable[[dict[str, bytes]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """(files by name) → address of a real server on loopback that has them."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(files: dict[str, bytes]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = files.get(self.path.lstrip("/"))
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Keep test output clean."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def archive(member: str = "pulumi/pulumi", kind: bytes = tarfile.REGTYPE, body: bytes = b"the engine") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as opened:
        for name in ("pulumi/pulumi-language-python", member):
            info = tarfile.TarInfo(name)
            info.type = kind if name == member else tarfile.REGTYPE
            info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            info.size = len(body) if info.type == tarfile.REGTYPE else 0
            opened.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def sums(body: bytes, name: str = NAME) -> bytes:
    wrong_digest = "0" * 64
    return f"{wrong_digest}  pulumi-v3.256.0-darwin-arm64.tar.gz\n{hashlib.sha256(body).hexdigest()}  {name}\n".encode()


def fetch(executable: Path, host: str, *checksum_hosts: str) -> None:
    download.download(executable, "Linux", "x86_64", lambda _: None, archives=host, checksums=checksum_hosts or (host,))


def test_release_with_its_published_checksum_is_taken(serve: Serve, tmp_path: Path) -> None:
    body = archive()
    fetch(tmp_path / "pulumi", serve({NAME: body, SUMS: sums(body)}))
    assert (tmp_path / "pulumi").read_bytes() == b"the engine"
    assert [path.name for path in tmp_path.iterdir()] == ["pulumi"]


def test_release_with_another_checksum_is_refused_before_it_is_unpacked(serve: Serve, tmp_path: Path) -> None:
    host = serve({NAME: archive(body=b"something else"), SUMS: sums(archive())})
    with pytest.raises(ReleaseMismatch, match="has SHA-256"):
        fetch(tmp_path / "pulumi", host)
    assert list(tmp_path.iterdir()) == []


def test_checksums_come_from_the_next_host_when_one_does_not_answer(serve: Serve, tmp_path: Path) -> None:
    body = archive()
    host = serve({NAME: body, SUMS: sums(body)})
    fetch(tmp_path / "pulumi", host, serve({}), host)
    assert (tmp_path / "pulumi").exists()


def test_checksums_without_this_release_are_a_mismatch(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(ReleaseMismatch, match="has no checksum for"):
        fetch(tmp_path / "pulumi", serve({NAME: archive(), SUMS: sums(archive(), "other.tar.gz")}))


def test_host_that_does_not_answer_is_a_failed_download(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="checksums"):
        fetch(tmp_path / "pulumi", "http://127.0.0.1:1")


def test_archive_above_the_limit_is_refused(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = archive()
    monkeypatch.setattr(download, "ARCHIVE_LIMIT", 10)
    with pytest.raises(ReleaseMismatch, match="over 10 bytes"):
        fetch(tmp_path / "pulumi", serve({NAME: body, SUMS: sums(body)}))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_archive_whose_engine_is_not_a_plain_file_is_refused(serve: Serve, tmp_path: Path, kind: bytes) -> None:
    body = archive(kind=kind)
    with pytest.raises(ReleaseMismatch, match="no plain file"):
        fetch(tmp_path / "pulumi", serve({NAME: body, SUMS: sums(body)}))


@pytest.mark.parametrize("body", [b"not an archive", archive(member="pulumi/../../pulumi")])
def test_archive_without_an_engine_is_refused(serve: Serve, tmp_path: Path, body: bytes) -> None:
    with pytest.raises(ReleaseMismatch, match="cannot be unpacked"):
        fetch(tmp_path / "pulumi", serve({NAME: body, SUMS: sums(body)}))


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", NAME),
        ("Linux", "aarch64", "pulumi-v3.256.0-linux-arm64.tar.gz"),
        ("Darwin", "arm64", "pulumi-v3.256.0-darwin-arm64.tar.gz"),
    ],
)
def test_release_is_named_for_the_machine(system: str, machine: str, name: str) -> None:
    assert download.archive_name(system, machine) == name


def test_machine_without_a_release_is_a_failed_download() -> None:
    with pytest.raises(DownloadFailed, match="no Pulumi download for Linux riscv64"):
        download.archive_name("Linux", "riscv64")
