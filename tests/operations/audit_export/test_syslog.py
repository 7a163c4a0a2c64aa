"""Records over syslog and TLS: framed as RFC 6587 says, none lost with a connection, none to a stranger, none in clear."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from model.errors import InputError
from operations.audit_export.destination import DestinationOptions, sink_of
from operations.audit_export.sinks import NotDelivered
from operations.audit_export.syslog import SyslogSink
from tests.operations.audit_export.conftest import Writer, call, everything
from tests.support.company import Authority
from tests.support.syslog_receiver import syslog_receiver


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def sink_for(port: int, **options: Any) -> SyslogSink:
    sink = sink_of(f"syslog+tls://127.0.0.1:{port}", DestinationOptions(**options))
    assert isinstance(sink, SyslogSink)
    return sink


def test_records_arrive_as_events_in_messages_of_the_standard(path: Path, write: Writer, authority: Authority) -> None:
    from guard.decide.reasons import Decision

    write([call(), call(decision=Decision.BLOCK, reason="injection", name="a\nb\u2028c")])
    records = everything(path)
    with syslog_receiver(authority.server("siem")) as receiver:
        sink = sink_for(receiver.port, ca=authority.file)
        sink.send(records[:3])
        sink.send(records[3:])
        assert receiver.faults == []
        assert receiver.sequences == [one.sequence for one in records]
        assert receiver.connections == 2
    priorities = {event["metadata"]["sequence"]: priority for priority, _, event in receiver.messages}
    blocked = next(one.sequence for one in records if one.record.get("decision") == "block")
    assert (priorities[blocked], priorities[1]) == (13 * 8 + 4, 13 * 8 + 6)
    assert {name for _, name, _ in receiver.messages} == {"ringwall-guard"}


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("count", [40, 3000])
def test_a_receiver_that_did_not_read_all_of_it_gets_it_again(
    path: Path, write: Writer, authority: Authority, count: int, reset: bool
) -> None:
    """What its system acknowledged, its program may never have read."""
    write(count)
    records = everything(path)
    with syslog_receiver(authority.server("siem")) as receiver:
        sink = sink_for(receiver.port, ca=authority.file)
        receiver.cut, receiver.reset = 12, reset
        with pytest.raises(NotDelivered, match=r"Connection\w+Error|BrokenPipeError"):
            sink.send(records)
        sink.send(records)
        assert receiver.sequences == [one.sequence for one in records[:12] + records]


def test_a_delivery_is_one_once_it_was_read(path: Path, write: Writer, authority: Authority) -> None:
    write(5)
    records = everything(path)
    tls = authority.server("siem")
    with syslog_receiver(tls) as receiver:
        port = receiver.port
        sink = sink_for(port, ca=authority.file)
        sink.send(records)
        assert receiver.sequences == [one.sequence for one in records]
    with pytest.raises(NotDelivered, match="ConnectionRefusedError"):
        sink.send(records)


def test_records_go_to_no_stranger(path: Path, write: Writer, authority: Authority, tmp_path: Path) -> None:
    write(1)
    folder = tmp_path / "stranger"
    folder.mkdir()
    with syslog_receiver(Authority(folder).server("siem")) as receiver:
        sink = sink_for(receiver.port, ca=authority.file)
        with pytest.raises(NotDelivered, match="its certificate is not trusted"):
            sink.send(everything(path))
        assert receiver.messages == []


def test_a_receiver_that_asks_for_a_certificate_gets_it(path: Path, write: Writer, authority: Authority) -> None:
    write(1)
    tls = authority.server("siem")
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(authority.file)
    authority.server("guard")
    own = authority.file.parent / "server-guard.pem"
    records = everything(path)
    with syslog_receiver(tls) as receiver:
        with pytest.raises(NotDelivered):
            sink_for(receiver.port, ca=authority.file).send(records)
        sink = sink_for(receiver.port, ca=authority.file, certificate=own, key=own)
        sink.send(records)
        assert len(receiver.messages) == len(records)


def test_plain_tcp_serves_this_machine_alone(path: Path, write: Writer) -> None:
    write(1)
    with syslog_receiver() as receiver:
        sink = sink_of(f"syslog+tcp://127.0.0.1:{receiver.port}", DestinationOptions())
        sink.send(everything(path))
        assert receiver.messages


@pytest.mark.parametrize(
    ("address", "options", "key", "problem", "remedy"),
    [
        ("syslog://siem.example.com", {}, "--to", "over UDP loses records", "syslog+tls://siem.example.com"),
        ("syslog+udp://siem.example.com:514", {}, "--to", "over UDP loses records", "syslog+tls://siem.example.com:514"),
        ("syslog+tcp://siem.example.com:601", {}, "--to", "in clear beyond", "syslog+tls://siem.example.com:601"),
        ("syslog+tcp://127.0.0.1", {}, "--to", "names no port", "syslog+tcp://127.0.0.1:601"),
        ("syslog+tls://siem.example.com/x", {}, "--to", "a host and a port alone", "syslog+tls://"),
        ("syslog+tls://ada:pw@siem.example.com", {}, "--to", "user name or password", "remove it"),
        ("siem.example.com:6514", {}, "--to", "no destination that is known", "s3://bucket"),
        ("https://siem.example.com", {}, "--to", "no destination that is known", "s3://bucket"),
        ("syslog+tls://[", {}, "--to", "is no address", "s3://bucket"),
        ("s3:///prefix", {}, "--to", "a bucket and a prefix", "s3://bucket/prefix"),
        ("s3://b", {"endpoint": "http://s3.example.com"}, "--endpoint", "must be an https address", "https://"),
        ("s3://b", {"ca": Path("x")}, "--ca", "is not for a store", "leave it out"),
        ("syslog+tls://h", {"region": "eu"}, "--region", "is not for a receiver", "leave it out"),
        ("syslog+tls://h", {"key": Path("x")}, "--certificate, --key", "go together", "give both"),
        ("syslog+tls://h", {"ca": Path("/none")}, None, "cannot be used", "correct it"),
    ],
)  # fmt: skip
def test_an_address_or_option_that_is_refused_says_what_would_do(
    address: str, options: dict[str, Any], key: str | None, problem: str, remedy: str
) -> None:
    with pytest.raises(InputError) as raised:
        sink_of(address, DestinationOptions(**options))
    assert raised.value.key == key
    assert problem in str(raised.value)
    assert remedy in str(raised.value.remedy)
    assert "pw" not in str(raised.value)
