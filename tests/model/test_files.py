"""What stands where a file should be keeps nobody waiting, and every reader says what it is."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guard.audit.files import read_tail
from guard.audit.keys import load_public_key
from guard.audit.reader import Filter, read_anchors, select
from guard.bundle.keys import load_public_keys
from guard.private_file import read_private
from model.base import SecretRef
from model.errors import InputError, RingwallError
from model.files import FileTooLarge, read_bytes
from model.loader import read
from model.project import find_project, load_environment, open_project
from operations.audit_export.position import Position
from operations.project.server_files import read_server
from operations.verify.setup import token_in
from tests.support.projects import write_project
from tests.support.waiting import PATIENCE
from wire.secrets import read_secret


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


KINDS = {"pipe": _pipe, "folder": _folder, "device": _device, "socket": _socket}
READERS: dict[str, Callable[[Path], object]] = {
    "a YAML file": read,
    "a secret": lambda path: read_secret(SecretRef(file=str(path))),
    "a private key": lambda path: read_private(path, "the key"),
    "public keys": lambda path: load_public_keys([path]),
    "an audit log's end": read_tail,
    "an export's position": lambda path: Position.open(path, "here"),
}
#: Paths of a command line, where a shell's `<(command)` is a pipe.
NAMED: dict[str, Callable[[Path], object]] = {
    "an audit log": lambda path: select(path, Filter(), 10, lambda file, line, problem: None),
    "anchors": read_anchors,
    "a log's key": load_public_key,
    "a token": lambda path: token_in(path, "--token-file"),
}


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for that of a socket."""
    with tempfile.TemporaryDirectory(prefix="rw-") as folder:
        yield Path(folder)


def refusal(call: Callable[[], object]) -> str:
    """What a reader says; it may not wait for anybody."""
    errors: list[Exception] = []

    def work() -> None:
        try:
            call()
        except (RingwallError, OSError) as error:
            errors.append(error)

    reader = threading.Thread(target=work, daemon=True)
    reader.start()
    reader.join(PATIENCE)
    assert not reader.is_alive(), "it still waits"
    assert errors, "it took it for a file"
    return str(errors[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused_and_not_waited_for(reader: str, kind: str, short_path: Path) -> None:
    path = short_path / "place"
    KINDS[kind](path)
    assert str(path) in refusal(lambda: READERS[reader](path))


@pytest.mark.parametrize("kind", ["device", "socket", "folder"])
@pytest.mark.parametrize("reader", NAMED)
def test_a_path_of_a_command_line_leads_to_no_device(reader: str, kind: str, short_path: Path) -> None:
    path = short_path / "named"
    KINDS[kind](path)
    assert str(path) in refusal(lambda: NAMED[reader](path))


def test_a_path_of_a_command_line_may_be_a_pipe() -> None:
    reading, writing = os.pipe()
    with open(reading, "rb"):
        with open(writing, "wb") as shell:
            shell.write(b"secret-of-a-command\n")
        assert token_in(Path(f"/dev/fd/{reading}"), "--token-file") == "secret-of-a-command"


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1024)
    assert read_bytes(file, 1024) == b"x" * 1024
    file.write_bytes(b"x" * 1025)
    with pytest.raises(FileTooLarge, match="is larger than 1 KiB"):
        read_bytes(file, 1024)


def test_a_huge_file_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 2**40)
    with pytest.raises(InputError, match="is larger than 4096 KiB; make it smaller"):
        read(tmp_path / "huge")


def test_a_project_file_that_is_none_leads_to_no_project_above_it(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    (root / "inner/Pulumi.yaml").mkdir(parents=True)
    with pytest.raises(InputError, match=r"inner/Pulumi\.yaml: is a folder, not a file"):
        find_project(root / "inner")


def test_a_lock_that_is_no_file_is_not_called_missing(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    lock = root / "stacks/dev.one.lock.yaml"
    lock.unlink()
    os.mkfifo(lock)
    project = open_project(root)
    assert "is a pipe, not a file" in refusal(lambda: read_server(project, "dev.one"))
    assert "is a pipe, not a file" in refusal(lambda: load_environment(project, "dev"))
