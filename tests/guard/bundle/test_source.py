"""How a guard comes by its bundles: the server or file they are at, what it takes of them, and what it says of them."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.bundle.bundle import OpenedBundle
from guard.bundle.source import BundleSource, open_demo_config
from guard.listening import signals
from model.errors import InputError, Unreachable
from tests.guard.bundle.test_bundle import DEMO, KEYS, OTHER, config, plain, text
from tests.support.bundle_desk import Desk, Guard, started
from tests.support.waiting import eventually


async def test_a_new_bundle_is_kept_then_put_in_force(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    source, guard = await started(desk.url, tmp_path / "state"), Guard()
    assert (source.status().sequence, source.status().problem) == (7, None)
    assert not await source.check(guard)
    desk.body = text(8, denied=("person:x",)).encode()
    kept: list[bytes] = []

    async def apply(opened: OpenedBundle) -> None:
        kept.append((tmp_path / "state" / "last-good.bundle.json").read_bytes())
        await guard(opened)

    assert await source.check(apply)
    assert (guard.applied, kept) == ([8], [desk.body])
    assert source.status().sequence == 8
    assert not await source.check(guard)
    assert guard.applied == [8]


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "rollback": (lambda: text(6), "sequence is 6 and 7 was applied"),
    "the same number, not the same content": (lambda: text(7, denied=("person:x",)), "another bundle of sequence 7"),
    "bad signature": (lambda: text(8).replace('"/mcp"', '"/mcq"'), "does not hold"),
    "another key": (lambda: text(8, key=OTHER), "not trusted here"),
    "truncated": (lambda: text(8)[:-100], "not JSON"),
    "another server": (lambda: text(8, name="two"), r"for dev\.two, and this is dev\.one"),
    "unsigned": (lambda: plain(), "is not signed"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("way", ["file", "url"])
async def test_a_bad_bundle_changes_nothing_and_is_said_once(
    desk: Desk, tmp_path: Path, case: str, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, problem = BAD[case]
    file, state = tmp_path / "bundle.json", tmp_path / "state"

    def serve(content: str) -> None:
        desk.body = content.encode()
        file.write_text(content)

    serve(text(7))
    source, guard = await started(str(file) if way == "file" else desk.url, state), Guard()
    applied, kept = source.status().applied, {path.name: path.read_bytes() for path in state.iterdir()}
    serve(make())
    with caplog.at_level(logging.WARNING):
        assert [await source.check(guard) for _ in range(5)] == [False] * 5
    status = source.status()
    assert status.problem is not None
    assert re.search(problem, status.problem)
    assert (guard.applied, status.applied, status.sequence) == ([], applied, 7)
    assert {path.name: path.read_bytes() for path in state.iterdir()} == kept
    assert len(caplog.records) == 1
    serve(text(9))
    assert await source.check(guard)
    assert (guard.applied, source.status().problem) == ([9], None)


async def test_the_network_is_asked_for_what_changed_only(desk: Desk, tmp_path: Path) -> None:
    desk.body, desk.etag = text(7).encode(), '"a"'
    source, guard = await started(desk.url, tmp_path), Guard()
    assert not await source.check(guard)
    desk.body, desk.etag = text(8).encode(), '"b"'
    assert await source.check(guard)
    assert not await source.check(guard)
    assert [(asked.get("if-none-match"), code) for asked, code in desk.seen] == [
        (None, 200), ('"a"', 304), ('"a"', 200), ('"b"', 304),
    ]  # fmt: skip


async def test_the_etag_of_a_refused_bundle_does_not_hide_it(desk: Desk, tmp_path: Path) -> None:
    desk.body, desk.etag = text(7).encode(), '"a"'
    source, guard = await started(desk.url, tmp_path), Guard()
    desk.body, desk.etag = text(6).encode(), '"b"'
    for _ in range(2):
        await source.check(guard)
        assert "sequence is 6" in str(source.status().problem)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"code": 302, "headers": {"Location": "http://127.0.0.1:9/x"}}, "answers with a redirect"),
        ({"code": 404}, "HTTP 404"),
        ({"code": 304}, "HTTP 304"),
        ({"cut": 10}, "RemoteProtocolError"),
        ({"body": b" " * (17 * 2**20)}, "over 16 MiB"),
    ],
)
async def test_a_server_that_does_not_answer_as_it_must_changes_nothing(
    desk: Desk, tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    desk.body = text(7).encode()
    source, guard = await started(desk.url, tmp_path), Guard()
    desk.body = text(8).encode()
    for name, value in change.items():
        setattr(desk, name, value)
    assert not await source.check(guard)
    assert problem in str(source.status().problem)
    assert source.status().sequence == 7


async def test_a_server_that_never_ends_its_answer_is_given_up(tmp_path: Path) -> None:
    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        ended = asyncio.ensure_future(reader.read())
        while not ended.done():
            writer.write(b" ")
            await asyncio.wait([ended], timeout=0.02)
        await asyncio.gather(ended, return_exceptions=True)  # a reset is an end too
        writer.close()
        gone.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        source = BundleSource(f"http://127.0.0.1:{port}/", KEYS, tmp_path, timeout=0.2)
        with pytest.raises(Unreachable, match=r"no whole answer within 0\.2 s"):
            await source.load_first()
        await gone.wait()


async def test_the_token_is_sent_read_anew_and_never_shown(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    token = tmp_path / "token"
    token.write_text("first-secret\n")
    token.chmod(0o600)
    source = await started(desk.url + "?sig=hunter2", tmp_path / "state", token_file=token)
    token.write_text("second-secret\n")
    await source.check(Guard())
    assert [asked["authorization"] for asked, _ in desk.seen] == ["Bearer first-secret", "Bearer second-secret"]
    desk.code = 401
    await source.check(Guard())
    shown = repr(source.status()) + repr(source.members())
    assert "HTTP 401" in shown
    assert "secret" not in shown
    assert "hunter2" not in shown
    token.write_text("two\nlines")
    await source.check(Guard())
    assert f"the secret in file {token} holds blanks, line breaks" in str(source.status().problem)


async def test_a_token_that_others_may_read_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    token = tmp_path / "token"
    token.write_text("first-secret\n")
    token.chmod(0o600)
    source = await started(desk.url, tmp_path / "state", token_file=token)
    token.chmod(0o644)
    await source.check(Guard())
    assert f"the secret in file {token} is open to others (mode 0644); set its mode to 0640 or stricter" in str(
        source.status().problem
    )
    assert len(desk.seen) == 1, "nothing is sent without the token"


async def test_a_file_that_is_replaced_or_rewritten_in_place_is_seen_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    file.write_text(text(7))
    source, guard = await started(str(file), tmp_path / "state"), Guard()
    file.write_text(text(8))
    assert await source.check(guard)
    (tmp_path / "next").write_text(text(9))
    (tmp_path / "next").replace(file)
    assert await source.check(guard)
    file.unlink()
    assert not await source.check(guard)
    assert "No such file" in str(source.status().problem)
    assert guard.applied == [8, 9]


async def test_a_pipe_in_the_place_of_the_file_does_not_stop_the_guard(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "bundle.json")
    with pytest.raises(InputError, match="is a pipe, not a file"):
        await BundleSource(str(tmp_path / "bundle.json"), KEYS, tmp_path / "state").load_first()


async def test_a_watch_goes_on_after_failures_until_it_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    file.write_text(text(7))
    guard = Guard()
    source = BundleSource(str(file), KEYS, tmp_path / "state")
    await source.load_first()
    done = asyncio.Event()

    async def apply(opened: OpenedBundle) -> None:
        await guard(opened)
        done.set()

    watching = asyncio.create_task(source.watch(apply, 0.01))
    file.write_text("broken")
    await eventually(lambda: source.status().problem, "the broken bundle is reported")
    file.write_text(text(8))
    await asyncio.wait_for(done.wait(), 30)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert watching.cancelled()
    assert guard.applied == [8]


@pytest.mark.parametrize(
    "location",
    ["http://example.com/b", "http://10.0.0.1/b", "ftp://127.0.0.1/b", "https://user:pw@example.com/b", "https:///b"],
)
def test_a_url_that_is_no_safe_road_is_refused(tmp_path: Path, location: str) -> None:
    with pytest.raises(InputError, match="URL"):
        BundleSource(location, KEYS, tmp_path)


def test_a_source_needs_a_key_and_a_token_needs_a_url(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no public key"):
        BundleSource("bundle.json", {}, tmp_path)
    with pytest.raises(InputError, match="a token belongs to a URL"):
        BundleSource("bundle.json", KEYS, tmp_path, token_file=tmp_path / "token")


async def test_the_server_that_was_named_is_the_only_one_even_at_first(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7, name="two").encode()
    with pytest.raises(InputError, match=r"for dev\.two, and this is dev\.one"):
        await BundleSource(desk.url, KEYS, tmp_path, expected_server=("dev", "one")).load_first()
    await BundleSource(desk.url, KEYS, tmp_path, expected_server=("dev", "two")).load_first()
    with pytest.raises(InputError, match=r"is of dev\.two, another server"):
        await BundleSource(desk.url, KEYS, tmp_path, expected_server=("dev", "one")).load_first()


async def test_what_the_service_gets_is_what_was_signed(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7, denied=("person:x",)).encode()
    found = await BundleSource(desk.url, KEYS, tmp_path).load_first()
    assert (found.opened.config, found.opened.sha256) == (config(), found.sha256)
    assert (found.opened.sequence, found.opened.denied) == (7, frozenset({"person:x"}))


def test_a_demo_configuration_is_taken_as_it_is() -> None:
    found = open_demo_config(plain(**DEMO), Path("guard.json"))
    assert (found.config, found.sequence, found.denied) == (config(**DEMO), 0, frozenset())
    assert found.sha256.startswith("sha256:")


async def test_a_signal_has_the_source_looked_at_before_its_time(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    source, guard, nudge = await started(desk.url, tmp_path / "state"), Guard(), asyncio.Event()
    with signals(nudge.set):
        watching = asyncio.get_running_loop().create_task(source.watch(guard, 3600, nudge))
        try:
            desk.body = text(8).encode()
            os.kill(os.getpid(), signal.SIGHUP)
            await eventually(lambda: guard.applied == [8], "it is in force")
            desk.body = text(9).encode()
            os.kill(os.getpid(), signal.SIGHUP)
            await eventually(lambda: guard.applied == [8, 9], "so is the next one")
        finally:
            watching.cancel()
