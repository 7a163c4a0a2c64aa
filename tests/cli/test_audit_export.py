"""`ringwall audit export` as a person runs it: to a real receiver and to a real S3, stopped and begun again."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.session import get_session
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.keys import public_pem
from guard.audit.log import AuditLog
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from model.guard_config import Audit
from tests.support.command_line import ringwall
from tests.support.company import Authority
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.node import NotAvailable
from tests.support.ports import free_port
from tests.support.state_backends import CREDENTIALS, s3
from tests.support.syslog_receiver import Receiver, syslog_receiver
from tests.support.waiting import eventually_sync

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RINGWALL = str(Path(sys.executable).with_name("ringwall"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def write(path: Path, count: int) -> None:
    log = AuditLog.open(Audit(path=str(path)), server="dev.desk", key=KEY)
    for number in range(count):
        log.write(AuditRecord(method="tools/call", decision=Decision.ALLOW, reason="allow", name=f"tool_{number}"))
    asyncio.run(log.close())


def count(path: Path) -> int:
    return len(path.read_bytes().splitlines())


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with syslog_receiver(Authority(tmp_path).server("siem")) as running:
        yield running


def arguments(path: Path, receiver: Receiver, *more: str | Path) -> list[str | Path]:
    to = f"syslog+tls://127.0.0.1:{receiver.port}"
    folder = path.parent
    return [
        "audit",
        "export",
        path,
        "--to",
        to,
        "--position",
        folder / "place",
        "--ca",
        folder / "company-ca.pem",
        *more,
    ]


def test_what_arrived_proves_itself(path: Path, receiver: Receiver, tmp_path: Path) -> None:
    write(path, 5)
    done = ringwall(*arguments(path, receiver))
    assert (done.code, done.out, done.err) == (0, f"{count(path)} records exported, to number {count(path)}\n", "")
    eventually_sync(lambda: len(receiver.messages) == count(path), "every record arrives")
    key, copy = tmp_path / "guard.pub", tmp_path / "copy.jsonl"
    key.write_bytes(public_pem(KEY.public_key()))
    copy.write_text("".join(event["raw_data"] + "\n" for _, _, event in receiver.messages))
    assert ringwall("audit", "verify", copy, "--public-key", key).code == 0
    copy.write_text(copy.read_text().replace("tool_3", "tool_x"))
    assert ringwall("audit", "verify", copy, "--public-key", key).code == 3


def test_a_second_run_sends_what_is_new(path: Path, receiver: Receiver) -> None:
    write(path, 2)
    assert ringwall(*arguments(path, receiver)).code == 0
    first = count(path)
    assert ringwall(*arguments(path, receiver)).out == f"nothing is new since record {first}\n"
    write(path, 2)
    done = ringwall(*arguments(path, receiver, "--json"))
    assert done.json == {
        "version": 1,
        "destination": f"syslog+tls://127.0.0.1:{receiver.port}",
        "records": count(path) - first,
        "sequence": count(path),
    }
    eventually_sync(lambda: set(receiver.sequences) == set(range(1, count(path) + 1)), "all of them arrived")


def test_a_log_that_was_changed_is_exit_3(path: Path, receiver: Receiver) -> None:
    write(path, 2)
    path.write_bytes(path.read_bytes().replace(b"tool_1", b"tool_x"))
    done = ringwall(*arguments(path, receiver))
    assert done.code == 3
    assert "a record is broken (its hash does not match its content); run `ringwall audit verify`" in done.err


def test_a_log_or_a_folder_that_is_not_there_is_exit_2(path: Path, receiver: Receiver) -> None:
    assert ringwall(*arguments(path, receiver)).errors == [f"{path}: no audit log is here"]
    write(path, 1)
    done = ringwall("audit", "export", path, "--to", "syslog://siem.example.com", "--position", path.parent / "p")
    assert (done.code, "syslog over UDP loses records" in done.err) == (2, True)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_following_sends_each_new_record_until_it_is_stopped_and_goes_on_after(
    path: Path, receiver: Receiver, end: signal.Signals
) -> None:
    write(path, 1)
    metrics = free_port()
    command = [RINGWALL, *map(str, arguments(path, receiver, "--follow", "--metrics-port", str(metrics)))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            eventually_sync(lambda: len(receiver.messages) == count(path), "what is there arrives")
            write(path, 3)
            eventually_sync(lambda: len(receiver.messages) == count(path), "what is new arrives")

            def shown() -> dict[str, float]:
                lines = httpx.get(
                    f"http://127.0.0.1:{metrics}/metrics", trust_env=False, verify=NO_AUTHORITIES
                ).text.splitlines()
                pairs = (line.split() for line in lines if line.startswith("ringwall_audit_export_"))
                return {name.removeprefix("ringwall_audit_export_"): float(value) for name, value in pairs}

            eventually_sync(lambda: shown()["position"] == count(path), "the position moves")
            values = shown()
            assert (values["lag_records"], values["records_total"], values["failures_total"]) == (0, count(path), 0)
            assert values["last_delivery"] > 1_700_000_000
            process.send_signal(end)
            _, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, f"metrics on http://127.0.0.1:{metrics}/metrics\n")
    write(path, 1)
    assert ringwall(*arguments(path, receiver)).code == 0
    eventually_sync(lambda: set(receiver.sequences) == set(range(1, count(path) + 1)), "none was left out")


def objects(address: str, bucket: str) -> dict[str, list[dict[str, Any]]]:
    """What a bucket holds: the events of each object, by its key."""
    client: Any = get_session().create_client("s3", region_name="us-east-1", endpoint_url=address)
    with contextlib.closing(client):
        keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
        bodies = {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
    return {key: [json.loads(line) for line in gzip.decompress(body).splitlines()] for key, body in bodies.items()}


def test_a_store_gets_objects_that_a_repetition_replaces(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    write(path, 4)
    first = count(path)
    place = tmp_path / "place"
    try:
        running = s3(tmp_path)
        backend = running.__enter__()
    except NotAvailable as error:
        pytest.skip(f"pip could not fetch moto, so no store was asked: {error}")
    with contextlib.ExitStack() as stack:
        stack.push(running)
        address = parse_qs(urlsplit(backend).query)["endpoint"][0]
        to: list[str | Path] = [
            "audit",
            "export",
            path,
            "--to",
            "s3://state/guards",
            "--endpoint",
            address,
            "--region",
            "us-east-1",
        ]
        assert ringwall(*to, "--position", place).code == 0
        before = place.read_bytes()
        [(key, events)] = objects(address, "state").items()
        day = json.loads(path.read_bytes().splitlines()[0])["time"][:10]
        assert key == f"guards/dev.desk/{day}/000000000001.jsonl.gz"
        assert [event["metadata"]["sequence"] for event in events] == list(range(1, first + 1))
        write(path, 1)
        assert ringwall(*to, "--position", place).code == 0
        # As if the machine had died before the position was on disk.
        place.write_bytes(before)
        write(path, 1)
        assert ringwall(*to, "--position", place).code == 0
        held = objects(address, "state")
        assert [len(held), sum(map(len, held.values()))] == [2, count(path)]
        missing = ringwall(*[*to[:4], "s3://none", *to[5:]], "--position", tmp_path / "second")
        assert (missing.code, "s3://none: NoSuchBucket" in missing.err) == (6, True)
        assert "test" not in missing.err.replace("pytest", "")
