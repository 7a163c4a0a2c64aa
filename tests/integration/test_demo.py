"""The demo tells its story on real servers, a real guard and the real engine, and fails when a step is not true.

One run is shared by the tests of what it says, writes and leaves.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from cli.demo_attempts import CHANGED, NO_TOKEN
from cli.demo_calls import DemoClient
from cli.demo_scan import scan_server
from cli.demo_servers import desk_server, everything_server
from cli.demo_stage import Stage
from model.errors import RingwallError
from operations.sockets import listeners
from plan.rings import RINGS
from sandbox.sign_in import SignIn
from tests.support.guard_process import Upstream, guard
from tests.support.issued_tokens import PERSON
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.engine

RINGWALL = str(Path(sys.executable).with_name("ringwall"))
PAGE = Path(__file__).parents[2] / "docs" / "start" / "demo.md"
#: Each call of the story: what decides, for which reason, and words that the client must see.
CALLS = {
    "allowed": ("allow", "allow", "Printer on floor 3"),
    "allowed-outward": ("allow", "allow", "all services work"),
    "no-token": ("refuse", "access_missing", "HTTP 401"),
    "forged-token": ("refuse", "access_bad_signature", "HTTP 401"),
    "denied-tool": ("refuse", "not_granted", "Unknown tool: execute_command"),
    "injected-result": ("block", "injection", "The result of this call was blocked"),
    "exfiltration": ("block", "taint", "could send data out after untrusted content"),
    "changed-definition": ("refuse", "lock_mismatch", "Unknown tool: list_tickets"),
}
#: The same of each request to a model.
MODEL_CALLS = {
    "model-allowed": ("allow", "allow", "It prints blank pages."),
    "model-not-granted": ("refuse", "not_granted", "HTTP 404 model_not_found: The model 'large' does not exist"),
    "model-injected": ("block", "injection", "HTTP 400 content_filter: The guard blocked a tool result (messages[2])"),
    "model-budget": ("refuse", "rate_limited", "5 more answers, then HTTP 429 rate_limit_exceeded, Retry-After "),
}


@dataclass(frozen=True)
class Run:
    """A finished demo; `home` was its folder for temporary files, `out` is where log, page and data are."""

    code: int
    text: str
    errors: str
    home: Path
    out: Path

    @property
    def report(self) -> Any:
        return json.loads((self.out / "demo.json").read_text())


def demo(home: Path, *options: str, **variables: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(home), "COLUMNS": "80", **variables}
    command = [RINGWALL, "demo", "--no-everything", *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    # Short, as a Unix socket's whole path must be.
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as home:
        out = tmp_path_factory.mktemp("out")
        process = demo(Path(home), "--output", str(out))
        text, errors = process.communicate(timeout=280)
        yield Run(process.returncode, text, errors, Path(home), out)


def test_every_step_does_what_it_says(run: Run) -> None:
    assert run.code == 0, run.errors
    report = run.report
    assert [step["number"] for step in report["steps"]] == [1, 2, 3, 4, 5, 6, 7, 8]
    found, onboarded, added, deployed, called, asked, proven, destroyed = (step["result"] for step in report["steps"])
    assert found["executes"] == ["execute_command"]
    # A server on 0.0.0.0 where the system gives the demo a network of its own, else the one on loopback.
    exposed = ("0.0.0.0:8080", "critical", 3)
    assert (found["place"], found["danger"], found["exit_code"]) == exposed or found["danger"] == "medium"
    assert "execute_command" in onboarded["not_granted"]
    assert added == {"granted": ["small"], "not_granted": ["large"], "tokens_per_day": 100}
    assert deployed["resources"] > 20
    assert deployed["second_up_changes"] == report["second_up_changes"] == 0
    assert called == {"calls": 8, "refused": 6}
    # One answer, and five more of 16 tokens each until the budget of 100 ends: what was refused reached no provider.
    assert asked == {"calls": 4, "refused": 3, "reached_the_provider": 6}
    assert proven["records"] > 10
    assert proven["altered_copy_is_broken"] is True
    assert destroyed["resources"] == report["left_after_destroy"] == 0
    assert all(command["seconds"] >= 0 for step in report["steps"] for command in step["commands"])
    enforced = {stack: [row for row in report["enforced"] if row["server"] == stack] for stack in ("tickets", "models")}
    rows = {(row["ring"], row["protection"]): row["how"] for row in enforced["tickets"]}
    assert {row["ring"] for row in enforced["models"]} == {ring for ring, _ in rows} == set(RINGS)
    assert rows[("edge", "tunnel checks the Access token")] == "in 1 of 1 ingress rule, else 404"
    assert rows[("gateway", "requests per principal")] == "240 per minute, 4800 per hour; fails closed"


def test_each_refusal_is_seen_by_the_client_and_stands_in_the_log(run: Run) -> None:
    report = run.report
    calls = {call["name"]: call for call in (*report["calls"], *report["model_calls"])}
    expected = CALLS | MODEL_CALLS
    assert list(calls) == list(expected)
    for name, (decision, reason, words) in expected.items():
        call = calls[name]
        assert (call["decision"], call["reason"]) == (decision, reason)
        assert words in call["client_saw"]
        shown = " ".join(run.text.split())
        assert f"#{call['record']} {decision}" in shown
        assert re.fullmatch("[0-9a-f]{16}", call["incident"])
        # Whole on one line; of a refusal twice, as it stands in the client's answer and in the log.
        assert run.text.count(call["incident"]) == (1 if decision == "allow" else 2)
    for log in ("calls", "model_calls"):
        numbers = [call["record"] for call in report[log]]
        assert numbers == sorted(set(numbers))


def test_the_story_is_short_and_the_log_holds_the_rest(run: Run) -> None:
    lines = run.text.splitlines()
    assert 60 <= len(lines) <= 160
    # A folder's name alone may be longer than a line.
    assert [line for line in lines if len(line.rstrip()) > 80 and str(run.out) not in line] == []
    assert f"All that the commands say is in {run.out / 'demo.log'}" in lines
    log = (run.out / "demo.log").read_text()
    assert "$ ringwall destroy demo --servers --sandbox --yes" in log
    for stack in ("demo.tickets", "demo.models"):
        assert f"guard of {stack} listens on http://127.0.0.1:" in log
    assert len(log.splitlines()) > 300


def test_nothing_is_left_but_what_was_asked_for(run: Run) -> None:
    assert list(run.home.iterdir()) == []
    assert sorted(file.name for file in run.out.iterdir()) == ["demo.json", "demo.log", "rings.html"]
    ports = {int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", (run.out / "demo.log").read_text())}
    # 8001 stands for a Kong, and 8080 is the scanned server's in a network of its own: both may be a stranger's here.
    assert [listener for port in ports - {8001, 8080} for listener in listeners(port)] == []


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sections: dict[str, list[str]] = {}
        self.loads: list[tuple[str, str]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section":
            self.sections[str(given["id"])] = []
        self._in_cell = tag == "td"
        self.loads += [(tag, name) for name in given if name in ("src", "href", "srcset", "action", "data")]

    def handle_data(self, data: str) -> None:
        if self._in_cell and data.strip():
            [*_, cells] = self.sections.values()
            cells.append(data)


def test_the_page_shows_the_rings_loads_nothing_and_is_the_same_on_every_run(run: Run) -> None:
    text = (run.out / "rings.html").read_text()
    page = _Page()
    page.feed(text)
    report = run.report
    assert list(page.sections) == list(RINGS)
    for row in report["rings"]:
        cells = page.sections[row["ring"]]
        assert cells[cells.index(row["tried"]) + 1] == row["answer"]
    assert len([row for row in report["rings"] if row["ring"] == "guard"]) == len(CALLS | MODEL_CALLS)
    assert page.loads == []
    assert not re.search(r"url\(|@import|<script|https?://(?!127\.0\.0\.1:PORT)", text)
    assert 'name="viewport" content="width=device-width' in text
    assert "prefers-color-scheme: dark" in text
    changing = [call["incident"] for call in (*report["calls"], *report["model_calls"]) if call["incident"]]
    changing += re.findall(r"127\.0\.0\.1:(\d+)", run.text)
    assert [part for part in changing if part in text] == []


def words(text: str) -> list[str]:
    """A run's words without what differs from run to run (numbers, ports, folders, how lines are wrapped), and of each
    answer and record its decision and reason alone."""
    text = re.sub(
        r"client: .*?\n +audit: +#\d+ ([a-z_ ]+)[^\n]*(\n {13}\S[^\n]*)*", r"client, audit: \1", text, flags=re.DOTALL
    )
    text = re.sub(r"/\S*/(demo\.log|demo\.json|rings\.html)", r"FOLDER/\1", text)
    return re.sub(r"\d+", "N", text.replace("\\\n", " ")).split()


def test_the_documented_run_is_what_a_run_says(run: Run) -> None:
    match = re.search(r"<!-- demo: begin -->\n+```text\n(.*?)```\n+<!-- demo: end -->", PAGE.read_text(), re.DOTALL)
    assert match is not None
    documented, shown = words(match[1]), words(run.text)
    if not run.report["steps"][0]["result"]["exposed"]:
        print("this system gives the demo no network of its own: its first step is not compared")
        documented, shown = (part[part.index("N.") + 1 :] for part in (documented, shown))
        documented, shown = ([*part[part.index("N.") : part.index("Ring")]] for part in (documented, shown))
    assert shown == documented


@pytest.fixture
def path_without_namespaces(tmp_path: Path) -> str:
    """A PATH whose unshare(1) says what it says in most containers, and to users of Ubuntu."""
    refusing = tmp_path / "bin" / "unshare"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    refusing.chmod(0o755)
    return f"{refusing.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize("has_namespaces", [True, False])
def test_an_interruption_leaves_nothing_behind(has_namespaces: bool, path_without_namespaces: str) -> None:
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as home:
        process = demo(Path(home), "--json", PATH=os.environ["PATH"] if has_namespaces else path_without_namespaces)
        logs = eventually_sync(
            lambda: [log for log in Path(home).glob("*/demo.log") if "==== 2." in log.read_text()],
            "the demo has onboarded nothing yet, and its server runs",
            within=120,
        )
        assert len(logs) == 1
        os.killpg(process.pid, signal.SIGINT)
        out, errors = process.communicate(timeout=120)
        assert (process.returncode, json.loads(out)["error"]["exit_code"]) == (130, 130), errors
        assert "nothing was changed" in errors
        assert list(Path(home).iterdir()) == []
        # The group is empty: neither server nor engine outlives the command.
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)


def test_a_call_that_is_not_refused_fails_the_demo(tmp_path: Path) -> None:
    with desk_server() as desk, guard(Upstream(desk.url), tmp_path) as running:
        caller = DemoClient(running.url, "127.0.0.1", running.audit)
        # A demo identity verifies nobody, and every tool is granted.
        for attempt in (NO_TOKEN, CHANGED):
            with pytest.raises(RingwallError, match=f"was to be {attempt.decision} {attempt.reason}, and is "):
                caller.make(attempt, None)


def test_without_a_network_of_its_own_the_server_on_loopback_is_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    stage = Stage(tmp_path / "demo.log")
    stage.step("scan")
    with desk_server() as desk:
        finding = scan_server(stage, desk.url, tmp_path)
        assert (finding.exposed, finding.danger, finding.executes) == (False, "medium", ("execute_command",))
        assert finding.place == f"127.0.0.1:{urlsplit(desk.url).port}"


def test_the_second_server_listens_on_loopback_alone() -> None:
    with everything_server() as url:
        if url is None:
            pytest.skip("npm's server-everything could not be started here, and was not checked")
        assert {listener.address for listener in listeners(urlsplit(url).port or 0)} == {"127.0.0.1"}


def test_a_persons_token_holds_the_claims_that_are_documented(tmp_path: Path) -> None:
    issuer = "https://example.cloudflareaccess.com"
    with SignIn(issuer, tmp_path) as sign_in:
        claims = jwt.decode(sign_in.token("ada@example.com", "a" * 64), options={"verify_signature": False})
    assert claims.keys() == PERSON.claims(issuer, "a" * 64).keys()
    assert (claims["iss"], claims["aud"], claims["email"]) == (issuer, ["a" * 64], "ada@example.com")
