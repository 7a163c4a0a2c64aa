"""What `lockdown` and `revoke` say of rings that answered in any order."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from engine.progress import SilentProgress
from operations.journal import NotComplete, Operation

PLACES = ("file", "edge", "gateway", "guard")


@pytest.mark.parametrize("order", list(permutations(PLACES)))
def test_what_is_not_complete_is_named_in_the_order_of_the_rings(tmp_path: Path, order: tuple[str, ...]) -> None:
    operation = Operation(tmp_path, "lockdown", "dev.one", "a test", SilentProgress())
    operation.begin()
    for ring in order:
        operation.step("dev.one", ring, "failed", "still open")
    with pytest.raises(NotComplete, match=r"^lockdown is not complete: dev\.one \(file, edge, gateway, guard\)"):
        operation.end()
