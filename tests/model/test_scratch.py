"""A folder for the time of a step leaves nothing, whatever ends the step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from model.scratch import scratch_folder


def used(ending: BaseException | None) -> Path:
    """A folder with something in it, after its block; raises the block's ending."""
    with scratch_folder() as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text(str(folder))
        USED.append(folder)
        if ending is not None:
            raise ending
    return folder


USED: list[Path] = []


def test_a_scratch_folder_is_removed_with_all_that_is_in_it() -> None:
    assert not used(None).exists()
    with pytest.raises(ValueError, match="of the block"):
        used(ValueError("of the block"))
    assert not USED[-1].exists()


def test_ctrl_c_while_a_folder_is_being_removed_leaves_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    remove = os.unlink
    interrupted: list[Any] = []

    def interrupted_once(path: Any, **options: Any) -> None:
        if not interrupted:
            interrupted.append(path)
            raise KeyboardInterrupt
        remove(path, **options)

    monkeypatch.setattr(os, "unlink", interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        used(None)
    assert interrupted
    assert not USED[-1].exists()
