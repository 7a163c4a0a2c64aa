"""What a guard keeps of its bundles: the last good one, its number, and when it ends."""

from __future__ import annotations

import json
import logging
import stat
import time
from pathlib import Path

import pytest

from guard.bundle.bundle import render, sign
from guard.bundle.keys import key_id
from guard.bundle.source import BundleSource, NeedsRestart
from model.errors import InputError, RingwallError, Unreachable
from tests.guard.bundle.test_bundle import KEY, KEYS, OTHER, config, text
from tests.support.bundle_desk import Desk, Guard, serving, started


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
