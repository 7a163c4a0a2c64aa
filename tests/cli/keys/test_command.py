"""`keys sync` as a command: what it prints, its exit codes, and `--watch`."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cli.keys import watch
from components.gateway.names import consumer_username
from engine.workspace import Target
from model.errors import Unreachable
from model.project import load, open_project
from operations.drift.comparison import DriftComparison
from operations.drift.sources import compare
from operations.keys.sync import IssuerReport, SyncReport
from tests.support.command_line import Result, ringwall
from tests.support.issuer_keys import (
    CONSUMER,
    OWN_TAGS,
    ec_jwk,
    jwk,
    pem,
    refused,
)
from tests.support.kong_admin import JwksStandIn, KongStandIn
from tests.support.projects import write_project


def test_a_missing_consumer_names_the_command_that_makes_it(kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.consumers.clear()
    idp.publish(jwk("k1"))
    assert refused(kong, idp) == f"Kong has no consumer {CONSUMER}; run `ringwall up dev`"


@pytest.fixture
def folder(tmp_path: Path, kong: KongStandIn, idp: JwksStandIn) -> Path:
    root = write_project(tmp_path)
    file = root / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text().replace("http://127.0.0.1:8001", kong.uri)
    file.write_text(text.replace("https://login.example.org/realms/tools/certs", idp.url))
    kong.consumers.clear()
    kong.consumer(consumer_username("dev", "keycloak"))
    return root


def command(folder: Path, *arguments: str) -> Result:
    return ringwall("keys", "sync", "dev", "--project", folder, "--issuer", "keycloak", *arguments)


def test_the_command_names_kids_and_ages_and_no_key(folder: Path, kong: KongStandIn, idp: JwksStandIn) -> None:
    kong.credential(consumer_username("dev", "keycloak"), "k0", pem("k0"), OWN_TAGS, created_at=0)
    idp.publish(jwk("k0"), jwk("k1"), ec_jwk("curve"))
    result = command(folder)
    assert result.code == 0
    first, second = result.out.splitlines()
    assert first == "keycloak: k1: added"
    assert second.startswith("keycloak: k0: kept, ")
    assert int(second.split()[3]) > 20_000
    assert result.err == "warning: issuer keycloak: not used: curve: kind EC is not RSA\n"


def test_the_command_prints_one_json_document(folder: Path, idp: JwksStandIn) -> None:
    idp.publish(jwk("k1"))
    result = command(folder, "--json")
    assert result.code == 0
    assert result.json == {
        "version": 1,
        "environment": "dev",
        "dry_run": False,
        "reader": None,
        "issuers": [
            {
                "issuer": "keycloak",
                "added": ["k1"],
                "replaced": [],
                "removed": [],
                "kept": [],
                "foreign": [],
                "strangers": [],
                "thrown_out": [],
                "ignored": [],
                "error": None,
            }
        ],
    }


def test_the_command_names_what_is_not_ours_fails_and_ends_it_when_told(
    folder: Path, kong: KongStandIn, idp: JwksStandIn
) -> None:
    kong.join("mallory", "issuer-keycloak")
    kong.credential("mallory", "m1", pem("mallory"), OWN_TAGS)
    idp.publish(jwk("k1"))
    result = command(folder)
    assert (result.code, result.out) == (3, "keycloak: k1: added\n")
    assert result.err == (
        "warning: issuer keycloak: consumer mallory is in group issuer-keycloak and not Ringwall's, so what it signs is "
        f"trusted (kid m1); `ringwall keys sync dev --remove-strangers --project {folder}` ends that\n"
    )
    result = command(folder, "--remove-strangers")
    assert (result.code, result.err) == (0, "")
    assert "keycloak: mallory: taken out of the issuer's group\n" in result.out
    assert command(folder).code == 0


def test_drift_shows_strangers_and_what_puts_them_out(folder: Path, kong: KongStandIn, idp: JwksStandIn) -> None:
    own = consumer_username("dev", "keycloak")
    kong.credential(own, "theirs", pem("theirs"), [])
    kong.join("mallory", "issuer-keycloak")
    kong.credential("mallory", "m1", pem("mallory"), [])
    idp.publish(jwk("k1"))
    project = open_project(folder)
    comparison = DriftComparison(project, Target(project), load(project, "dev"), ("dev",))
    rows, _ = compare(comparison, ["keys"], lambda _: None)
    throw_out = "`ringwall keys sync dev --remove-strangers`"
    assert [(row.kind, row.what, row.real, row.repair) for row in rows if "keycloak" in row.what] == [
        ("missing", "issuer keycloak kid k1", "absent", "`ringwall keys sync dev`"),
        ("drift", "issuer keycloak kid theirs", "put there by hand", throw_out),
        ("drift", "issuer keycloak consumer mallory", "in its group, kids m1", throw_out),
    ]
    assert kong.writes() == []


def test_a_failed_sync_exits_with_six(folder: Path, idp: JwksStandIn) -> None:
    idp.status = 500
    result = command(folder, "--json")
    assert result.code == 6
    assert "answered 500" in result.json["issuers"][0]["error"]
    assert "error: issuer keycloak: " in result.err


@pytest.mark.parametrize("interval", ["5", "0m", "soon", ""])
def test_a_bad_interval_is_wrong_input(folder: Path, interval: str) -> None:
    result = command(folder, "--watch", "--interval", interval)
    assert result.code == 2
    assert "--interval: must be" in result.errors[0]


def test_watch_survives_a_failure_loudly_and_syncs_at_the_next_turn(capfd: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    turns = 0

    def once() -> SyncReport:
        nonlocal turns
        turns += 1
        if turns == 1:
            raise Unreachable("Kong is away")
        if turns == 2:
            return SyncReport("dev", False, (IssuerReport("idp", error="garbage"),))
        stop.set()
        return SyncReport("dev", False, (IssuerReport("idp", added=("k1",), unchanged={"k0": 3}),))

    watch(once, 0.001, stop=stop)
    out, err = capfd.readouterr()
    assert out == "idp: k1: added\n"
    assert "error: Kong is away" in err
    assert "error: issuer idp: garbage" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_stops_cleanly_on_a_signal(folder: Path, kong: KongStandIn, idp: JwksStandIn, number: int) -> None:
    idp.publish(jwk("k1"))
    arguments = ["keys", "sync", "dev", "--project", str(folder), "--issuer", "keycloak", "--watch", "--interval", "1h"]
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "keycloak: k1: added\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "")
    assert err.endswith(" stopped\n")
    assert kong.kids(consumer_username("dev", "keycloak")) == ["k1"]
