"""What the engine encrypts a stack's secrets with comes into the user's file, and nothing of that file is lost for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.salts import keep_salt, keep_sandbox_salt
from model.errors import RingwallError
from tests.support.full_disk import full_disk

SALT = "encryptionsalt: v1:abc=:v1:def="


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The engine's own copy, which it writes as it likes."""
    copy = tmp_path / "workspace" / "Pulumi.dev.yaml"
    copy.parent.mkdir()
    copy.write_text(f"{SALT}\nconfig:\n  a: 1\n")
    return copy


@pytest.mark.parametrize(
    ("before", "added"),
    [
        (b"config:\n  a: 1\n", b"encryptionsalt: v1:abc=:v1:def=\n"),
        (b"config:\n  a: 1", b"\nencryptionsalt: v1:abc=:v1:def=\n"),
        (b"config:\r\n  a: 1\r\n", b"encryptionsalt: v1:abc=:v1:def=\r\n"),
        (b"config:\r\n  a: 1", b"\r\nencryptionsalt: v1:abc=:v1:def=\r\n"),
        (b"encryptionsalt: v1:mine\nconfig: {a: 1}\n", b""),
    ],
)
def test_a_salt_is_added_with_the_line_ends_of_the_file_and_every_other_byte_stays(
    tmp_path: Path, copy: Path, before: bytes, added: bytes
) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_bytes(before)
    keep_salt(file, copy)
    assert file.read_bytes() == before + added


def test_a_salt_is_added_to_what_a_link_leads_to(tmp_path: Path, copy: Path) -> None:
    shared, link = tmp_path / "shared.yaml", tmp_path / "Pulumi.dev.yaml"
    shared.write_text("config: {}\n")
    shared.chmod(0o640)
    link.symlink_to(shared)
    keep_salt(link, copy)
    assert (link.readlink(), shared.read_text()) == (shared, f"config: {{}}\n{SALT}\n")
    assert shared.stat().st_mode & 0o777 == 0o640


def test_on_a_full_disk_the_file_stays_whole_and_the_salt_is_said(tmp_path: Path, copy: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config: {}\n")
    with full_disk(), pytest.raises(RingwallError) as refused:
        keep_salt(file, copy)
    assert file.read_text() == "config: {}\n"
    assert refused.value.remedy is not None
    assert refused.value.remedy.endswith(f": {SALT}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Pulumi.dev.yaml", "workspace"]


def test_on_a_full_disk_the_salt_of_a_rehearsal_stays(tmp_path: Path, copy: Path) -> None:
    keep_sandbox_salt(tmp_path, copy)
    saved = tmp_path / "salts" / copy.name
    assert saved.read_text() == f"{SALT}\n"
    copy.write_text("encryptionsalt: v1:another\n")
    with full_disk(), pytest.raises(OSError, match="File too large"):
        keep_sandbox_salt(tmp_path, copy)
    assert saved.read_text() == f"{SALT}\n"
