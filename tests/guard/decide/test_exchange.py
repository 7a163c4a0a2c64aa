"""Every decision is in the audit log before it takes effect."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

from tests.support.guard_messages import ATTACK, TOXIC, call, result
from tests.support.guard_service import Origin, guarded, lock_of, tool


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
        assert (await guard.post(call(3))).status_code == 503
        assert (await guard.client.get("/healthz")).status_code == 503
        # The guard's own look at its server may be under way.
        assert sum(b'"tools/call"' in body for _, _, body in guard.origin.seen) == 1


async def test_each_record_of_a_refusal_names_the_key_that_decides_and_what_is_wrong(tmp_path: Path) -> None:
    server = Origin(tools=[tool("search"), tool("post"), tool("delete")])
    lock = lock_of(server.tools, decided=TOXIC)
    grants = [
        {"to": {"all": True}, "tools": ["post"]},
        {"to": {"all": True}, "tools": ["search"], "arguments": {"search": {"properties": {"text": {"maxLength": 9}}}}},
    ]
    limits = {"tools": {"post": {"requests_per_minute": 1}}}
    async with guarded(server, tmp_path, tool_lock=lock, grants=grants, limits=limits) as guard:
        await guard.initialize()

        async def stopped(name: str, **arguments: object) -> tuple[str, str | None, str | None]:
            await guard.call(name, arguments)
            record = guard.records()[-1]
            return record["reason"], record.get("key"), record.get("problem")

        assert await stopped("delete") == ("not_granted", "grants", None)
        assert await stopped("no-such-tool") == ("not_in_lock", "tool_lock", None)
        reason, key, problem = await stopped("search", text=7)
        assert (reason, key) == ("arguments", "tool_lock")
        assert "/text" in str(problem)
        reason, key, problem = await stopped("search", text="far too long")
        assert (reason, key) == ("arguments", "grants")
        assert "/text" in str(problem)
        assert "far too long" not in str(problem)
        await guard.call("post")
        assert await stopped("post") == ("rate_limited", "limits.tools.post.requests_per_minute", None)
        pdf = {"uri": "file:///a.pdf", "mimeType": "application/pdf", "blob": b64encode(b"%PDF-1.7\xff\xfe\0").decode()}
        server.replies["tools/call"] = lambda _: {"content": [{"type": "resource", "resource": pdf}]}
        place = "nothing can inspect application/pdf, and its media_types in the tool lock do not list it"
        assert await stopped("search") == ("unreadable", "tool_lock", place)
        server.replies["tools/call"] = lambda _: result(ATTACK)
        assert await stopped("search") == ("injection", "guard.legs.results", None)
        incident = guard.records()[-1]["incident"]
        expected = f"untrusted text was sent in incident {incident}, and the client cannot ask a person"
        assert await stopped("post") == ("taint", "guard.taint.outbound_call", expected)
