"""Loopback is one predicate: a copy of it would let a token go where the other would not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from model.loopback import is_loopback

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "a.localhost", "127.1", "1"]
)
def test_whatever_leads_elsewhere_or_may_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_no_other_module_judges_it() -> None:
    """But scan, which judges listening sockets as the kernel writes them (IPv4 within IPv6 too)."""
    judges = {
        str(file.relative_to(ROOT))
        for folder in ("cli", "components", "engine", "guard", "model", "operations", "plan", "policy_pack", "wire")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.strip("_") == "is_loopback"
    }
    assert judges == {"model/loopback.py", "operations/sockets.py"}
