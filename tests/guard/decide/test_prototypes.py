"""What changes the common ancestor of all objects of a JavaScript server is no argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.guard_messages import result
from tests.support.guard_service import Origin, guarded, tool

OPEN = {"type": "object", "properties": {"query": {"type": "string"}, "note": {"type": "string"}}}


@pytest.mark.parametrize(
    "arguments",
    [
        {"__proto__": {"isAdmin": True}},
        {"filter": {"a": [{"__proto__": None}]}},
        {"filter": {"constructor": {"prototype": {"isAdmin": True}}}},
        {"constructor.prototype.isAdmin": True},
        {"a[__proto__][isAdmin]": "1"},
        {"query": "a.__proto__.isAdmin"},
    ],
)
async def test_a_member_that_leads_to_the_prototype_is_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    async with guarded(Origin(tools=[tool("search", inputSchema=OPEN)]), tmp_path) as guard:
        await guard.initialize()
        assert (await guard.call("search", arguments))["result"]["isError"]
        assert guard.reasons()[-1] == ("tools/call", "block", "malicious_code")
        assert guard.origin.calls == []


async def test_the_words_alone_pass(tmp_path: Path) -> None:
    async with guarded(Origin(tools=[tool("search", inputSchema=OPEN)]), tmp_path) as guard:
        await guard.initialize()
        arguments = {
            "prototype": True,
            "constructor": "Ada",
            "proto": {"prototype": 1},
            "query": "prototype chain of a class",
        }
        assert (await guard.call("search", arguments))["result"] == result("done")
