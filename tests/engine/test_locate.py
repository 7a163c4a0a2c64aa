from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import locate
from model.errors import EngineMissing


def fake(path: Path, version: str) -> Path:
    """An executable that answers `version`; what is looked for is a version, not an engine."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGWALL_ENGINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


def cached(version: str = f"v{locate.PINNED}") -> Path:
    path = fake(locate.cache_path(), version)
    locate.write_checksum(path)
    return path


def test_no_engine_is_an_error_that_names_the_remedy() -> None:
    assert locate.find() is None
    with pytest.raises(EngineMissing, match=r"no pulumi on PATH.*run `ringwall engine install`"):
        locate.require()


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("3.256.0", True),
        ("3.300.1", True),
        ("3.260.0+dirty", True),
        ("3.255.9", False),
        ("4.0.0", False),
        ("3.257.0-alpha.1", False),
        ("dev", False),
    ],
)
def test_supported_are_the_pinned_version_and_later_of_its_major(version: str, fits: bool) -> None:
    assert locate.supported(version) is fits


def test_supported_engine_on_path_is_taken_before_the_cache(tmp_path: Path) -> None:
    cached()
    on_path = fake(tmp_path / "bin/pulumi", "v3.260.0")
    assert locate.find() == locate.Engine(on_path, "3.260.0", "path")
    first, second = locate.explain()
    assert (first.selected, second.selected) == (True, False)
    assert "not needed" in second.reason


def test_an_engine_is_asked_its_version_once_until_its_file_is_another(tmp_path: Path) -> None:
    asked, on_path = tmp_path / "asked", fake(tmp_path / "bin/pulumi", "v3.260.0")
    on_path.write_text(f"#!/bin/sh\necho x >> {asked}\necho v3.260.0\n")
    for _ in range(3):
        assert locate.require().version == "3.260.0"
    assert asked.read_text() == "x\n"
    fake(on_path, "v3.261.10")
    assert locate.require().version == "3.261.10"


def test_old_engine_on_path_is_passed_over_for_the_cached_one(tmp_path: Path) -> None:
    fake(tmp_path / "bin/pulumi", "v3.100.0")
    path = cached()
    assert locate.find() == locate.Engine(path, "3.256.0", "cache")
    first, second = locate.explain()
    assert first.reason == f"{tmp_path / 'bin/pulumi'} is 3.100.0; needed: >=3.256.0,<4"
    assert second.selected
    assert second.reason.endswith("checksum verified")


def test_named_engine_decides_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached()
    named = fake(tmp_path / "own/pulumi", "v3.256.0")
    monkeypatch.setenv("RINGWALL_ENGINE", str(named))
    assert locate.find() == locate.Engine(named, "3.256.0", "environment")
    monkeypatch.setenv("RINGWALL_ENGINE", str(tmp_path / "gone"))
    assert locate.find() is None
    with pytest.raises(EngineMissing, match=r"RINGWALL_ENGINE=.*gone is not an executable file"):
        locate.require()


def test_executable_that_gives_no_version_is_not_taken(tmp_path: Path) -> None:
    fake(tmp_path / "bin/pulumi", "hello")
    assert locate.find() is None
    assert "does not answer `version`" in locate.explain()[0].reason


def test_cached_engine_that_was_changed_is_not_taken() -> None:
    path = cached()
    path.write_text(path.read_text() + "# more\n")
    assert locate.find() is None
    assert "was changed after it was installed" in locate.explain()[1].reason


def test_a_copy_of_the_cache_with_other_times_is_taken() -> None:
    path = cached()
    os.utime(path, ns=(1, 1))
    assert locate.verify(path, full=False) is None
    assert locate.find() is not None


def test_what_installs_the_engine_is_said_once() -> None:
    path = cached()
    path.write_text(path.read_text() + "# more\n")
    with pytest.raises(EngineMissing) as refused:
        locate.require()
    assert str(refused.value).count("ringwall engine install") == 1
    assert "was changed after it was installed; remove its folder)" in str(refused.value)


def test_full_check_sees_a_change_that_keeps_size_and_time() -> None:
    path = cached()
    status = path.stat()
    path.write_text(path.read_text().replace("echo", "true"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert locate.verify(path, full=False) is None
    assert "was changed after it was installed" in (locate.verify(path, full=True) or "")


def test_cached_engine_that_others_may_write_is_not_taken() -> None:
    path = cached()
    path.chmod(0o777)
    assert locate.find() is None
    assert "may be written by other users" in locate.explain()[1].reason


@pytest.mark.parametrize("record", [None, "", "abc  pulumi\n", "é"])
def test_cached_engine_without_a_good_record_is_not_taken(record: str | None) -> None:
    path = cached()
    locate.checksum_path(path).unlink()
    if record is not None:
        locate.checksum_path(path).write_text(record, encoding="utf-8")
    assert locate.find() is None


def test_relative_cache_variable_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert locate.cache_path() == Path.home() / ".cache/ringwall/engine/v3.256.0/pulumi"


def test_a_copy_of_the_cache_is_the_engine_it_was(tmp_path: Path) -> None:
    path = tmp_path / "pulumi"
    path.write_bytes(b"\x7fELF engine")
    path.chmod(0o755)
    tmp_path.chmod(0o755)
    locate.write_checksum(path)
    os.utime(path, ns=(1, 1))
    assert locate.verify(path, full=False) is None
    path.write_bytes(b"\x7fELF enginE")
    os.utime(path, ns=(1, 1))
    assert locate.verify(path, full=False) == "was changed after it was installed; remove its folder"
