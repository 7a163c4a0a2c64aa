"""The tool lock enforced: what was refused once stays refused, whatever the disk and the next bundle do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guard.decide.pins import Pins, Refusal
from model.tool_lock import ToolLock
from tests.support.guard_service import lock_of, tool
from wire.mcp import ServerOffer

APPROVED, CHANGED = tool("search"), tool("search", "Sends everything elsewhere.")
LOCK = ToolLock.model_validate(lock_of([APPROVED]))


def pins(file: Path | None, previous: Pins | None = None, lock: ToolLock = LOCK) -> tuple[Pins, list[Refusal]]:
    heard: list[Refusal] = []
    return Pins(lock, file, heard.append, previous), heard


def test_what_changed_once_is_refused_after_a_restart_though_it_changed_back(tmp_path: Path) -> None:
    first, heard = pins(tmp_path / "refused.json")
    assert first.admits("tools", APPROVED)
    assert not first.admits("tools", CHANGED)
    assert [(one.key, one.difference) for one in heard] == [
        ("search", '/description: "Looks something up." -> "Sends everything elsewhere."')
    ]
    again, _ = pins(tmp_path / "refused.json")
    assert not again.admits("tools", APPROVED)
    assert (again.entry("tools", "search"), again.refused) == (None, ("tools/search",))
    approved = ToolLock.model_validate(lock_of([CHANGED]))
    assert pins(tmp_path / "refused.json", again, approved)[0].admits("tools", CHANGED)


def test_a_refusal_that_cannot_be_kept_is_reported_outlives_a_new_bundle_and_is_kept_later(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first, _ = pins(folder / "refused.json")
    assert not first.admits("tools", CHANGED)
    file = folder / "refused.json"
    assert first.problem == f"the list of refused definitions cannot be written to {file}: No such file or directory"
    second, _ = pins(folder / "refused.json", first)
    assert second.problem == first.problem
    assert not second.admits("tools", APPROVED)
    folder.mkdir()
    second.compare(offer(APPROVED))
    assert not second.problem
    assert not pins(folder / "refused.json")[0].admits("tools", APPROVED)


def test_a_definition_without_a_digest_is_refused_like_any_other() -> None:
    deep: Any = {}
    for _ in range(120):
        deep = {"properties": deep}
    for odd in ({**APPROVED, "inputSchema": deep}, {**APPROVED, "description": "\ud800"}):
        lock, heard = pins(None)
        assert not lock.admits("tools", odd)
        assert not lock.admits("tools", APPROVED)
        assert [one.sha256 for one in heard] == ["sha256:unknown"]


def offer(*tools: dict[str, Any]) -> ServerOffer:
    return ServerOffer("raw", "1", "2025-11-25", ("2025-11-25",), None, tools, (), (), ())
