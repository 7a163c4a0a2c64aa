"""`ringwall lockdown` without an engine: the one key in the stack file, what is said, and what the guard is given."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine.locate import VARIABLE
from guard.bundle.bundle import open_bundle, render, sign
from guard.bundle.keys import create_key_pair, load_private_key, load_public_keys
from model.errors import InputError, RingwallError
from model.loader import parse
from model.project import load_environment, open_project
from operations.incident.closing import closed
from operations.incident.stack_file import lifted, locked
from operations.journal import JOURNAL
from tests.guard.bundle.test_bundle import config
from tests.support.command_line import Result
from tests.support.command_line import ringwall as run
from tests.support.ports import free_port
from tests.support.projects import HOSTED, server_text, write_project, write_server

REASON = 'tool "x" is abused; decided by Ada'
PORT = free_port()
SINCE = "2026-11-23T03:00:00Z"


def ringwall(*arguments: str | Path) -> Result:
    return run("lockdown", *arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two servers and neither an engine nor a token."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no-engine-here"))
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)
    root = write_project(tmp_path / "project", servers=2)
    file = root / "stacks" / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("http://127.0.0.1:8001", f"http://127.0.0.1:{free_port()}"))
    return root


FLOW = "config: {'ringwall:server': {version: 1, host: dev-1}}\n"
CRLF = server_text("one").replace("\n", "\r\n")
COMMENTED = server_text("one").replace("    version: 1\n", "    # The first word.\n    version: 1 # one\n")


@pytest.mark.parametrize("text", [server_text("one"), HOSTED, FLOW, CRLF, COMMENTED], ids=range(5))
def test_closing_adds_one_key_and_opening_gives_every_byte_back(text: str) -> None:
    after = locked(text, REASON, SINCE)
    manifest: Any = parse(after, Path("x")).value
    before: Any = parse(text, Path("x")).value
    assert manifest["config"]["ringwall:server"].pop("lockdown") == {"reason": REASON, "since": SINCE}
    assert manifest == before
    assert lifted(after) == text


@pytest.mark.parametrize(
    ("entry", "rest"),
    [
        (
            '    lockdown:\n      reason: by hand\n      since: "2026-11-23T03:00:00Z"  # why\n    # kept\n',
            "    # kept\n",
        ),
        (
            "    lockdown: # here\n        since: '2026-11-23T03:00:00Z'\n        reason: >-\n          two\n",
            "",
        ),
    ],
)
def test_a_key_that_somebody_laid_out_by_hand_goes_with_its_lines_alone(entry: str, rest: str) -> None:
    text = server_text("one")
    at = text.index("    hostname:")
    assert lifted(text[:at] + entry + text[at:]) == text[:at] + rest + text[at:]
    assert lifted(text + entry) == text + rest


def test_a_closed_file_is_not_closed_twice_and_an_open_one_not_opened() -> None:
    with pytest.raises(InputError, match="is closed already"):
        locked(locked(server_text("one"), REASON, SINCE), REASON, SINCE)
    with pytest.raises(InputError, match="is not closed"):
        lifted(server_text("one"))


def test_a_lockdown_needs_a_reason_of_one_line(folder: Path) -> None:
    before = (folder / "stacks/Pulumi.dev.one.yaml").read_bytes()
    for reason in ([], ["--reason", "  "], ["--reason", "two\nlines"]):
        result = ringwall("dev.one", "--yes", *reason, "--project", folder)
        assert result.code == 2, result.err
    assert (folder / "stacks/Pulumi.dev.one.yaml").read_bytes() == before


def test_a_dry_run_says_what_it_would_do_and_does_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.yaml")}
    result = ringwall("dev", "--reason", REASON, "--dry-run", "--json", "--project", folder)
    assert result.code == 0, result.err
    assert [one["stack"] for one in result.json["stacks"]] == ["dev.one", "dev.two"]
    assert [step["ring"] for step in result.json["stacks"][0]["steps"]] == ["edge", "gateway", "guard"]
    assert "closing takes 7 calls of Cloudflare's API and 5 calls of Kong's Admin API" in result.err
    assert {path: path.read_bytes() for path in folder.rglob("*.yaml")} == before
    assert not (folder / JOURNAL).exists()


def test_without_consent_nothing_is_done(folder: Path) -> None:
    result = ringwall("dev.one", "--reason", REASON, "--project", folder)
    assert (result.code, "add --yes" in result.err) == (2, True)
    assert load_environment(open_project(folder), "dev").servers["one"].manifest.lockdown is None


def bundle(folder: Path, name: str = "one", denied: tuple[str, ...] = ("person:mallory",)) -> Path:
    """A bundle that is in force somewhere, and the key that signed it."""
    create_key_pair(folder / "keys")
    key = folder / "keys" / "guard-signing.key"
    text = render(sign(config(name, admin_port=PORT), sequence=7, denied=denied, key=load_private_key(key)))
    (folder / f"dev.{name}.guard.bundle.json").write_text(text, encoding="utf-8")
    return key


def test_where_the_engine_is_missing_the_file_and_the_guard_are_closed_all_the_same(folder: Path) -> None:
    key = bundle(folder)
    result = ringwall("dev.one", "--reason", REASON, "--yes", "--key", key, "--bundles", folder, "--project", folder)
    assert result.code == 1
    edge, gateway, guard, summary = sorted(result.err.splitlines())
    assert summary == (
        "error: lockdown is not complete: dev.one (edge, gateway, guard); each line above says what is left, and what to do"
    )
    assert edge.startswith("dev.one: edge: still open, nothing was changed there: CLOUDFLARE_API_TOKEN is not set")
    assert gateway.startswith("dev.one: gateway: still open, nothing was changed there: Kong's Admin API at ")
    assert guard.startswith(
        "dev.one: guard: the guard has not confirmed that it is closed: no guard answers on "
        f"127.0.0.1:{PORT}. Copy {folder}/dev.one"
    )
    assert f"; there `curl -s http://127.0.0.1:{PORT}/readyz` shows when it is in force (" in guard
    manifest = load_environment(open_project(folder), "dev").servers["one"].manifest
    assert manifest.lockdown is not None
    assert manifest.lockdown.reason == REASON
    text = (folder / "dev.one.guard.bundle.json").read_bytes()
    opened = open_bundle(text, load_public_keys([folder / "keys/guard-signing.pub"]), expected_server=None, after=7)
    assert opened.bundle.config == closed(config("one", admin_port=PORT))
    assert opened.bundle.config.grants == ()
    assert opened.bundle.denied == ("person:mallory",)


def test_a_file_that_cannot_be_read_does_not_keep_another_servers_guard_open(folder: Path) -> None:
    key = bundle(folder)
    write_server(folder, "dev.two", "config:\n  ringwall:server:\n    version: 1\n")
    result = ringwall("dev.one", "--reason", REASON, "--yes", "--key", key, "--bundles", folder, "--project", folder)
    assert result.code == 1
    assert "dev.one: edge: still open, nothing was changed there: CLOUDFLARE_API_TOKEN is not set" in result.err
    assert json.loads((folder / "dev.one.guard.bundle.json").read_text())["config"]["grants"] == []


def test_a_servers_own_broken_file_keeps_no_guard_open(folder: Path) -> None:
    key = bundle(folder)
    (folder / "stacks" / "Pulumi.dev.one.yaml").write_text("config:\n  ringwall:server: [\n")
    result = ringwall("dev", "--reason", REASON, "--yes", "--key", key, "--bundles", folder, "--project", folder)
    assert result.code == 1
    assert "dev.one: file: lockdown is not in its stack file, so that the next `up` opens it again: " in result.err
    assert json.loads((folder / "dev.one.guard.bundle.json").read_text())["config"]["grants"] == []
    assert "lockdown:" in (folder / "stacks" / "Pulumi.dev.two.yaml").read_text()


def test_a_folder_that_cannot_be_written_keeps_no_guard_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bundle(folder)
    stacks = folder / "stacks"

    def read_only(changes: Any) -> None:
        if any(change.path.parent == stacks for change in changes):
            raise RingwallError(f"{stacks}: cannot be written (Read-only file system); nothing was changed")

    monkeypatch.setattr("operations.incident.close.apply", read_only)
    result = ringwall("dev.one", "--reason", REASON, "--yes", "--key", key, "--bundles", folder, "--project", folder)
    assert result.code == 1
    assert "dev.one: file: lockdown is not in its stack file, so that the next `up` opens it again: " in result.err
    assert json.loads((folder / "dev.one.guard.bundle.json").read_text())["config"]["grants"] == []
    assert json.loads((folder / JOURNAL).read_text().splitlines()[-1])["result"] == "not complete"


def test_a_bundle_that_cannot_be_trusted_is_not_replaced(folder: Path) -> None:
    key = bundle(folder)
    file = folder / "dev.one.guard.bundle.json"
    file.write_text(file.read_text().replace("person:mallory", "person:nobody"))
    before = file.read_bytes()
    result = ringwall("dev.one", "--reason", REASON, "--yes", "--key", key, "--bundles", folder, "--project", folder)
    assert "dev.one: guard: still open: " in result.err
    assert "cannot be trusted" in result.err
    assert file.read_bytes() == before


def test_the_second_run_keeps_the_reason_and_time_of_the_first(folder: Path) -> None:
    ringwall("dev.one", "--reason", REASON, "--yes", "--project", folder)
    before = (folder / "stacks/Pulumi.dev.one.yaml").read_bytes()
    result = ringwall("dev.one", "--reason", "another", "--yes", "--project", folder)
    assert "lockdown is in its stack file already" in result.out
    assert (folder / "stacks/Pulumi.dev.one.yaml").read_bytes() == before


def test_the_journal_says_who_what_why_and_how_it_ended(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "config", "user.email", "ada@example.com"], check=True)
    ringwall("dev.one", "--reason", REASON, "--yes", "--project", folder)
    begun, ended = [json.loads(line) for line in (folder / JOURNAL).read_text(encoding="utf-8").splitlines()]
    assert (begun["result"], begun["command"], begun["target"], begun["reason"]) == (
        "begun",
        "lockdown",
        "dev.one",
        REASON,
    )
    assert begun["who"]["email"] == "ada@example.com"
    assert (ended["id"], ended["result"]) == (begun["id"], "not complete")
    assert {step["ring"]: step["state"] for step in ended["steps"]} == {
        "file": "done",
        "edge": "failed",
        "gateway": "failed",
        "guard": "waiting",
    }
    assert ((folder / JOURNAL).stat().st_mode & 0o777) == 0o600


def test_json_is_one_document_also_when_something_is_not_closed(folder: Path) -> None:
    result = ringwall("dev.one", "--reason", REASON, "--yes", "--json", "--project", folder)
    assert (result.code, result.json["complete"], result.json["target"]) == (1, False, "dev.one")
    assert all(step["seconds"] >= 0 for step in result.json["steps"])


def test_opening_what_is_not_closed_is_refused(folder: Path) -> None:
    result = ringwall("dev.one", "--lift", "--yes", "--project", folder)
    message = f"no stack file closes dev.one; where a ring stayed closed, run `ringwall up dev.one --project {folder}`"
    assert (result.code, message in result.err) == (2, True)


def test_a_folder_of_bundles_that_is_not_there_is_refused_before_anything_is_done(folder: Path) -> None:
    key = bundle(folder)
    nowhere = folder / "typo"
    result = ringwall("dev.one", "--reason", REASON, "--yes", "--key", key, "--bundles", nowhere, "--project", folder)
    assert (result.code, result.errors) == (
        2,
        [f"--bundles: {nowhere} is no folder; name the one that holds the bundles"],
    )
    assert load_environment(open_project(folder), "dev").servers["one"].manifest.lockdown is None
    assert not nowhere.exists()


def test_a_zone_is_not_offered_and_not_closed(folder: Path) -> None:
    assert "zone" not in ringwall("--help").out
    assert ringwall("zone.example", "--reason", REASON, "--yes", "--project", folder).code == 2
