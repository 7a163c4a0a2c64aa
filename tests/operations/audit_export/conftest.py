from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.log import AuditLog
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from model.guard_config import Audit
from operations.audit_export.log_cursor import LogCursor, SealedRecord

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
Writer = Callable[..., None]


def call(number: int = 0, **changed: Any) -> AuditRecord:
    members: dict[str, Any] = {
        "method": "tools/call",
        "decision": Decision.ALLOW,
        "reason": "allow",
        "name": f"tool_{number}",
        "principal": "person:ada",
    }
    return AuditRecord(**{**members, **changed})


def everything(path: Path) -> list[SealedRecord]:
    """Every record of a log."""
    with contextlib.closing(LogCursor(path, 0, None)) as cursor:
        return cursor.read(100_000, 10**9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def write(path: Path) -> Writer:
    """Opens the log, writes these records (or so many of them), and closes it, as a guard does."""

    def writing(records: int | list[AuditRecord], **settings: Any) -> None:
        log = AuditLog.open(Audit(path=str(path), **settings), server="dev.desk", key=KEY)
        log.event("open", {"identity": "demo", "bundle": None})
        for record in map(call, range(records)) if isinstance(records, int) else records:
            log.write(record)
        asyncio.run(log.close())

    return writing
