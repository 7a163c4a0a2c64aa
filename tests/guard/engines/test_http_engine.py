"""What holds for every vendor: no answer, or not quite the documented one, is never ALLOW."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from guard.engines.breaker import Breaker
from guard.engines.http_engine import MAX_ANSWER, MAX_PIECES, HttpEngine, JsonService, NoAnswer
from guard.engines.lakera import LakeraVerdictEngine
from guard.engines.prisma_airs import PrismaAirsVerdictEngine
from guard.inspect.verdict import Leg, Outcome, ScanItem, Verdict
from tests.soak.vendor import write_certificate
from tests.support.engine_services import ATTACK, KEY, AirsService, EngineService, LakeraService, Reply, item
from tests.support.token_issuer import Clock
from tests.support.waiting import PATIENCE, eventually


@pytest.fixture(params=[LakeraService, AirsService], ids=["lakera", "prisma_airs"])
def service(request: pytest.FixtureRequest) -> Iterator[EngineService]:
    with request.param() as running:
        yield running


def engine_for(service: EngineService, url: str | None = None, **options: Any) -> HttpEngine:
    if isinstance(service, LakeraService):
        return LakeraVerdictEngine(url or service.url, "project-1", KEY, **options)
    return PrismaAirsVerdictEngine(url or service.url, "strict", KEY, **options)


async def scan(service: EngineService, *items: ScanItem, seconds: float = 30.0, **options: Any) -> list[Verdict]:
    """One engine's verdicts on these items, one after the other."""
    engine = engine_for(service, **options)
    try:
        return [await engine.scan(part, time.monotonic() + seconds) for part in items]
    finally:
        await engine.close()


async def one(service: EngineService, text: str = "hello", **options: Any) -> Verdict:
    [verdict] = await scan(service, item(text), **options)
    return verdict


def silent(verdict: Verdict, *words: str) -> None:
    assert verdict.outcome is Outcome.NO_VERDICT
    assert all(word in str(verdict.error) for word in words), verdict.error


async def test_harmless_text_is_allowed_and_an_attack_blocked(service: EngineService) -> None:
    harmless, attack = await scan(service, item("hello"), item(f"so {ATTACK} now"))
    assert (harmless.outcome, attack.outcome) == (Outcome.ALLOW, Outcome.BLOCK)
    assert harmless.error is attack.error is None
    assert harmless.reference


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b""), "not JSON"),
        (Reply(b"[]"), "no JSON object"),
        (Reply(b"null"), "no JSON object"),
        (Reply(b'{"flagged": NaN}'), "NaN"),
        (Reply(b'{"a": "\xff"}'), "UTF-8"),
        (Reply(b"<html>maintenance</html>", headers={"content-type": "text/html"}), "application/json"),
        (Reply(b"{}", headers={"content-type": ""}), "application/json"),
        (Reply(b"{}", 204), "204"),
        (Reply({}, headers={"content-encoding": "gzip"}), "compressed"),
        (Reply(b"{" + b" " * MAX_ANSWER + b"}"), "over 1024 KiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_answer_that_is_no_strict_json_object_is_no_verdict(
    service: EngineService, reply: Reply, reason: str
) -> None:
    service.always = reply
    silent(await one(service), reason)
    assert len(service.seen) == 1


async def test_truncated_json_of_a_good_answer_is_no_verdict(service: EngineService) -> None:
    service.always = Reply(json.dumps(service.good()).encode()[:-2])
    silent(await one(service), "not JSON")


@pytest.mark.parametrize("member", ["flagged", "action", "category", "timeout"])
async def test_duplicate_keys_in_the_answer_are_no_verdict(service: EngineService, member: str) -> None:
    good = json.dumps(service.good())
    service.always = Reply(f'{{"{member}": true, {good[1:-1]}, "{member}": false}}'.encode())
    silent(await one(service), "twice")


async def test_server_error_then_a_good_answer_is_one_retry(service: EngineService) -> None:
    service.replies.append(Reply({"error": {}}, 503))
    assert (await one(service)).outcome is Outcome.ALLOW
    assert len(service.seen) == 2
    assert service.seen[0].raw == service.seen[1].raw


async def test_two_server_errors_are_no_verdict_and_there_is_no_third_try(service: EngineService) -> None:
    service.replies.extend([Reply(status=500), Reply(status=502)])
    silent(await one(service), "502", "twice")
    assert len(service.seen) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 415, 422])
async def test_client_error_is_no_verdict_without_a_retry(service: EngineService, status: int) -> None:
    service.replies.append(Reply({"error": {"message": "no"}}, status))
    silent(await one(service), str(status))
    assert len(service.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_refused_and_not_followed(service: EngineService, status: int) -> None:
    with LakeraService() as elsewhere:
        service.always = Reply(b"", status, {"location": f"{elsewhere.url}/v2/guard"})
        silent(await one(service), str(status), "redirect")
        assert not elsewhere.seen
    assert len(service.seen) == 1


async def waits(service: EngineService, reply: Reply, seconds: float) -> tuple[list[float], str]:
    """How long a 429 made the service wait before it was asked again, and what came of it."""
    slept: list[float] = []
    service.replies.append(reply)
    service.always = Reply({"fine": True})

    async def sleep(pause: float) -> None:
        slept.append(pause)

    vendor = JsonService(service.url + service.path, {}, sleep=sleep)
    try:
        return slept, str(await vendor.ask(b"{}", time.monotonic() + seconds))
    except NoAnswer as error:
        return slept, str(error)
    finally:
        await vendor.close()


def airs_wait(interval: Any, unit: Any) -> Reply:
    return Reply({"error": {"message": "x", "retry_after": {"interval": interval, "unit": unit}}}, 429)


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        (Reply(status=429, headers={"retry-after": "2"}), 2.0),
        (airs_wait(3, "second"), 3.0),
        (airs_wait(200, "milliseconds"), 0.2),
        (Reply(b"slow down", 429), 0.5),
    ],
)
async def test_429_is_retried_once_after_the_time_it_asks_for(
    service: EngineService, reply: Reply, wait: float
) -> None:
    assert await waits(service, reply, 5.0) == ([wait], "{'fine': True}")
    assert len(service.seen) == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=429, headers={"retry-after": "5"}),
        Reply(status=429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        airs_wait(5, "minute"),
        airs_wait(1, "fortnight"),
        airs_wait(True, "second"),
        airs_wait(-1, "second"),
    ],
)
async def test_429_whose_wait_does_not_fit_the_deadline_is_no_verdict_at_once(
    service: EngineService, reply: Reply
) -> None:
    slept, said = await waits(service, reply, 5.0)
    assert slept == []
    assert "429" in said
    assert "no time" in said
    assert len(service.seen) == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_slow_body_beyond_the_deadline_is_no_verdict(service: EngineService, status: int) -> None:
    service.always = Reply(service.good(), hold=True)
    verdict = await one(service, seconds=2.0)  # on a busy machine the request itself takes a part of it
    silent(verdict, "deadline")
    assert verdict.milliseconds < 20_000
    assert len(service.seen) == 1


@pytest.mark.parametrize("slow", ["head", "body"])
async def test_answer_that_comes_in_drops_is_no_verdict_at_the_deadline(service: EngineService, slow: str) -> None:
    """Every drop would renew a timeout that counts silence alone."""
    head, body = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n", json.dumps(service.good()).encode()
    length = b"content-length: %d\r\n\r\n" % len(body)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = head + b"x: %s\r\n" % (b"y" * 400) + length + body + b" " * 400
        at = 20 if slow == "head" else len(whole) - 400 - len(body)
        writer.write(whole[:at])
        try:
            for byte in whole[at:]:
                await writer.drain()
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    engine = engine_for(service, url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    verdict = await engine.scan(item("hello"), time.monotonic() + 0.3)
    await engine.close()
    server.close()
    silent(verdict, "deadline")
    assert verdict.milliseconds < 10_000


async def test_deadline_counts_for_both_tries_together(service: EngineService) -> None:
    service.replies.append(Reply(status=500))
    service.always = Reply(service.good(), hold=True)
    verdict = await one(service, seconds=2.0)
    silent(verdict, "deadline")
    assert verdict.milliseconds < 20_000
    assert len(service.seen) == 2


async def test_passed_deadline_asks_nobody(service: EngineService) -> None:
    silent(await one(service, seconds=0.0), "no time")
    assert not service.seen


async def test_connection_refused_is_no_verdict(service: EngineService) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        silent(await one(service, url=f"http://127.0.0.1:{unused.getsockname()[1]}"), "ConnectError", "twice")


async def test_lost_connection_is_asked_again(service: EngineService) -> None:
    service.replies.append(Reply(hang_up=True))
    assert (await one(service)).outcome is Outcome.ALLOW
    assert len(service.seen) == 2


async def test_answer_shorter_than_announced_is_no_verdict(service: EngineService) -> None:
    service.always = Reply(service.good(), short=True)
    silent(await one(service), "connection failed")


def test_plain_http_beyond_loopback_is_refused() -> None:
    with pytest.raises(ValueError, match="https"):
        LakeraVerdictEngine("http://lakera.example.com", "project-1", KEY)


async def test_proxy_of_the_environment_never_sees_key_or_text(
    service: EngineService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LakeraService() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await one(service)).outcome is Outcome.ALLOW
        assert not proxy.seen


async def test_cookies_of_the_vendor_are_not_kept(service: EngineService) -> None:
    service.replies.append(Reply(status=500, headers={"set-cookie": "track=1; Path=/"}))
    await one(service)
    assert all("cookie" not in seen.headers for seen in service.seen)


async def test_errors_and_log_hold_neither_text_nor_key(
    service: EngineService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secret = "patient-4711"
    replies = [Reply(f'{{"{secret}": 1, "{secret}": 2}}'.encode()), Reply({"error": {"message": secret}}, 400)]
    replies += [Reply(f"not json {secret}".encode()), Reply({**service.good(), "errors": [secret], "flagged": secret})]
    service.replies.extend(replies)
    for verdict in await scan(service, *[item(secret)] * 4):
        silent(verdict)
        assert secret not in repr(verdict)
        assert KEY not in repr(verdict)
    assert secret not in caplog.text
    assert KEY not in caplog.text


# -- the circuit breaker ------------------------------------------------------------------------------------------------


async def test_open_breaker_is_no_verdict_without_asking_until_one_probe_succeeds(service: EngineService) -> None:
    clock = Clock()
    breaker = Breaker("x", clock)
    service.always = Reply(status=500)
    await scan(service, *[item("hello")] * 5, breaker=breaker)
    asked = len(service.seen)
    silent(await one(service, breaker=breaker), "not asked")
    assert len(service.seen) == asked == 10
    clock.now += 10
    service.always = None
    assert (await one(service, breaker=breaker)).outcome is Outcome.ALLOW
    assert not breaker.is_open


async def test_many_texts_at_once_put_one_question_to_a_service_that_is_tried_again(service: EngineService) -> None:
    clock = Clock()
    breaker = Breaker("x", clock)
    for _ in range(5):
        breaker.settle(0, False)
    clock.now += 10

    engine = engine_for(service, breaker=breaker)
    verdicts = await asyncio.gather(*(engine.scan(item("hello"), time.monotonic() + PATIENCE) for _ in range(8)))
    await engine.close()
    outcomes = [verdict.outcome for verdict in verdicts]
    assert outcomes.count(Outcome.ALLOW) == len(service.seen) == 1
    assert outcomes.count(Outcome.NO_VERDICT) == 7
    assert not breaker.is_open


async def test_texts_that_the_vendor_refuses_do_not_open_the_breaker(service: EngineService) -> None:
    breaker = Breaker("x", Clock())
    service.always = Reply(status=413)
    await scan(service, *[item("hello")] * 6, breaker=breaker)
    assert not breaker.is_open


async def test_one_long_text_in_many_pieces_counts_as_one_failure(service: EngineService) -> None:
    breaker = Breaker("x", Clock())
    service.always = Reply(status=500)
    [verdict] = await scan(service, item("a" * 150_000), breaker=breaker)
    silent(verdict, "pieces")
    assert not breaker.is_open


async def test_scan_that_is_cancelled_frees_the_probe(service: EngineService) -> None:
    clock = Clock()
    breaker = Breaker("x", clock)
    for _ in range(5):
        breaker.settle(0, False)
    clock.now += 10
    service.replies.append(Reply(service.good(), hold=True))

    engine = engine_for(service, breaker=breaker)
    first = asyncio.ensure_future(engine.scan(item("hello"), time.monotonic() + 60))
    await eventually(lambda: service.seen, "the service is asked")
    first.cancel()
    await asyncio.wait([first])
    verdict = await engine.scan(item("hello"), time.monotonic() + 30)
    await engine.close()
    assert verdict.outcome is Outcome.ALLOW


# -- pieces -------------------------------------------------------------------------------------------------------------


async def test_long_text_needs_allow_for_every_piece(service: EngineService) -> None:
    [verdict] = await scan(service, item("a" * 90_000))
    assert verdict.outcome is Outcome.ALLOW
    assert len(str(verdict.reference).split(",")) == len(service.seen) == 5


async def test_no_request_is_larger_than_the_vendors_take(service: EngineService) -> None:
    """1 MB of context (Lakera) and 2 MB (Prisma AIRS), whatever escaping makes of the text."""
    await scan(service, item("\x01" * 60_000), item("\N{PILE OF POO}" * 60_000))
    assert len(service.seen) >= 6
    assert max(len(seen.raw) for seen in service.seen) < 1_000_000


async def test_attack_across_a_cut_is_caught_by_the_overlap(service: EngineService) -> None:
    # The text begins behind `text: `, so that the first cut, at 20,000 characters, goes through the attack.
    before = 20_000 - len("text: ") - len(ATTACK) // 2
    verdict = await one(service, "a" * before + ATTACK + "b" * 30_000)
    assert verdict.outcome is Outcome.BLOCK
    texts = [service.text(body) for body in service.bodies]
    assert not any(text.endswith(ATTACK) for text in texts)


async def test_piece_without_a_verdict_makes_the_whole_no_verdict(service: EngineService) -> None:
    service.replies.append(Reply({}, 400))
    silent(await one(service, "a" * 50_000), "1 of 3 pieces", "400")


@pytest.mark.parametrize("place", [0, 2])
async def test_blocked_piece_wins_over_one_without_a_verdict(service: EngineService, place: int) -> None:
    text = ["a" * 20_000, "b" * 19_000, "c" * 9_000]
    text[place] = text[place][100:] + ATTACK + " " * 50
    whole = "".join(text)

    class Picky(type(service)):  # type: ignore[misc]
        def verdict(self, body: Any) -> Reply:
            return super().verdict(body) if ATTACK in self.text(body) else Reply({}, 400)

    with Picky() as picky:
        assert (await one(picky, whole)).outcome is Outcome.BLOCK
        # Where policy may let a finding pass, the unheard pieces must not pass with it.
        verdict = await one(picky, whole, thorough=frozenset({Leg.RESULTS}))
        silent(verdict, "pieces")
        assert verdict.findings


async def test_thorough_leg_hears_every_piece_even_after_a_block(service: EngineService) -> None:
    long = ATTACK + "a" * 300_000
    verdict = await one(service, long, thorough=frozenset({Leg.RESULTS}))
    assert verdict.outcome is Outcome.BLOCK
    thorough = len(service.seen)
    service.seen.clear()
    assert (await one(service, long)).outcome is Outcome.BLOCK
    assert len(service.seen) < thorough


async def test_text_too_long_to_judge_is_no_verdict_and_nothing_is_sent(service: EngineService) -> None:
    silent(await one(service, "a" * (20_000 * (MAX_PIECES + 1))), "too long")
    assert not service.seen


async def test_item_that_is_no_json_is_no_verdict(service: EngineService) -> None:
    verdicts = await scan(service, item("x", document="{"), item("x", document='"\ud800"'), item("x", name="\ud800"))
    silent(verdicts[0], "not strict JSON")
    silent(verdicts[1], "not strict JSON")
    assert all(seen.path == service.path for seen in service.seen)
    if isinstance(service, AirsService):
        silent(verdicts[2], "not strict JSON")


#: Sockets of handshakes that the client breaks off are the test server's own to lose.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_requests_given_up_half_way_do_not_use_up_the_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """httpx's pool may keep the place of a cancelled request for ever; every client that hangs up cancels one."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    moments = random.Random(7)  # noqa: S311 - no secret depends on it
    body = b'{"flagged":false}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n"

    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                writer.write(head + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(vendor, "127.0.0.1", 0, ssl=context)
        service = JsonService(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/scan", {})

        async def give_up(times: int) -> None:
            for _ in range(times):
                asking = asyncio.ensure_future(service.ask(b"{}", time.monotonic() + PATIENCE))
                asyncio.get_running_loop().call_later(moments.random() * 0.02, asking.cancel)
                await asyncio.gather(asking, return_exceptions=True)

        await asyncio.gather(*(give_up(200) for _ in range(10)))
        answers = await asyncio.gather(*(service.ask(b"{}", time.monotonic() + PATIENCE) for _ in range(100)))
        assert answers == [{"flagged": False}] * 100
        await service.close()
        server.close()

    uvloop.run(main())
