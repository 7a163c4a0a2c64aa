from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.log import AuditLog
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from model.guard_config import Audit

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
Opener = Callable[..., AuditLog]


def call(number: int = 0, **changed: Any) -> AuditRecord:
    """A decision about a tool call."""
    members: dict[str, Any] = {
        "method": "tools/call",
        "decision": Decision.ALLOW,
        "reason": "granted",
        "name": f"tool_{number}",
    }
    return AuditRecord(**{**members, **changed})


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


async def write_log(path: Path, count: int, **settings: Any) -> bytes:
    """Write a log with this many decisions, close it as a guard does, and return its bytes."""
    log = AuditLog.open(Audit(path=str(path), **settings), server="dev.desk", key=KEY, clock=lambda: 1_790_000_000.25)
    log.event("open", {"identity": "demo", "bundle": None})
    for number in range(count):
        log.write(call(number))
    await log.close()
    return path.read_bytes()


def written(path: Path, count: int, **settings: Any) -> bytes:
    """`write_log` for tests without an event loop."""
    return asyncio.run(write_log(path, count, **settings))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def open_log(path: Path) -> Opener:
    def opened(**settings: Any) -> AuditLog:
        return AuditLog.open(Audit(path=str(path), **settings), server="dev.desk", key=KEY)

    return opened
