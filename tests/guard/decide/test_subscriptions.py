"""A server reports changes of the resources alone that its reader subscribed to, and of what lies below them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from guard.decide import sessions
from guard.decide.sessions import Sessions
from guard.decide.subscriptions import is_within, subscribed_by
from guard.identity.principal import Principal
from tests.support.guard_service import Origin, guarded, sse

KARI = Principal("person:kari", "person")


@pytest.mark.parametrize(
    ("uri", "within"),
    [
        ("file://x/a", True),
        ("file://x/a/b", True),
        ("file://x/a#part", True),
        ("file://x/a?page=2", True),
        ("file://x/ab", False),
        ("file://x/", False),
        ("file://x/b", False),
        ("notes://all/1", True),
        ("notes://all", False),
        ("FILE://x/a", False),
        ("", False),
    ],
)
def test_a_part_of_a_resource_belongs_to_its_subscription_and_a_longer_name_does_not(uri: str, within: bool) -> None:
    assert is_within(uri, {"file://x/a", "notes://all/"}) is within


@pytest.mark.parametrize("notifications", [None, [], "x", {}, {"resourceSubscriptions": "file://x/a"}])
def test_what_names_no_resource_subscribes_to_none(notifications: Any) -> None:
    assert subscribed_by(notifications) == frozenset()


def test_a_session_keeps_so_many_subscriptions_and_has_room_again_once_some_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "SUBSCRIPTIONS", 2)
    held = Sessions(lambda: 0.0)
    assert not held.subscribe("s1", "a:1")
    held.bind("s1", KARI)
    assert [held.subscribe("s1", uri) for uri in ("a:1", "a:2", "a:3", "a:2")] == [True, True, False, True]
    held.unsubscribe("s1", "a:1")
    assert held.subscribe("s1", "a:3")
    assert set(held.subscriptions("s1")) == {"a:2", "a:3"}
    held.end("s1")
    assert set(held.subscriptions("s1")) == set()


async def test_a_subscription_beyond_what_is_kept_is_refused_before_the_server_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "SUBSCRIPTIONS", 1)
    origin = Origin(resources=[{"uri": f"file://x/{name}", "name": name} for name in "ab"])
    origin.replies["resources/subscribe"] = lambda _: {}
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        assert (await guard.request("resources/subscribe", {"uri": "file://x/a"}))["result"] == {}
        refused = await guard.request("resources/subscribe", {"uri": "file://x/b"})
        assert refused["error"]["message"].startswith("This session has as many subscriptions as are kept.")
        assert [call["params"]["uri"] for call in origin.calls] == ["file://x/a"]
        assert guard.reasons()[-1] == ("resources/subscribe", "refuse", "too_many_subscriptions")


async def test_a_stream_of_the_stateless_era_reports_what_its_own_request_named(tmp_path: Path) -> None:
    origin = Origin(resources=[{"uri": f"file://x/{name}", "name": name} for name in "ab"])

    def reports(message: dict[str, Any]) -> Any:
        news = ({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": uri}} for uri in uris)
        return sse(*news, {"jsonrpc": "2.0", "id": message["id"], "result": {"content": [], "resultType": "complete"}})

    uris = ["file://x/a", "file://x/b"]
    origin.replies |= {"subscriptions/listen": reports, "tools/call": reports}
    async with guarded(origin, tmp_path) as guard:
        listening = await guard.modern(
            "subscriptions/listen", {"notifications": {"resourceSubscriptions": ["file://x/b"]}}
        )
        assert '"uri":"file://x/b"' in listening.text
        assert '"uri":"file://x/a"' not in listening.text
        # The answer to a call is no such stream, whatever the caller listens to elsewhere.
        called = await guard.modern("tools/call", {"name": "search", "arguments": {}})
        assert '"resultType":"complete"' in called.text
        assert "updated" not in called.text
