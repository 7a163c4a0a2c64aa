"""`ringwall verify` as a user types it: a project's files, a guard and a server as processes, an edge on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
import typer

from cli.flags import verify as command
from cli.verify import show
from model.errors import InputError, RingwallError
from model.project import load_environment, open_project
from model.tool_lock import to_yaml
from operations.verify import setup
from operations.verify.client import Address, Client, parse_resolve
from operations.verify.report import ProbeRecord, VerificationReport
from tests.support import guard_process as processes
from tests.support.command_line import Result, serve_desk
from tests.support.edge_stand_in import CLIENT_ID, CLIENT_SECRET, EdgeStandIn, edge_stand_in, signed_guard
from tests.support.projects import write_project
from tests.support.token_issuer import TokenIssuer

NAME, SIBLING = "one.example.com", "two.example.com"
DOORS = {NAME: "a" * 64, SIBLING: "b" * 64}
GRANTS = [
    {"to": {"all": True}, "tools": ["list_tickets", "search_tickets"]},
    {"to": {"agents": ["ci"]}, "tools": ["create_ticket"]},
]

Verify = Callable[..., Result]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    folder = tmp_path_factory.mktemp("stack")
    root = write_project(folder / "project", servers=2)
    desk = serve_desk("--port", "0")
    upstream = processes.Upstream(url=next(desk))
    lock = processes.lock_of(upstream)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text().replace("tools: [list_tickets, get_ticket]", "tools: [list_tickets, search_tickets]")
    file.write_text(text.replace("http://127.0.0.1:3000/mcp", str(upstream.url)))
    (root / "stacks" / "dev.one.lock.yaml").write_text(to_yaml(lock))
    with TokenIssuer() as issuer:
        front = [{"hostname": NAME, "audience": DOORS[NAME]}]
        identity = {
            "access": {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, "front_doors": front},
            "agents": {CLIENT_ID: "ci"},
        }
        server = {"environment": "dev", "name": "one"}
        with (
            signed_guard(upstream, folder / "guard", lock, server=server, identity=identity, grants=GRANTS) as guard,
            edge_stand_in(EdgeStandIn(issuer, DOORS, dict.fromkeys(DOORS, guard.port))) as edge,
        ):
            yield SimpleNamespace(root=root, edge=edge, config=folder / "guard" / "config.json")
    desk.close()  # type: ignore[attr-defined]


@pytest.fixture
def verify(stack: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verify:
    app = typer.Typer()
    app.command()(command.verify)
    monkeypatch.delenv("RINGWALL_PROJECT", raising=False)

    def run(*arguments: str, service_token: bool = True, server: str = "dev.one") -> Result:
        monkeypatch.setenv("CF_ACCESS_CLIENT_ID", CLIENT_ID if service_token else "")
        monkeypatch.setenv("CF_ACCESS_CLIENT_SECRET", CLIENT_SECRET if service_token else "")
        resolved = [f"--resolve={name}=127.0.0.1:{stack.edge.port}" for name in DOORS]
        common_arguments = [
            server,
            "--project",
            str(stack.root),
            *resolved,
            "--insecure-http",
            "--guard-config",
            str(stack.config),
        ]
        code: object = 0
        try:
            code = app([*common_arguments, *arguments], standalone_mode=False) or 0
        except RingwallError as error:
            return Result(error.exit_code, "", f"error: {error}\n")
        out, err = capsys.readouterr()
        return Result(int(str(code)), out, err)

    return run


def test_a_deployed_server_passes_and_the_report_goes_to_table_json_and_junit(verify: Verify, tmp_path: Path) -> None:
    junit = tmp_path / "verify.xml"
    result = verify("--json", "--junit", str(junit))
    checks = {check["id"]: check for check in result.json["checks"]}
    assert result.json["failed"] == 0
    assert checks["calls.tools-list"]["seen"] == "3 tools, all locked and granted to agent:ci"
    assert checks["tokens.sibling"]["outcome"] == "pass"
    assert checks["ports.guard"]["reason"] == "not run with --on-host, which says that this machine is the origin host"
    suite = ElementTree.parse(junit).getroot()[0]  # noqa: S314 - our own file
    assert suite.attrib["failures"] == "0"
    assert int(suite.attrib["skipped"]) == result.json["skipped"] == len(suite.findall("testcase/skipped"))
    table = verify()
    assert re.search(r"^\d+ passed, 0 failed, \d+ skipped$", table.out.splitlines()[-1])
    for shown in (result.out, result.err, table.out, table.err, junit.read_text()):
        assert CLIENT_SECRET not in shown
        assert "eyJ" not in shown


def test_a_file_that_cannot_be_written_does_not_cost_the_report(
    verify: Verify, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a-file").touch()
    result = verify("--junit", str(tmp_path / "a-file" / "verify.xml"))
    assert (result.code, "cannot be written" in result.err) == (2, True)
    assert " passed, 0 failed, " in capsys.readouterr().out


def test_the_folders_above_a_report_are_made(verify: Verify, tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "verify.xml"
    assert verify("--junit", str(file)).code == 0
    assert file.read_text().startswith("<?xml")


def test_a_failure_names_its_remedy_and_ends_with_3(stack: SimpleNamespace, verify: Verify) -> None:
    stack.edge.breaks_pkce = True
    try:
        result = verify()
    finally:
        stack.edge.breaks_pkce = False
    assert result.code == 3
    lines = result.out.splitlines()
    at = lines.index("discovery.pkce on one.example.com")
    assert lines[at + 1 : at + 3] == ["  expected: S256", "  remedy: switch PKCE on at the issuer"]
    # Tabs in a pipe, a whole row a line.
    assert "fail\tdiscovery.pkce\tone.example.com\tonly plain" in lines


ADVICE = "for people who use it, add its name to the access.clients of it and run `ringwall up dev`"


def test_at_80_columns_nothing_is_cut_and_a_reason_stands_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    name = "a-rather-long-name-of-a-server.of-an-environment.example.com"
    silent = f"{name} does not answer: no connection"
    failed = ProbeRecord(
        "edge.reachable", name, "t", "an answer of the edge or gateway", "no connection", "fail", "run it"
    )
    ids = [f"discovery.check-number-{number}" for number in range(38)]
    skips = tuple(ProbeRecord(id_, name, "t", "e", silent, "skipped", None) for id_ in ids)
    kept_out = ProbeRecord("discovery.client.cursor", name, "t", "e", "does not work: it is refused", "skipped", ADVICE)
    show(VerificationReport("dev.one", (failed, *skips, kept_out)), as_json=False)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert " ".join(out.split()).count(silent) == 1
    assert "skipped 38 checks: " in out
    assert all(id_ in out for id_ in (*ids, name))
    assert "skipped: does not work: it is refused\n  discovery.client.cursor on" in out
    # The command stays on one line, to be pasted.
    assert "`ringwall up dev`" in out


def test_what_was_skipped_fails_with_strict_only(verify: Verify) -> None:
    assert (verify(service_token=False).code, verify("--strict", service_token=False).code) == (0, 3)


def test_the_identity_decides_what_is_expected(verify: Verify) -> None:
    result = verify("--as", "ada@example.com", "--json")
    failed = {check["id"]: check["seen"] for check in result.json["checks"] if check["outcome"] == "fail"}
    assert failed == {"calls.tools-list": "create_ticket is not granted"}


def test_wrong_options_are_refused_before_anything_is_sent(stack: SimpleNamespace, verify: Verify) -> None:
    before = len(stack.edge.seen)
    for arguments, words in (
        (("--resolve=elsewhere.example.com=127.0.0.1:1",), "is no public name of dev"),
        (("--as", "somebody"), "names no principal"),
        (("--planted", "x=[1]"), "is not TOOL=JSON"),
        (("--bearer-token-env", "NOT_SET_HERE"), "the variable NOT_SET_HERE is not set"),
    ):
        result = verify(*arguments)
        assert (result.code, words in result.err) == (2, True), result.err
    assert verify(server="dev.nobody").code == 2
    assert len(stack.edge.seen) == before


def test_a_rehearsal_asks_no_public_name(stack: SimpleNamespace, verify: Verify) -> None:
    before = len(stack.edge.seen)
    result = verify("--sandbox")
    assert (result.code, len(stack.edge.seen)) == (2, before)
    assert "--sandbox: nothing of a rehearsal answers at a public name" in result.err
    assert "`ringwall plan dev.one" in result.err


def test_clients_are_registered_and_removed_unless_that_is_declined(stack: SimpleNamespace, verify: Verify) -> None:
    def clients(*arguments: str) -> dict[str, str]:
        checks = json.loads(verify("--json", *arguments).out)["checks"]
        return {check["id"]: check["outcome"] for check in checks if check["id"].startswith("discovery.client.")}

    seen = len(stack.edge.seen)
    outcomes = clients()
    assert (outcomes["discovery.client.claude-code"], outcomes["discovery.client.cursor"]) == ("pass", "skipped")
    assert {path for _, path, _ in stack.edge.seen[seen:] if path == "/oauth/register"}
    assert stack.edge.registered == {}
    seen = len(stack.edge.seen)
    assert set(clients("--no-register").values()) == {"skipped"}
    assert not {path for _, path, _ in stack.edge.seen[seen:] if path == "/oauth/register"}


def test_plain_http_is_for_loopback_only() -> None:
    with pytest.raises(InputError, match="would show the tokens"):
        Client({"a.example.com": Address("192.0.2.1", 80)}, insecure_http=True)
    with pytest.raises(InputError, match="needs a loopback address"):
        Client({}, insecure_http=True)


@pytest.mark.parametrize("text", ["a", "a=", "a=b.example.com", "a=127.0.0.1:0", "=127.0.0.1", "a=127.0.0.1:x"])
def test_a_resolve_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="NAME=ADDRESS"):
        parse_resolve([text])


def test_resolve_takes_both_families_of_addresses() -> None:
    addresses = parse_resolve(["a.example.com=127.0.0.1:8443", "b.example.com=[::1]:1", "c.example.com=::1"])
    assert list(addresses.values()) == [Address("127.0.0.1", 8443), Address("::1", 1), Address("::1")]


def test_an_empty_report_is_no_pass_and_untrusted_words_stay_data() -> None:
    assert VerificationReport("s", ()).exit_code(strict=False) == 3
    check = ProbeRecord("edge.x", "h", "t", "e", "a\x00\x1b[31m<b>\n", "fail", "r")
    text = VerificationReport("s", (check,)).junit()
    assert ElementTree.fromstring(text)[0][0][0].attrib["message"] == "a<U+0000><U+001B>[31m<b>"  # noqa: S314
    assert VerificationReport("s", (check,)).rows()[0][3] == "a<U+0000><U+001B>[31m<b>"


def test_every_port_behind_the_name_is_tried_and_none_that_is_meant_to_be_reached(tmp_path: Path) -> None:
    environment = load_environment(open_project(write_project(tmp_path)), "dev")
    subject = setup.subject_of(environment, environment.servers["one"], None)
    assert {port.name: port.port for port in subject.ports} == {
        "origin": 3000,
        "guard": 9010,
        "guard-admin": 10010,
        "gateway": 8000,
        "gateway-admin": 8001,
        "gateway-status": 8100,
        "gateway-manager": 8002,
    }
    assert [(ring.name, ring.port) for ring in subject.rings] == [("gateway", 8000), ("guard", 9010)]
    # Nothing deployed is known, and none is made up.
    assert (subject.doors[0].audience, subject.agents) == (None, {})


def test_the_sum_counts_a_skip_as_a_skip() -> None:
    checks = tuple(ProbeRecord("a", "h", "", "", "", outcome, "") for outcome in ("pass", "skipped", "skipped"))
    report = VerificationReport("s", checks)
    assert (report.summary, json.dumps(report.as_json()["passed"])) == ("1 passed, 0 failed, 2 skipped", "1")
