"""Every decision is in the audit log before it takes effect."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.guard_messages import call
from tests.support.guard_service import Origin, guarded


async def test_every_call_that_was_forwarded_has_its_record_and_a_dead_log_closes_the_guard(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        await guard.call("search", {"text": "hello"})
        first, second = guard.records()[-2:]
        assert (first["leg"], first["decision"], first["name"]) == ("arguments", "allow", "search")
        assert (second["leg"], second["decision"]) == ("results", "allow")
        assert first["incident"] == second["incident"]
        assert first["principal"] == "person:ada"
        assert "hello" not in guard.audit.read_text()
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, guard.service.runtime.audit._fd)
        os.close(full)
        before = len(guard.origin.seen)
        assert (await guard.post(call(3))).status_code == 503
        assert (await guard.client.get("/healthz")).status_code == 503
        assert len(guard.origin.seen) == before
