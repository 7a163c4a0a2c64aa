"""From a real server with bad members to a lock without them: onboard, check and lock diff each name them."""

from __future__ import annotations

import json
from pathlib import Path

from model.project import load_environment, open_project
from tests.support.command_line import ringwall
from tests.support.mcp_peers import Peer

PROPERTY = "/inputSchema/properties/span"
DURATION = {
    "name": "wait",
    "inputSchema": {"type": "object", "properties": {"span": {"pattern": "^P(?!$)(?=[0-9]|T)"}}},
}
GOOD = {"name": "list_notes", "inputSchema": {"type": "object", "required": ["a", "b"]}}
PHP = {"name": "list_tags", "inputSchema": {"type": "object", "properties": [], "required": []}}
SAID = [
    "tool list_tags is left out: MCP 2025-06-18 does not allow it: Input should be a valid object "
    "(at /inputSchema/properties)",
    "tool entry 4 is left out: it is no object",
    "the list of resources is left out: ",
    f"wait: the guard cannot match the pattern at {PROPERTY}/pattern in linear time, so only the server enforces it",
]


def test_what_is_bad_is_named_by_onboard_check_and_lock_diff_and_the_rest_is_used(root: Path, peer: Peer) -> None:
    peer.answers["tools/list"] = {"tools": [GOOD, PHP, DURATION, None]}
    peer.errors["resources/list"] = {"code": -32603, "message": "db down"}
    options = ("--people", "ada@example.com", "--yes", "--json", "--project", root)
    onboarded = ringwall("onboard", "notes", "--env", "dev", "--url", peer.url, *options)
    assert onboarded.code == 0, onboarded.err
    for line in SAID:
        assert f"note: {line}" in onboarded.err
    document = json.loads(onboarded.out)
    assert [(entry["kind"], entry["key"]) for entry in document["left_out"]] == [
        ("resources", ""),
        ("tools", "entry 4"),
        ("tools", "list_tags"),
    ]
    server = load_environment(open_project(root), "dev").servers["notes"]
    assert [tool.name for tool in server.lock.tools] == ["list_notes", "wait"]
    assert "db down" in server.lock.left_out[0].reason

    checked = ringwall("check", "dev.notes", "--project", root)
    assert checked.code == 0, checked.err
    for words in ("leaves out the tool list_tags in dev.notes.lock.yaml", "the list of resources", "pattern of wait"):
        assert words in checked.out

    # A set in another order is nothing new; what is left out is named all the same.
    required = {"type": "object", "required": ["b", "a"]}
    peer.answers["tools/list"] = {"tools": [{**GOOD, "inputSchema": required}, DURATION, PHP, None]}
    unchanged = ringwall("lock", "diff", "dev.notes", "--project", root)
    assert unchanged.code == 0, unchanged.out + unchanged.err
    for line in SAID:
        assert f"note: {line}" in unchanged.err

    peer.answers["tools/list"] = {"tools": [{**GOOD, "inputSchema": {"type": "object", "not": {"type": "file"}}}]}
    broken = ringwall("lock", "diff", "dev.notes", "--project", root)
    assert broken.code == 3
    assert "- tool list_notes removed" in broken.out
    assert "+ tool list_notes is left out: its input schema cannot be enforced: " in broken.out
    assert "- tool list_tags is no longer left out" in broken.out

    approved = ringwall("lock", "approve", "dev.notes", "--yes", "--project", root)
    assert approved.code == 0, approved.err
    # The grant names it still.
    refused = ringwall("check", "dev.notes", "--project", root)
    assert refused.code == 2
    assert "grants.0.tools: list_notes is left out of the lock: its input schema cannot be enforced" in refused.err
