"""Workers behind mutual TLS whose counts and marks are in a Redis: each session reaches its worker, and all count as one."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.certificates import issued
from tests.support.guard_messages import ATTACK, TOXIC, result
from tests.support.guard_service import Origin, config_for, lock_of, serving, tool
from tests.support.guard_workers import WorkingGuard, guard_workers
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer

#: Calls of one principal in an hour.
MOST = 24


def certificates(folder: Path) -> tuple[dict[str, Any], ssl.SSLContext]:
    """The `listen` of a guard with mutual TLS, and its client's side."""
    authority = issued("ca", is_authority=True)
    ca = folder / "ca.pem"
    ca.write_bytes(authority.pem)
    server = issued("server", ["127.0.0.1"], by=authority).write(folder / "server.pem")
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(issued("client", by=authority).write(folder / "client.pem"))
    listen = {
        "address": "127.0.0.1",
        "port": free_port(),
        "tls_certificate": {"file": str(server)},
        "tls_key": {"file": str(server)},
        "client_ca": {"file": str(ca)},
    }
    return listen, context


async def sessions_of_both(guard: WorkingGuard) -> list[str]:
    """A session of each worker; the kernel says at which one begins."""
    sessions: dict[str, str] = {}
    while len(sessions) < 2:
        session = await guard.initialize()
        sessions[session.partition(".")[0]] = session
    return list(sessions.values())


async def test_workers_behind_mutual_tls_share_what_a_redis_counts(tmp_path: Path) -> None:
    listen, tls = certificates(tmp_path)
    origin = Origin(tools=[tool("search"), tool("post")])
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder) as redis:
        shared = {"url": redis.url}
        settings: dict[str, Any] = {
            "tool_lock": lock_of(origin.tools, decided=TOXIC),
            "limits": {"requests_per_hour": MOST, "concurrency": MOST},
            "guard": {"redis": shared, "legs": {"results": "flag"}, "taint": {"outbound_call": "block"}},
            "redis": shared,
        }
        async with serving(origin):
            config = config_for(origin, tmp_path, listen=listen, **settings)
            async with guard_workers(tmp_path, config, tls=tls) as guard:
                with pytest.raises(httpx.TransportError):
                    async with httpx.AsyncClient(verify=False, trust_env=False) as stranger:  # noqa: S501
                        await stranger.get(guard.url)
                first, second = await sessions_of_both(guard)

                async def call(session: str, name: str) -> Any:
                    """Over a connection of its own, which the other worker may take and hand over."""
                    answer = await guard.in_session(session, "tools/call", name=name, arguments={"text": "x"})
                    return answer.json()["result"]

                assert [await call(session, "search") for session in (first, second)] == [result("done")] * 2
                assert await call(second, "post") == result("done")
                origin.replies["tools/call"] = lambda m: result(ATTACK)
                assert await call(first, "search") == result(ATTACK)
                origin.replies.pop("tools/call")
                assert "untrusted content" in str(await call(second, "post"))
                done = 0
                while await call(first, "search") == result("done"):
                    done += 1
                assert done < MOST
                assert (await call(second, "search"))["isError"], "what one worker let through counts at the other"
                assert len(origin.calls) == 4 + done
                limits = [
                    record["limit"]["limit"] for n in (1, 2) for record in guard.records(n) if record.get("limit")
                ]
                assert set(limits) == {"limits.requests_per_hour"}
