"""`ringwall host`: files of every host of an environment, and whether written ones are still the stack's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.operations.host.conftest import write_hosts
from tests.support.command_line import ringwall, snapshot


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hosts(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def written(root: Path) -> Path:
    folder = root.parent / f"{root.name}-hosts"
    result = ringwall("host", "render", "dev", "-o", folder, "--offline", "--project", root)
    assert (result.code, result.err.count("warning: dev-2: ${hosted-edge-tunnel.id}")) == (0, 1)
    return folder


def test_a_second_rendering_has_the_same_bytes(root: Path, written: Path, tmp_path: Path) -> None:
    document = ringwall(
        "host", "render", "dev", "-o", tmp_path / "hosts", "--offline", "--project", root, "--json"
    ).json
    assert [host["host"] for host in document["hosts"]] == ["dev-1", "dev-2"]
    assert snapshot(tmp_path / "hosts") == snapshot(written)


def test_files_of_the_stack_pass_and_one_that_lacks_an_id_does_not(root: Path, written: Path) -> None:
    same = ringwall("host", "check", written / "dev-1", "--offline", "--project", root)
    assert (same.code, same.out) == (0, "dev-1: the files are those of the stack\n")
    other = ringwall("host", "check", written / "dev-2", "--offline", "--project", root)
    assert other.code == 3
    assert "cloudflared.yml lacks ${hosted-edge-tunnel.id}, " in other.out


def test_what_differs_is_named_file_by_file(root: Path, written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hosts" / "dev-1"
    ringwall("host", "render", "dev.one", "-o", tmp_path / "hosts", "--offline", "--project", root)
    (folder / "root/etc/ringwall/kong.conf").write_text("proxy_listen = 0.0.0.0:8000\n")
    (folder / "README.md").unlink()
    (folder / "install.sh").chmod(0o777)
    (folder / "root/etc/extra.conf").write_text("x")
    document = ringwall("host", "check", tmp_path / "hosts", "--offline", "--project", root, "--json")
    assert document.code == 3
    rows = {Path(row["file"]).relative_to(folder).as_posix(): row["problem"] for row in document.json["differences"]}
    assert rows == {
        "README.md": "is missing",
        "install.sh": "has mode 0777, not 0755",
        "root/etc/ringwall/kong.conf": "has other content than the stack's",
        "root/etc/extra.conf": "is no file of this host",
    }


def test_a_folder_with_other_things_in_it_is_not_written_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "dev-1").mkdir()
    (tmp_path / "dev-1" / "notes.txt").write_text("mine")
    result = ringwall("host", "render", "dev.one", "-o", tmp_path, "--offline", "--project", root)
    assert (result.code, len(snapshot(tmp_path))) == (2, 1)
    assert "notes.txt: is not of a host's files; move it away, or name another folder" in result.err


def test_a_file_that_the_host_has_no_more_is_taken_away(root: Path, tmp_path: Path) -> None:
    copy = write_hosts(tmp_path / "project")
    ringwall("host", "render", "dev.one", "-o", tmp_path / "hosts", "--offline", "--project", copy)
    for file in ("Pulumi.dev.external.yaml", "dev.external.lock.yaml"):
        (copy / "stacks" / file).unlink()
    result = ringwall("host", "render", "dev.one", "-o", tmp_path / "hosts", "--offline", "--project", copy)
    assert "ringwall-server-dev.external.socket, which this host has no more" in result.out
    assert ringwall("host", "check", tmp_path / "hosts", "--offline", "--project", copy).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "{out}"), "holds no host's files"),
        (("render", "zone.example", "-o", "{out}", "--offline"), "there is no stack zone.example"),
        (("render", "dev", "-o", "{out}", "--offline", "--image", "kong"), "--image: kong is not NAME=IMAGE"),
        (("render", "dev", "-o", "{out}", "--offline", "--image", "kong=x"), "--image: is for containers"),
    ],
)
def test_wrong_input_is_one_line(root: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    filled = [argument.replace("{out}", str(tmp_path)) for argument in arguments]
    result = ringwall("host", *filled, "--project", root)
    assert (result.code, len(result.errors)) == (2, 1)
    assert message in result.errors[0]
    assert snapshot(tmp_path) == {}
