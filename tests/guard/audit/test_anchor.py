from __future__ import annotations

import json
import os
import queue
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from guard.audit import log as log_module
from guard.audit.anchor import MAX_HEADS, AnchorSender
from guard.audit.chain import SignedHead
from guard.audit.log import AuditLog
from guard.audit.reader import read_anchors, verify
from guard.audit.wires import HttpWire
from model.defaults import Anchor
from model.errors import InputError
from model.guard_config import Audit
from tests.guard.audit.conftest import KEY, call, lines_of
from tests.support.certificates import issued


@dataclass
class Collector:
    """An HTTP collector; `answers` are (status, headers, body) for the next requests, then 200."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    received: queue.Queue[tuple[dict[str, str], bytes]] = field(default_factory=queue.Queue)

    def next(self) -> tuple[dict[str, str], bytes]:
        return self.received.get(timeout=60)


def serve(tls: ssl.SSLContext | None = None) -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            # Before the answer: the next request has a thread of its own, and may overtake this one after it.
            collector.received.put(({name.lower(): value for name, value in self.headers.items()}, body))
            status, headers, answer = collector.answers.pop(0) if collector.answers else (200, {}, b"")
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    collector.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/heads"
    yield collector
    server.shutdown()
    server.server_close()
    thread.join(30)


@pytest.fixture
def collector() -> Iterator[Collector]:
    yield from serve()


def opened(path: Path, anchor: Anchor, token: str | None = None) -> AuditLog:
    return AuditLog.open(Audit(path=str(path), anchor=anchor), server="dev.desk", key=KEY, anchor_token=token)


def head(sequence: int) -> SignedHead:
    return SignedHead.sign(KEY, server="dev.desk", sequence=sequence, hash="0" * 64, time="2026-11-23T00:00:00.000000Z")


async def test_what_the_collector_received_proves_the_log(path: Path, collector: Collector, tmp_path: Path) -> None:
    anchor = Anchor.model_validate({"url": collector.url, "token": {"env": "ANCHOR_TOKEN"}})
    log = opened(path, anchor, token="tok-1")
    for number in range(5):
        log.write(call(number))
    await log.close()
    received = [collector.next() for _ in range(2)]
    assert {headers["authorization"] for headers, _ in received} == {"Bearer tok-1"}
    assert {headers["content-type"] for headers, _ in received} == {"application/json"}
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(b"\n".join(body for _, body in received) + b"\n")
    report = verify(path, [KEY.public_key()], read_anchors(kept))
    assert (report.broken, report.anchors_found) == (None, 2)
    assert (log.anchor_lag_records, log.anchor.failures if log.anchor else None) == (1, 0), "the head itself is the one"


async def test_no_head_leaves_before_what_it_speaks_of_is_on_disk(
    path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(path, Anchor(url=collector.url))
    first = json.loads(collector.next()[1])["sequence"]
    disk = threading.Event()
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: disk.wait(30) and fsync(fd))
    for number in range(1000):
        log.write(call(number))
    assert (log.synced, log.anchor.waiting if log.anchor else None) == (first + 1, 0)
    disk.set()
    assert json.loads(collector.next()[1])["sequence"] == first + 1001
    assert log.synced >= first + 1001
    await log.close()


async def test_a_head_is_sent_in_time_though_nobody_writes_any_more(
    path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "HEAD_SECONDS", 0.05)
    log = opened(path, Anchor(url=collector.url))
    collector.next()
    number = log.write(call())
    assert json.loads(collector.next()[1])["sequence"] == number
    await log.close()


async def test_a_collector_out_of_reach_neither_blocks_nor_closes_the_guard_and_is_reported(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "ANCHOR_GRACE", 0.1)
    log = opened(path, Anchor(url="http://127.0.0.1:9/heads"))
    for _ in range(1500):
        log.write(call())
    assert log.healthy
    assert log.anchor_lag_records == log.sequence
    await log.close()
    state = log.anchor
    assert state is not None
    assert (state.anchored, state.failures > 0, state.error) == (0, True, "the collector did not answer (ConnectError)")
    assert verify(path).ok


def test_what_was_not_taken_is_sent_again_in_order(collector: Collector) -> None:
    collector.answers = [(500, {}, b""), (429, {}, b""), (302, {"location": "/ok"}, b"")]
    sender = AnchorSender(HttpWire(collector.url, None, None, timeout=5), first_pause=0.01)
    sender.head(head(3))
    sender.head(head(9))
    assert [json.loads(collector.next()[1])["sequence"] for _ in range(5)] == [3, 3, 3, 3, 9]
    sender.close(5)
    assert (sender.state.anchored, sender.state.failures, sender.state.error) == (9, 3, None)


def test_more_heads_than_fit_lose_the_oldest_and_are_counted() -> None:
    sender = AnchorSender(HttpWire("http://127.0.0.1:9/", None, None, timeout=5), first_pause=60)
    for number in range(MAX_HEADS + 10):
        sender.head(head(number))
    assert (sender.state.waiting, sender.state.dropped_heads) == (MAX_HEADS, 10)
    sender.close(0.01)


async def test_otlp_carries_heads_and_if_asked_every_record(path: Path, collector: Collector) -> None:
    log = opened(path, Anchor(url=collector.url, protocol="otlp", records=True))
    for number in range(20):
        log.write(call(number))
    await log.close()
    bodies: dict[str, list[str]] = {"ringwall.audit.head": [], "ringwall.audit.record": []}
    while not collector.received.empty():
        headers, body = collector.received.get()
        assert headers["content-type"] == "application/x-protobuf"
        (resource,) = ExportLogsServiceRequest.FromString(body).resource_logs
        assert {item.key: item.value.string_value for item in resource.resource.attributes} == {
            "service.name": "ringwall-guard",
            "ringwall.server": "dev.desk",
        }
        for record in resource.scope_logs[0].log_records:
            bodies[record.event_name].append(record.body.string_value)
    assert [json.loads(text) for text in bodies["ringwall.audit.record"]] == lines_of(path)
    assert [json.loads(text)["sequence"] for text in bodies["ringwall.audit.head"]] == [1, 23]


async def test_an_otlp_collector_that_rejects_the_record_with_200_has_not_anchored(
    path: Path, collector: Collector
) -> None:
    partial = ExportLogsServiceResponse(partial_success=ExportLogsPartialSuccess(rejected_log_records=1))
    collector.answers = [(200, {}, partial.SerializeToString()), (200, {}, b"\xff\xff")]
    log = opened(path, Anchor(url=collector.url, protocol="otlp"))
    await log.close()
    state = log.anchor
    assert state is not None
    assert (state.failures, state.anchored) == (2, 3)


def test_records_over_plain_http_and_a_token_that_was_not_read_are_refused(path: Path) -> None:
    with pytest.raises(InputError, match="records needs protocol: otlp"):
        opened(path, Anchor(url="https://c.example.com/", records=True))
    with pytest.raises(InputError, match="has a token, and it was not read"):
        opened(path, Anchor.model_validate({"url": "https://c.example.com/", "token": {"env": "T"}}))
    assert not path.exists()


def test_a_collector_whose_certificate_is_not_trusted_gets_nothing(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "server.pem"
    tls = issued("collector", ["127.0.0.1"]).server(file)
    for collector in serve(tls):
        sender = AnchorSender(HttpWire(collector.url, None, None, timeout=5), first_pause=0.01)
        sender.head(head(3))
        sender.close(0.3)
        assert (sender.state.anchored, collector.received.empty()) == (0, True)
        sender = AnchorSender(HttpWire(collector.url, None, str(file), timeout=5))
        sender.head(head(3))
        sender.close(5)
        assert sender.state.anchored == 3
