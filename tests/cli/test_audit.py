from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.keys import public_pem
from guard.audit.log import AuditLog
from guard.audit.record import AuditRecord
from guard.decide.reasons import Decision
from model.guard_config import Audit
from model.project import Project
from operations.audit_logs import local_log
from tests.support.command_line import ringwall

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NAMES = ("search", "delete\u202eeteled\x1b[2J")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """start, head, open, two decisions, close, head."""
    file = tmp_path / "audit.jsonl"
    log = AuditLog.open(Audit(path=str(file)), server="dev.desk", key=KEY, clock=lambda: 1_790_000_000.0)
    log.event("open", {"identity": "demo", "bundle": None})
    for name in NAMES:
        decision = Decision.ALLOW if name == "search" else Decision.REFUSE
        log.write(
            AuditRecord(method="tools/call", decision=decision, reason="granted", name=name, principal="agent:ci")
        )
    asyncio.run(log.close())
    return file


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "guard.pub"
    file.write_bytes(public_pem(KEY.public_key()))
    return file


def heads(path: Path) -> bytes:
    records = map(json.loads, path.read_bytes().splitlines())
    return b"".join(json.dumps(r["details"]).encode() + b"\n" for r in records if r["kind"] == "head")


def test_verify_of_a_good_log_is_exit_0_and_warns_of_what_was_not_checked(path: Path) -> None:
    done = ringwall("audit", "verify", path)
    assert (done.code, done.out) == (
        0,
        "dev.desk: 7 records in 1 file, unbroken, 1 to 7 (2026-09-21T14:13:20.000000Z)\n",
    )
    assert done.err.count("warning: ") == 2


def test_verify_with_key_and_anchors_warns_of_nothing(path: Path, key: Path, tmp_path: Path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    anchors.write_bytes(heads(path))
    done = ringwall("audit", "verify", path, "--public-key", key, "--anchors", anchors)
    assert (done.code, done.err) == (0, "")
    assert "signed and good: 2 heads; not signed: 0 records after it" in done.out
    assert "in the chain: 2 of 2 anchored heads" in done.out


def test_verify_names_the_first_break_and_is_exit_3(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"decision":"refuse"', b'"decision":"allow!"'))
    done = ringwall("audit", "verify", path)
    assert done.code == 3
    assert done.out == (
        f"BROKEN {path}:5: its hash does not match its content\nbefore it, 4 records, unbroken, to number 4\n"
    )
    done = ringwall("audit", "verify", path, "--json")
    assert done.code == 3
    assert done.json["broken"] == {"file": str(path), "line": 5, "problem": "its hash does not match its content"}


def test_verify_against_anchors_shows_a_log_that_was_cut(path: Path, tmp_path: Path) -> None:
    anchors = tmp_path / "anchors.jsonl"
    anchors.write_bytes(heads(path))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    assert ringwall("audit", "verify", path).code == 0
    done = ringwall("audit", "verify", path, "--anchors", anchors)
    assert (done.code, "record 6 was anchored: its end was cut" in done.out) == (3, True)


def test_verify_of_nothing_and_with_a_wrong_key_file_is_exit_2(path: Path, tmp_path: Path) -> None:
    assert ringwall("audit", "verify", tmp_path / "none").errors == [f"{tmp_path / 'none'}: no audit log is here"]
    done = ringwall("audit", "verify", path, "--public-key", path)
    assert (done.code, "is no PEM public key" in done.err) == (2, True)


def test_show_filters_and_makes_hidden_characters_visible(path: Path) -> None:
    done = ringwall("audit", "show", path, "--decision", "refuse")
    assert done.code == 0
    assert "delete<U+202E>eteled<U+001B>[2J" in done.out
    assert "search" not in done.out
    assert ringwall("audit", "show", path, "--tool", "none").out == "no record matches\n"


def test_show_as_json_is_one_ascii_document(path: Path) -> None:
    done = ringwall("audit", "show", path, "--principal", "agent:ci", "--limit", "1", "--json")
    assert done.out.isascii()
    assert (done.json["matching"], [record["name"] for record in done.json["records"]]) == (2, [NAMES[1]])


def test_show_refuses_a_decision_and_a_time_that_are_none(path: Path) -> None:
    assert ringwall("audit", "show", path, "--decision", "maybe").code == 2
    assert ringwall("audit", "show", path, "--since", "yesterday").errors == [
        "--since: is not a time; write it such as 2026-11-23 or 2026-11-23T10:00Z"
    ]


def test_tail_shows_the_newest_records(path: Path) -> None:
    done = ringwall("audit", "tail", path, "-n", "3", "--json")
    assert [record["kind"] for record in done.json["records"]] == ["decision", "close", "head"]
    newest = ringwall("audit", "tail", path, "-n", "2").out
    assert ("(close)" in newest, "(head)" in newest, NAMES[1].split("\u202e")[0] in newest) == (False, False, True)
    assert "(close)" in ringwall("audit", "tail", path, "-n", "2", "--all").out


def test_the_logs_own_records_are_shown_with_all_alone(path: Path) -> None:
    usual, everything = (ringwall("audit", "show", path, *option).out for option in ([], ["--all"]))
    assert [word in usual for word in ("(open)", "(close)", "(head)")] == [False] * 3
    assert [word in everything for word in ("(open)", "(close)", "(head)")] == [True] * 3


def test_a_server_names_its_log_in_the_project(path: Path, project: Project) -> None:
    here = local_log(project, "dev.one")
    missing = ringwall("audit", "show", "dev.one", "--project", project.root)
    assert missing.code == 2
    assert "dev.one has no audit log on this machine; run this on its host" in missing.errors[0]
    assert f"`ringwall local dev.one --project {project.root}` writes {here}" in missing.errors[0]
    here.parent.mkdir(parents=True)
    here.write_bytes(path.read_bytes())
    shown = ringwall("audit", "show", "dev.one", "--project", project.root)
    assert (shown.code, f"reading {here}" in shown.err) == (0, True)
    assert shown.out == ringwall("audit", "show", path).out
    assert (
        "name one of dev.external, dev.hosted, dev.one"
        in (ringwall("audit", "show", "dev.none", "--project", project.root).errors[0])
    )


def test_tail_follows_until_ctrl_c_and_ends_without_a_word(path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from cli.flags import audit; audit.app()",
            "tail",
            str(path),
            "-n",
            "1",
            "--follow",
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["sequence"] == 7
    log = AuditLog.open(Audit(path=str(path)), server="dev.desk", key=KEY)
    assert json.loads(process.stdout.readline())["sequence"] == 8
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    asyncio.run(log.close())


def test_show_of_an_incident_says_what_would_let_the_call_pass(path: Path) -> None:
    log = AuditLog.open(Audit(path=str(path)), server="dev.desk", key=KEY)
    log.write(
        AuditRecord(
            method="tools/call", decision=Decision.REFUSE, reason="not_granted", name="x", incident="ab12", key="grants"
        )
    )
    asyncio.run(log.close())
    listed = ringwall("audit", "show", path, "--reason", "not_granted")
    assert ("Name it in a grant" in listed.out, f"{path} --incident INCIDENT" in listed.err) == (False, True)
    shown = ringwall("audit", "show", path, "--incident", "ab12")
    assert shown.out.splitlines()[1:] == [
        "    incident ab12, tools/call, record 9",
        "    not_granted: No grant of the principal names the tool, prompt, resource or",
        "    model, or the lock does not.",
        "    decided by grants",
        "    Name it in a grant: `grants` of Pulumi.dev.desk.yaml; what writes needs",
        "    read_only: false there.",
    ]


@pytest.mark.parametrize("text", ["config:\n  a: 1\n", '{"time": "2026-09-21"}\n[1]\n'])
@pytest.mark.parametrize("command", [("show",), ("show", "--json"), ("tail",), ("tail", "--json")])
def test_a_file_without_a_record_is_no_log(tmp_path: Path, text: str, command: tuple[str, ...]) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text(text, encoding="utf-8")
    done = ringwall("audit", command[0], file, *command[1:])
    assert (done.code, done.errors) == (2, [f"{file}: holds no audit record; name the guard's audit log"])


def test_a_log_with_some_lines_that_are_no_records_is_shown_with_a_warning(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"no record\n")
    done = ringwall("audit", "show", path)
    assert done.code == 0
    assert "search" in done.out
    assert done.err.startswith(f"warning: {path}:8: not a record\n")


def test_a_log_without_any_line_has_no_record_to_show(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").touch()
    done = ringwall("audit", "show", tmp_path / "audit.jsonl")
    assert (done.code, done.out, done.err) == (0, "no record matches\n", "")
