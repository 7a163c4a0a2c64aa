from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from guard.bundle.bundle import OpenedBundle, render, sign
from guard.bundle.keys import key_id
from guard.bundle.source import BundleSource, NeedsRestart, open_demo_config
from guard.listening import signals
from model.errors import InputError, RingwallError, Unreachable
from tests.guard.bundle.test_bundle import DEMO, KEY, KEYS, OTHER, config, plain, text
from tests.support.waiting import eventually


@dataclass
class Desk:
    """A real HTTP server that hands out one document, and what it was asked."""

    url: str = ""
    body: bytes = b""
    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    etag: str | None = None
    cut: int = 0
    seen: list[tuple[dict[str, str], int]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Desk]:
    desk = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {key.lower(): value for key, value in self.headers.items()}
            code = 304 if desk.etag and asked.get("if-none-match") == desk.etag else desk.code
            desk.seen.append((asked, code))
            body = b"" if code == 304 else desk.body
            self.send_response(code)
            for name, value in desk.headers.items():
                self.send_header(name, value)
            if desk.etag:
                self.send_header("ETag", desk.etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) - desk.cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    desk.url = f"http://127.0.0.1:{server.server_address[1]}/one.json"
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with serving() as one:
        yield one


class Guard:
    """Stands where the service stands: takes bundles, or fails to."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.fails: Exception | None = None

    async def __call__(self, opened: OpenedBundle) -> None:
        if self.fails is not None:
            raise self.fails
        self.applied.append(opened.bundle.sequence)


async def started(location: str, state: Path, **options: Any) -> BundleSource:
    source = BundleSource(location, KEYS, state, **options)
    await source.load_first()
    return source


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


async def test_a_guard_whose_source_is_down_starts_with_the_last_good_bundle_and_says_so(tmp_path: Path) -> None:
    with serving() as desk:
        desk.body = text(7, denied=("person:x",)).encode()
        url = desk.url
        before = await BundleSource(url, KEYS, tmp_path).load_first()
    source, guard = BundleSource(url, KEYS, tmp_path), Guard()
    assert await source.load_first() == before
    assert (source.status().sequence, source.status().applied) == (7, before.sha256)
    assert "ConnectError" in str(source.status().problem)
    assert "the last good bundle is in force" in str(source.status().problem)
    assert not await source.check(guard)


async def test_a_guard_whose_source_is_bad_starts_with_the_last_good_bundle(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    await started(desk.url, tmp_path)
    desk.body = text(6).encode()
    source, guard = BundleSource(desk.url, KEYS, tmp_path), Guard()
    assert (await source.load_first()).bundle.sequence == 7
    assert "sequence is 6 and 7 was applied already" in str(source.status().problem)
    desk.body = text(8).encode()
    assert await source.check(guard)
    assert guard.applied == [8]


async def test_without_a_good_bundle_there_is_no_guard(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"No such file.*and there is no last good bundle"):
        await BundleSource(str(tmp_path / "none"), KEYS, tmp_path / "state").load_first()
    desk.body = text(7)[:-9].encode()
    with pytest.raises(InputError, match=r"not JSON.*there is no last good bundle"):
        await BundleSource(desk.url, KEYS, tmp_path / "state").load_first()
    assert not (tmp_path / "state").exists()


async def test_a_last_good_bundle_that_was_altered_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7, denied=("person:x",)).encode()
    await started(desk.url, tmp_path)
    kept = tmp_path / "last-good.bundle.json"
    kept.write_text(kept.read_text().replace("person:x", "person:y"))
    desk.code = 503
    with pytest.raises(Unreachable, match=r"HTTP 503.*the last good bundle .* is refused: .*does not hold"):
        await BundleSource(desk.url, KEYS, tmp_path).load_first()
    desk.code = 200
    assert (await BundleSource(desk.url, KEYS, tmp_path).load_first()).bundle.denied == ("person:x",)


async def test_an_older_signed_bundle_in_the_state_directory_is_refused(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    await started(desk.url, tmp_path)
    for older in (text(6), text(7, denied=("person:x",)), text(7, name="two")):
        (tmp_path / "last-good.bundle.json").write_text(older)
        desk.code = 503
        with pytest.raises(Unreachable, match=r"the last good bundle .* is refused"):
            await BundleSource(desk.url, KEYS, tmp_path).load_first()


@pytest.mark.parametrize("bundle_too", [False, True])
async def test_what_was_applied_is_remembered_over_a_restart(desk: Desk, tmp_path: Path, bundle_too: bool) -> None:
    desk.body = text(7).encode()
    await started(desk.url, tmp_path)
    if bundle_too:
        (tmp_path / "last-good.bundle.json").unlink()
    for bad in (text(6), text(7, denied=("person:x",)), text(8, name="two")):
        desk.body = bad.encode()
        source = BundleSource(desk.url, KEYS, tmp_path)
        if bundle_too:
            with pytest.raises(InputError):
                await source.load_first()
        else:
            assert (await source.load_first()).bundle.sequence == 7
            assert source.status().problem is not None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"sequence": 0, "sha256": "x", "server": ["a", "b"]}', "\udcff"])
async def test_a_forgotten_number_stops_the_guard(desk: Desk, tmp_path: Path, content: str) -> None:
    desk.body = text(7).encode()
    await started(desk.url, tmp_path)
    (tmp_path / "last-good.sequence.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="does not say which bundle was applied last"):
        await BundleSource(desk.url, KEYS, tmp_path).load_first()


async def test_a_crash_between_bundle_and_number_goes_forward_only(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    await started(desk.url, tmp_path)
    (tmp_path / "last-good.bundle.json").write_text(text(9))
    desk.body = text(8).encode()
    source = BundleSource(desk.url, KEYS, tmp_path)
    assert (await source.load_first()).bundle.sequence == 9
    assert "sequence is 8 and 9 was applied" in str(source.status().problem)
    assert json.loads((tmp_path / "last-good.sequence.json").read_text())["sequence"] == 9


async def test_what_is_kept_is_the_guards_alone(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    await started(desk.url, tmp_path / "a" / "state")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "state").iterdir()}
    assert modes == {"last-good.bundle.json": 0o600, "last-good.sequence.json": 0o600}
    assert stat.S_IMODE((tmp_path / "a" / "state").stat().st_mode) == 0o700


async def test_the_signing_key_can_be_changed_without_a_gap(desk: Desk, tmp_path: Path) -> None:
    new = {key_id(OTHER.public_key()): OTHER.public_key()}
    desk.body = text(7).encode()
    await started(desk.url, tmp_path)
    desk.body = text(8, key=OTHER).encode()
    source, guard = BundleSource(desk.url, {**KEYS, **new}, tmp_path), Guard()
    assert (await source.load_first()).bundle.sequence == 8
    desk.body = text(9).encode()
    assert await source.check(guard)
    # The old key is withdrawn: what it signed is good no longer, whatever it says.
    with pytest.raises(InputError, match=r"not trusted here.*the last good bundle"):
        await BundleSource(desk.url, new, tmp_path).load_first()


async def test_a_bundle_that_cannot_be_put_in_force_leaves_the_old_one_and_is_tried_again(
    desk: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk.body, desk.etag = text(7).encode(), '"a"'
    source, guard = await started(desk.url, tmp_path), Guard()
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    desk.body, desk.etag = text(8).encode(), '"b"'
    for failure, said in (
        (InputError("LAKERA_API_KEY is not set"), "cannot be put in force: LAKERA_API_KEY is not set"),
        (KeyError("x"), "cannot be put in force: KeyError: 'x'"),
    ):
        guard.fails = failure
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert [await source.check(guard) for _ in range(3)] == [False] * 3
        assert said in str(source.status().problem)
        assert source.status().sequence == 7
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept
        assert len(caplog.records) == 1
    guard.fails = None
    assert await source.check(guard)
    assert (guard.applied, source.status().sequence, source.status().problem) == ([8], 8, None)


async def test_a_state_that_cannot_be_written_lets_nothing_new_in(desk: Desk, tmp_path: Path) -> None:
    desk.body = text(7).encode()
    state = tmp_path / "state"
    source, guard = await started(desk.url, state), Guard()
    (state / "last-good.bundle.json").unlink()
    (state / "last-good.bundle.json").mkdir()
    desk.body = text(8).encode()
    assert not await source.check(guard)
    assert guard.applied == []
    assert "an older bundle could come back after a restart" in str(source.status().problem)


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


def until(sequence: int, expires: float, denied: tuple[str, ...] = ()) -> str:
    made = int(time.time()) - 1000
    return render(sign(config(), sequence=sequence, denied=denied, key=KEY, issued=made, expires=int(expires)))


async def test_an_expired_bundle_is_neither_started_with_nor_changed_over_to(tmp_path: Path) -> None:
    file, state = tmp_path / "bundle.json", tmp_path / "state"
    file.write_text(until(7, time.time() - 1))
    with pytest.raises(InputError, match="the bundle expired at"):
        await started(str(file), state)
    file.write_text(until(7, time.time() + 1000))
    source, guard = await started(str(file), state), Guard()
    file.write_text(until(8, time.time() - 1))
    assert not await source.check(guard)
    assert "expired" in str(source.status().problem)
    assert (source.status().sequence, guard.applied) == (7, [])


async def test_a_last_good_bundle_that_expired_meanwhile_is_not_started_with(tmp_path: Path) -> None:
    file, state = tmp_path / "bundle.json", tmp_path / "state"
    file.write_text(until(7, time.time() + 1000))
    await started(str(file), state)
    (state / "last-good.bundle.json").write_text(until(8, time.time() - 1))
    file.unlink()
    with pytest.raises(RingwallError, match=r"last good bundle .* is refused: the bundle expired"):
        await started(str(file), state)


async def test_a_bundle_that_needs_a_restart_is_what_a_restart_takes(tmp_path: Path) -> None:
    file, state = tmp_path / "bundle.json", tmp_path / "state"
    file.write_text(text(7))
    source, guard = await started(str(file), state), Guard()
    file.write_text(text(8, denied=("person:x",)))
    guard.fails = NeedsRestart("path differs", remedy="restart the guard")
    for _ in range(2):  # it is said for as long as the source serves it
        assert not await source.check(guard)
        assert "path differs" in str(source.status().problem)
        assert source.status().sequence == 7
    file.unlink()
    opened = await BundleSource(str(file), KEYS, state).load_first()
    assert (opened.bundle.sequence, opened.bundle.denied) == (8, ("person:x",))


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
