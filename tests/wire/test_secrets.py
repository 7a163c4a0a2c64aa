"""Secrets are read where their reference says, or not at all, and no error shows one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.base import SecretRef
from model.errors import InputError
from model.server import Origin
from wire.secrets import MAX_BYTES, command_variables, read_secret

SECRET = "s3cr3t-value"


def file_with(folder: Path, content: bytes, mode: int = 0o600) -> SecretRef:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return SecretRef(file=str(path))


def refused(ref: SecretRef, reason: str, environ: dict[str, str] | None = None) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        read_secret(ref, environ or {})
    assert SECRET not in str(caught.value)
    assert (ref.env or ref.file or "?") in str(caught.value)


@pytest.mark.parametrize("content", [SECRET, SECRET + "\n", SECRET + "\r\n"])
def test_one_trailing_newline_is_not_part_of_the_secret(tmp_path: Path, content: str) -> None:
    assert read_secret(file_with(tmp_path, content.encode()), {}) == SECRET
    assert read_secret(SecretRef(env="KEY"), {"KEY": content}) == SECRET


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o640])
def test_file_for_owner_and_group_readers_is_read(tmp_path: Path, mode: int) -> None:
    assert read_secret(file_with(tmp_path, SECRET.encode(), mode), {}) == SECRET


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o660, 0o620])
def test_file_open_to_others_or_writable_for_its_group_is_refused(tmp_path: Path, mode: int) -> None:
    refused(file_with(tmp_path, SECRET.encode(), mode), f"mode {mode:04o}")


@pytest.mark.parametrize(
    "value", [f"{SECRET} ", f" {SECRET}", f"{SECRET}\n\n", f"{SECRET}\nx", f"{SECRET}\t", f"{SECRET}\x00", f"{SECRET}é"]
)
def test_value_that_is_not_visible_ascii_is_refused(tmp_path: Path, value: str) -> None:
    refused(SecretRef(env="KEY"), "visible ASCII", {"KEY": value})
    refused(file_with(tmp_path, value.encode()), "visible ASCII")


@pytest.mark.parametrize("value", ["", "\n"])
def test_empty_value_is_refused(tmp_path: Path, value: str) -> None:
    refused(SecretRef(env="KEY"), "is empty", {"KEY": value})
    refused(file_with(tmp_path, value.encode()), "is empty")


def test_missing_secret_is_refused(tmp_path: Path) -> None:
    refused(SecretRef(env="KEY"), "is not set", {"OTHER": SECRET})
    refused(SecretRef(file=str(tmp_path / "none")), "no such file")


def test_what_is_no_regular_file_or_far_too_big_is_refused(tmp_path: Path) -> None:
    refused(SecretRef(file=str(tmp_path)), "regular file")
    os.mkfifo(tmp_path / "pipe", 0o600)
    refused(SecretRef(file=str(tmp_path / "pipe")), "regular file")
    refused(file_with(tmp_path, SECRET.encode() * MAX_BYTES), "over 64 KiB")


def test_link_to_a_safe_file_is_followed_and_to_an_open_one_refused(tmp_path: Path) -> None:
    target = file_with(tmp_path, SECRET.encode())
    (tmp_path / "link").symlink_to(str(target.file))
    assert read_secret(SecretRef(file=str(tmp_path / "link")), {}) == SECRET
    (tmp_path / "key").chmod(0o644)
    refused(SecretRef(file=str(tmp_path / "link")), "mode 0644")


def test_what_is_onboarded_reads_a_commands_secrets_as_the_guard_will(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = file_with(tmp_path, f"{SECRET}\n".encode())
    origin = Origin(command=("serve",), environment={"KEY": key})
    assert command_variables(origin) == {"KEY": SECRET}
    Path(str(key.file)).chmod(0o644)
    with pytest.raises(InputError, match="open to others"):
        command_variables(origin)
    monkeypatch.setenv("KEY", f"{SECRET} ")
    with pytest.raises(InputError, match="visible ASCII"):
        command_variables(Origin(command=("serve",), environment={"KEY": SecretRef(env="KEY")}))
