"""The probe takes everything a server of either era offers, whole and bounded, and says in one line why it cannot."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.errors import InputError, Unreachable
from wire import mcp as module
from wire.mcp import HttpTarget, StdioTarget, UnixSocketTarget, probe

ROOT = Path(__file__).parents[2]
DESK_TOOLS = {
    "list_tickets",
    "get_ticket",
    "search_tickets",
    "create_ticket",
    "close_ticket",
    "run_report_command",
}


def python(code: str, **fields: Any) -> StdioTarget:
    return StdioTarget((sys.executable, "-c", code), **fields)


def refused(target: module.Target, timeout: float = 10.0) -> str:
    with pytest.raises((Unreachable, InputError)) as caught:
        probe(target, timeout=timeout)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_real_server_over_http_speaks_the_modern_era(desk: str) -> None:
    offer = probe(HttpTarget(desk))
    assert (offer.name, offer.version, offer.protocol_version) == ("ticket-desk", "1.4.0", "2026-07-28")
    assert {tool["name"] for tool in offer.tools} == DESK_TOOLS
    assert {prompt["name"] for prompt in offer.prompts} == {"triage", "weekly_summary"}
    assert [resource["uri"] for resource in offer.resources] == ["desk://handbook"]
    assert [template["uriTemplate"] for template in offer.resource_templates] == ["desk://tickets/{ticket_id}"]
    assert offer.instructions is not None
    assert offer.instructions.startswith("Tickets of the support desk.")


def test_stdio_and_unix_socket_and_http_offer_the_same(
    desk: str, start_demo: Callable[..., Any], tmp_path: Path
) -> None:
    by_stdio = probe(StdioTarget((sys.executable, "-m", "sandbox.mcp_server", "--stdio"), directory=str(ROOT)))
    path = str(tmp_path / "s")
    with start_demo("--socket", path) as (line, process):
        assert line == f"unix:{path}:/mcp"
        by_socket = probe(UnixSocketTarget(path))
    assert process.returncode == 0
    assert by_stdio == by_socket == probe(HttpTarget(desk))


def test_legacy_only_server_is_reached_by_the_handshake(peer: Any) -> None:
    offer = probe(HttpTarget(peer.url))
    assert peer.seen[:3] == ["server/discover", "initialize", "notifications/initialized"]
    assert (offer.name, offer.version, offer.protocol_versions) == ("old", "0.9", ("2025-06-18",))
    assert offer.instructions == "Be gentle."
    assert [tool["name"] for tool in offer.tools] == ["list_notes"]


def test_answers_as_event_streams_are_read(peer: Any) -> None:
    peer.sse = True
    assert [tool["name"] for tool in probe(HttpTarget(peer.url)).tools] == ["list_notes"]


def test_legacy_stdio_server_that_ignores_discovery_is_still_reached() -> None:
    code = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    r = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                        "serverInfo": {"name": "quiet", "version": "1"}},
         "tools/list": {"tools": []}}.get(m["method"])
    if r is not None:
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
"""
    assert probe(python(code), timeout=3.0).name == "quiet"


@pytest.mark.parametrize("era", ["peer", "modern"])
def test_fields_the_sdk_does_not_know_are_kept(era: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(era)
    odd: dict[str, Any] = {
        "name": "list_notes",
        "inputSchema": {"type": "object", "x-secret": [1.0, 10**30, "NO"]},
        "x-vendor": {"deep": {"er": None}},
        "annotations": {"readOnlyHint": True, "futureHint": "run me"},
    }
    server.answers["tools/list"] = {**server.answers["tools/list"], "tools": [odd]}
    offer = probe(HttpTarget(server.url))
    assert offer.tools == (odd,)
    assert repr(offer.tools[0]["inputSchema"]["x-secret"]) == repr([1.0, 10**30, "NO"])


def test_all_pages_of_every_list_are_followed(peer: Any) -> None:
    def pages(key: str, make: Callable[[int], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def page(params: dict[str, Any]) -> dict[str, Any]:
            number = int(params.get("cursor") or 0)
            cursor = {"nextCursor": str(number + 1)} if number < 3 else {}
            return {key: [make(number)], **cursor}

        return page

    peer.answers |= {
        "tools/list": pages("tools", lambda n: {"name": f"t{n}", "inputSchema": {"type": "object"}}),
        "prompts/list": pages("prompts", lambda n: {"name": f"p{n}"}),
        "resources/list": pages("resources", lambda n: {"name": f"r{n}", "uri": f"a://{n}"}),
        "resources/templates/list": pages(
            "resourceTemplates", lambda n: {"name": f"x{n}", "uriTemplate": f"a://{n}/{{i}}"}
        ),
    }
    offer = probe(HttpTarget(peer.url))
    assert [t["name"] for t in offer.tools] == ["t0", "t1", "t2", "t3"]
    assert [p["name"] for p in offer.prompts] == ["p0", "p1", "p2", "p3"]
    assert [r["uri"] for r in offer.resources] == ["a://0", "a://1", "a://2", "a://3"]
    assert len(offer.resource_templates) == 4


def test_lists_without_the_capability_are_not_asked_for(modern: Any) -> None:
    probe(HttpTarget(modern.url))
    assert modern.seen == ["server/discover", "tools/list"]


def test_advertised_list_without_the_method_is_empty(peer: Any) -> None:
    del peer.answers["prompts/list"], peer.answers["resources/templates/list"]
    offer = probe(HttpTarget(peer.url))
    assert (offer.prompts, offer.resource_templates) == ((), ())


def test_paging_without_end_is_refused(peer: Any) -> None:
    tool = {"name": "t", "inputSchema": {"type": "object"}}
    peer.answers["tools/list"] = {"tools": [tool], "nextCursor": "again"}
    assert "repeats a cursor" in refused(HttpTarget(peer.url))
    peer.answers["tools/list"] = lambda p: {"tools": [], "nextCursor": str(int(p.get("cursor") or 0) + 1)}
    assert f"over {module.MAX_PAGES} pages" in refused(HttpTarget(peer.url))


def test_more_than_can_be_reviewed_is_refused(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    peer.answers["tools/list"] = {"tools": [{"name": f"t{n}", "inputSchema": {"type": "object"}} for n in range(6)]}
    monkeypatch.setattr(module, "MAX_ENTRIES", 5)
    assert "over 5 tools" in refused(HttpTarget(peer.url))


def test_answers_beyond_the_byte_limit_are_cut_off(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 2**20)
    long = {"name": "t", "inputSchema": {"type": "object"}, "description": "x" * 2**21}
    peer.answers["tools/list"] = {"tools": [long]}
    assert "its answers are over 1 MiB" in refused(HttpTarget(peer.url))


def test_definition_that_is_not_json_or_not_a_tool_is_refused_by_name(peer: Any) -> None:
    peer.answers["tools/list"] = {"tools": [{"name": "bad", "inputSchema": {"type": "object", "max": float("nan")}}]}
    assert "its definition of bad is not plain JSON" in refused(HttpTarget(peer.url))
    peer.answers["tools/list"] = {"tools": [{"name": "bad"}]}
    assert "its list of tools breaks the protocol at tools.0.inputSchema" in refused(HttpTarget(peer.url))


def test_nothing_listening_says_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/mcp"
        assert refused(HttpTarget(url)).startswith(f"{url}: nothing listens there; start the server")


def test_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = refused(HttpTarget(f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"), timeout=0.6)
    assert "did not answer" in text
    assert "within 0.6 s" in text


def test_page_that_is_not_mcp_says_what_came_instead(peer: Any, desk: str) -> None:
    peer.raw = b"<html>hello</html>"
    assert "did not answer as an MCP server (HTTP 200 text/html" in refused(HttpTarget(peer.url))
    assert "did not answer as an MCP server (HTTP 404" in refused(HttpTarget(desk.replace("/mcp", "/nope")))


def test_origin_that_demands_its_own_authentication_is_named_with_its_header(peer: Any) -> None:
    peer.status, peer.headers = 401, {"www-authenticate": 'Bearer realm="x"'}
    assert "the origin itself demands an Authorization header (Bearer) (401)" in refused(HttpTarget(peer.url))
    peer.headers = {}
    assert "the origin itself demands credentials of its own, naming no header (401)" in refused(HttpTarget(peer.url))
    peer.status = 403
    assert "the origin itself forbids this (HTTP 403)" in refused(HttpTarget(peer.url))


def test_given_headers_are_sent_and_never_shown(peer: Any) -> None:
    target = HttpTarget(peer.url, headers={"authorization": "Bearer planted-secret"})
    assert "planted-secret" not in repr(target)
    peer.status = 401
    assert "planted-secret" not in refused(target)


def test_proxy_of_the_environment_is_not_used(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert probe(HttpTarget(peer.url)).name == "old"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://192.0.2.1:3000/mcp", "192.0.2.1 is not loopback"),
        ("https://mcp.example.com/mcp", "mcp.example.com is not loopback"),
        ("http://127.0.0.1.example.com/mcp", "is not loopback"),
        ("http://user:planted-secret@127.0.0.1:1/mcp", "the URL holds credentials"),
        ("ftp://127.0.0.1/mcp", "is not an http URL"),
        ("http://127.0.0.1:99999/mcp", "is not an http URL"),
        ("127.0.0.1:3000", "is not an http URL"),
    ],
)
def test_target_that_is_no_loopback_url_is_refused_before_any_connection(url: str, problem: str) -> None:
    text = refused(HttpTarget(url))
    assert problem in text
    assert "planted-secret" not in text


def test_missing_socket_and_empty_command_are_refused(tmp_path: Path) -> None:
    assert "is no Unix socket" in refused(UnixSocketTarget(str(tmp_path / "none")))
    assert "the command is empty" in refused(StdioTarget(()))


def test_command_that_does_not_exist_or_may_not_run_says_so(tmp_path: Path) -> None:
    assert "there is no such program" in refused(StdioTarget(("no-such-program-here",)))
    plain = tmp_path / "plain"
    plain.write_text("x", encoding="utf-8")
    assert "may not be run" in refused(StdioTarget((str(plain),)))
    assert "its directory" in refused(python("0", directory=str(tmp_path / "none")))


def test_command_that_crashes_gives_its_last_words() -> None:
    text = refused(python("import sys; print('one', file=sys.stderr); sys.exit('no \\x1b[31mtoken set')"))
    assert text.endswith("the last line of its stderr: no <U+001B>[31mtoken set")


def test_command_that_prints_other_things_is_told_apart() -> None:
    text = refused(python("print('hello', flush=True); import sys; sys.stdin.read()"), timeout=1.0)
    assert "its stdout held lines that are not JSON-RPC" in text


def alive(pid: int) -> bool:
    """A zombie that its new parent has not reaped yet is dead."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z")


def test_no_child_survives_the_probe(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    code = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open({str(pids)!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
time.sleep(600)
"""
    refused(python(code), timeout=1.5)
    for pid in pids.read_text(encoding="utf-8").split():
        assert not alive(int(pid))


def test_sdk_prints_nothing_while_a_peer_talks_nonsense(capfd: pytest.CaptureFixture[str]) -> None:
    refused(python("print('{nonsense', flush=True)"))
    assert capfd.readouterr() == ("", "")
