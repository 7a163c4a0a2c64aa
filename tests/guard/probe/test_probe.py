"""The probe takes everything a server of either era offers, whole and bounded, and says in one line why it cannot."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from guard.probe import conversation, lists
from guard.probe.probe import Moved, probe
from model.errors import InputError, Unreachable
from model.server import Origin
from tests.support.waiting import eventually_sync

ROOT = Path(__file__).parents[3]
DESK_TOOLS = {
    "list_tickets",
    "get_ticket",
    "search_tickets",
    "create_ticket",
    "close_ticket",
    "run_report_command",
}


def python(code: str, **fields: Any) -> Origin:
    return Origin(command=(sys.executable, "-c", code), **fields)


def refused(target: Origin, timeout: float = 10.0) -> str:
    with pytest.raises((Unreachable, InputError)) as caught:
        probe(target, timeout=timeout)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_real_server_over_http_speaks_the_modern_era(desk: str) -> None:
    offer = probe(Origin(url=desk))
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
    by_stdio = probe(
        Origin(command=(sys.executable, "-m", "sandbox.mcp_server", "--stdio"), directory=str(ROOT)), timeout=60
    )
    path = str(tmp_path / "s")
    with start_demo("--socket", path) as (line, process):
        assert line == f"unix:{path}:/mcp"
        by_socket = probe(Origin(socket=path))
    assert process.returncode == 0
    assert by_stdio == by_socket == probe(Origin(url=desk))


def test_legacy_only_server_is_reached_by_the_handshake(peer: Any) -> None:
    offer = probe(Origin(url=peer.url))
    assert peer.seen[:3] == ["server/discover", "initialize", "notifications/initialized"]
    assert (offer.name, offer.version, offer.protocol_versions) == ("old", "0.9", ("2025-06-18",))
    assert offer.instructions == "Be gentle."
    assert [tool["name"] for tool in offer.tools] == ["list_notes"]


def test_answers_as_event_streams_are_read(peer: Any) -> None:
    peer.sse = True
    assert [tool["name"] for tool in probe(Origin(url=peer.url)).tools] == ["list_notes"]


#: It answers nothing to what it does not know.
QUIET = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    r = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                        "serverInfo": {"name": "quiet", "version": "1"}},
         "tools/list": {"tools": []}, "ping": {}}.get(m["method"])
    if r is not None:
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
"""


def test_legacy_stdio_server_that_ignores_discovery_is_still_reached() -> None:
    assert probe(python(QUIET), timeout=12).name == "quiet"


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
    offer = probe(Origin(url=server.url))
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
    offer = probe(Origin(url=peer.url))
    assert [t["name"] for t in offer.tools] == ["t0", "t1", "t2", "t3"]
    assert [p["name"] for p in offer.prompts] == ["p0", "p1", "p2", "p3"]
    assert [r["uri"] for r in offer.resources] == ["a://0", "a://1", "a://2", "a://3"]
    assert len(offer.resource_templates) == 4


def test_lists_without_the_capability_are_not_asked_for(modern: Any) -> None:
    probe(Origin(url=modern.url))
    assert [method for method in modern.seen if method.endswith("/list")] == ["tools/list"]


def test_advertised_list_without_the_method_is_empty(peer: Any) -> None:
    del peer.answers["prompts/list"], peer.answers["resources/templates/list"]
    offer = probe(Origin(url=peer.url))
    assert (offer.prompts, offer.resource_templates) == ((), ())


@pytest.mark.parametrize("cursor", ["", "again"])
def test_a_page_that_comes_again_ends_the_list_with_a_note(peer: Any, cursor: str) -> None:
    tool = {"name": "t", "inputSchema": {"type": "object"}}
    peer.answers["tools/list"] = {"tools": [tool], "nextCursor": cursor}
    offer = probe(Origin(url=peer.url))
    assert offer.tools == (tool,)
    assert offer.notes == ("tools/list: it repeats a page instead of ending its list",)


def test_a_cursor_that_is_empty_or_stays_the_same_leads_on_while_pages_differ(peer: Any) -> None:
    pages = iter([["a"], ["b"], ["c"]])

    def page(_: dict[str, Any]) -> dict[str, Any]:
        names = next(pages)
        more = {} if names == ["c"] else {"nextCursor": ""}
        return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names], **more}

    peer.answers["tools/list"] = page
    assert [tool["name"] for tool in probe(Origin(url=peer.url)).tools] == ["a", "b", "c"]


def test_a_list_without_end_is_left_out_and_the_tools_are_there(peer: Any) -> None:
    peer.answers["resources/list"] = lambda p: {"resources": [], "nextCursor": str(int(p.get("cursor") or 0) + 1)}
    offer = probe(Origin(url=peer.url))
    assert offer.failed == {"resources": f"resources/list: its list has over {lists.MAX_PAGES} pages"}
    assert [tool["name"] for tool in offer.tools] == ["list_notes"]


@pytest.mark.parametrize(
    ("method", "kind"),
    [("resources/templates/list", "resource_templates"), ("resources/list", "resources"), ("prompts/list", "prompts")],
)
def test_a_list_that_fails_is_left_out_in_the_errors_own_words(peer: Any, method: str, kind: str) -> None:
    peer.errors[method] = {"code": -32603, "message": "db down"}
    offer = probe(Origin(url=peer.url))
    assert offer.failed == {kind: f"{method}: it answered error -32603: db down"}
    assert [tool["name"] for tool in offer.tools] == ["list_notes"]


def test_tools_that_cannot_be_listed_are_refused_in_the_errors_own_words(peer: Any) -> None:
    peer.errors["tools/list"] = {"code": -32603, "message": "fetch failed"}
    assert f"{peer.url}: tools/list: it answered error -32603: fetch failed" in refused(Origin(url=peer.url))


def test_a_list_that_never_answers_costs_itself_alone() -> None:
    code = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    r = {"initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "resources": {}},
                        "serverInfo": {"name": "half", "version": "1"}},
         "ping": {}, "resources/templates/list": {"resourceTemplates": []},
         "tools/list": {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]}}.get(m["method"])
    if m["method"] == "server/discover":
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "error": {"code": -32601, "message": "no"}}), flush=True)
    if r is not None:
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
"""
    offer = probe(python(code), timeout=12)
    assert [tool["name"] for tool in offer.tools] == ["t"]
    assert list(offer.failed) == ["resources"]
    assert offer.failed["resources"].startswith("resources/list: it did not answer within ")


def test_a_text_id_that_comes_back_as_a_number_is_a_note(peer: Any) -> None:
    peer.answers["ping"] = {}
    peer.id_of = lambda id_: int(id_)
    assert probe(Origin(url=peer.url)).notes == (
        'a request whose id is a text: it answered under the id 77 where "77" was asked (HTTP 200 application/json); '
        "clients with such ids will fail",
    )


@pytest.mark.parametrize(("constant", "shown"), [(0, "0"), ("1", '"1"'), (True, "")])
def test_a_number_that_comes_back_otherwise_is_refused_by_name(peer: Any, constant: Any, shown: str) -> None:
    peer.id_of = lambda _: constant
    text = refused(Origin(url=peer.url))
    assert (
        f"it answered under the id {shown} where 2 was asked" in text if shown else "its answer cannot be read" in text
    )
    assert ("have the server answer under the id of the request, type and all" in text) is bool(shown)


def test_a_redirect_names_the_url_that_answers_and_is_not_followed(peer: Any) -> None:
    peer.status, peer.headers = 307, {"location": f"{peer.url}/"}
    with pytest.raises(Moved) as caught:
        probe(Origin(url=peer.url))
    assert caught.value.url == f"{peer.url}/"
    assert peer.seen == ["server/discover"]
    for location in (
        "https://mcp.example.com/mcp/",
        "http://127.0.0.1:1/mcp/",
        "//evil.example/mcp",
        "http://u:p@[::1/",
        "",
    ):
        peer.headers = {"location": location}
        text = refused(Origin(url=peer.url))
        assert "the server redirects to " in text
        assert "give the URL that answers" in text
    peer.status, peer.headers = 302, {"location": f"{peer.url}/"}
    assert "the server redirects to " in refused(Origin(url=peer.url))


@pytest.mark.parametrize("session", ["x" * 1500, "a b", "caf\u00e9"])
def test_a_session_id_that_no_client_would_get_is_refused_by_name(peer: Any, session: str) -> None:
    peer.headers = {"mcp-session-id": session}
    assert "the Mcp-Session-Id that the server gives cannot be used" in refused(Origin(url=peer.url))


def test_a_long_header_that_is_not_passed_on_costs_nothing(peer: Any) -> None:
    peer.headers = {"set-cookie": "a=" + "x" * 9000}
    assert probe(Origin(url=peer.url)).name == "old"


def test_a_fixed_query_of_the_origin_is_sent(peer: Any) -> None:
    probe(Origin(url=f"{peer.url}?toolsets=repos,issues"))
    assert set(peer.paths) == {"/mcp?toolsets=repos,issues"}


def test_what_a_client_could_do_is_announced_and_its_questions_are_answered() -> None:
    code = """
import json, sys
def send(**m): print(json.dumps({"jsonrpc": "2.0", **m}), flush=True)
caps, roots = {}, None
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        caps = m["params"]["capabilities"]
        send(id=m["id"], result={"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {}})
    elif m.get("method") == "tools/list":
        waiting = m["id"]
        for number, method in enumerate(["roots/list", "sampling/createMessage", "elicitation/create", "odd/method"]):
            send(id=f"s{number}", method=method, params={})
        answers = {}
        while len(answers) < 4:
            answer = json.loads(sys.stdin.readline())
            answers[answer["id"]] = answer.get("result", answer.get("error"))
        names = sorted(caps) + [json.dumps(answers[key]) for key in sorted(answers)]
        send(id=waiting, result={"tools": [{"name": name} for name in names]})
    elif "id" in m:
        send(id=m["id"], error={"code": -32601, "message": "no"})
"""
    able = probe(python(code), client_capabilities=("elicitation", "roots", "sampling"))
    assert able.client_capabilities == ("elicitation", "roots", "sampling")
    assert [tool["name"] for tool in able.tools] == [
        "elicitation", "roots", "sampling",
        '{"roots": []}',
        '{"code": -1, "message": "this client samples nothing"}',
        '{"action": "cancel"}',
        '{"code": -32601, "message": "Method not found"}',
    ]  # fmt: skip
    refusal = '{"code": -32601, "message": "Method not found"}'
    assert [tool["name"] for tool in probe(python(code)).tools] == [refusal] * 4


def test_more_than_can_be_reviewed_is_refused(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    peer.answers["tools/list"] = {"tools": [{"name": f"t{n}", "inputSchema": {"type": "object"}} for n in range(6)]}
    monkeypatch.setattr(lists, "MAX_ENTRIES", 5)
    assert "tools/list: it offers over 5 entries" in refused(Origin(url=peer.url))


def test_answers_beyond_the_byte_limit_are_cut_off(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "MAX_BYTES", 2**20)
    long = {"name": "t", "inputSchema": {"type": "object"}, "description": "x" * 2**21}
    peer.answers["tools/list"] = {"tools": [long]}
    assert "its answers are over 1 MiB" in refused(Origin(url=peer.url))


def test_a_list_that_is_not_json_or_no_list_is_refused_by_name(peer: Any) -> None:
    peer.answers["tools/list"] = {"tools": [{"name": "bad", "inputSchema": {"type": "object", "max": float("nan")}}]}
    assert "tools/list: its answer cannot be read" in refused(Origin(url=peer.url))
    peer.answers["tools/list"] = {"tools": {"bad": {}}}
    assert "tools/list: its answer holds no list tools" in refused(Origin(url=peer.url))


def test_entries_that_are_no_tools_are_kept_as_they_are(peer: Any) -> None:
    odd: list[Any] = [{"name": "bad"}, None, 7, "text", {"name": "good", "inputSchema": {"type": "object"}}]
    peer.answers["tools/list"] = {"tools": odd}
    assert list(probe(Origin(url=peer.url)).tools) == odd


def test_nothing_listening_says_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/mcp"
        assert refused(Origin(url=url)).startswith(f"{url}: nothing listens there; start the server")


def test_silent_server_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = refused(Origin(url=f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"), timeout=0.6)
    assert "did not answer" in text
    assert "within 0.6 s" in text


def test_page_that_is_not_mcp_says_what_came_instead(peer: Any, desk: str) -> None:
    peer.raw = b"<html>hello</html>"
    assert "did not answer as an MCP server (HTTP 200 text/html" in refused(Origin(url=peer.url))
    assert "did not answer as an MCP server (HTTP 404" in refused(Origin(url=desk.replace("/mcp", "/nope")))


def test_origin_that_demands_its_own_authentication_is_named_with_its_header(peer: Any) -> None:
    peer.status, peer.headers = 401, {"www-authenticate": 'Bearer realm="x"'}
    assert "the origin itself demands an Authorization header (Bearer) (401)" in refused(Origin(url=peer.url))
    peer.headers = {}
    assert "the origin itself demands credentials of its own, naming no header (401)" in refused(Origin(url=peer.url))
    peer.status = 403
    assert "the origin itself forbids this (HTTP 403)" in refused(Origin(url=peer.url))


def test_refusal_quotes_what_the_server_says_in_plain_text(peer: Any) -> None:
    peer.status, peer.headers = 403, {"content-type": "text/plain"}
    peer.raw = b"Only for localhost:80\x1b[31m\nand more"
    text = refused(Origin(url=peer.url))
    assert "forbids this (HTTP 403; Only for localhost:80" in text
    assert "\x1b" not in text
    assert "and more" not in text


def test_proxy_of_the_environment_is_not_used(peer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert probe(Origin(url=peer.url)).name == "old"


def test_missing_socket_is_refused(tmp_path: Path) -> None:
    assert "is no Unix socket" in refused(Origin(socket=str(tmp_path / "none")))


def test_command_that_does_not_exist_or_may_not_run_says_so(tmp_path: Path) -> None:
    assert "there is no such program" in refused(Origin(command=("no-such-program-here",)))
    plain = tmp_path / "plain"
    plain.write_text("x", encoding="utf-8")
    assert "may not be run" in refused(Origin(command=(str(plain),)))
    assert "its directory" in refused(python("0", directory=str(tmp_path / "none")))


def test_command_that_crashes_gives_the_line_that_says_why() -> None:
    text = refused(python("import sys; print('one', file=sys.stderr); sys.exit('no \\x1b[31mtoken\\x1b[0m s\\x1b]et')"))
    assert text.endswith("its stderr says: one | no token s<U+001B>]et")
    assert refused(python("import sys; sys.exit()")).endswith("it wrote nothing to stderr")


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        (
            "usage: x\nError: Missing API key\n  --version  Print version information and quit\n",
            "Error: Missing API key",
        ),
        ("TypeError: boom\n    at f (x.js:1)\n{\n  code: 1\n}\n", "TypeError: boom"),
        (
            'Traceback (most recent call last):\n  File "x", line 1\nhttpx.ConnectError: refused\nbye\n',
            "httpx.ConnectError: refused",
        ),
        (
            "thread 'main' panicked at src/main.rs:1\nnote: run with a backtrace\n",
            "thread 'main' panicked at src/main.rs:1",
        ),
        ("a\nb\nc\nd\n}\n", "c | d | }"),
    ],
)
def test_the_line_of_stderr_that_names_the_error_is_shown(stderr: str, words: str) -> None:
    assert refused(python(f"import sys; sys.stderr.write({stderr!r}); sys.exit(1)")).endswith(
        f"its stderr says: {words}"
    )


def test_command_that_prints_other_things_is_still_asked() -> None:
    text = refused(python("print('hello', flush=True); import sys; sys.stdin.read()"), timeout=10)
    assert "did not answer as an MCP server" in text
    assert "the command wrote a line that is not a JSON-RPC message; it wrote nothing to stderr" in text


def test_other_things_on_stdout_beside_good_answers_are_a_note() -> None:
    code = f"print('starting', flush=True)\n{QUIET}"
    assert probe(python(code)).notes == ("the command wrote a line that is not a JSON-RPC message",)


def test_a_command_is_asked_in_the_environment_that_the_guard_gives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "nb_NO.UTF-8")
    monkeypatch.setenv("PLANTED", "x")
    code = QUIET.replace('"tools": []', '"tools": [{"name": f"{k}={v}"} for k, v in os.environ.items()]')
    names = {tool["name"] for tool in probe(python(code.replace("import json", "import os, json")), timeout=12).tools}
    assert "LANG=nb_NO.UTF-8" in names
    assert f"PATH={os.environ['PATH']}" in names
    assert "PLANTED=x" not in names


def has_ended(pid: int) -> bool:
    """Whether a process is dead; a zombie that its new parent has not reaped yet is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"


def test_no_child_survives_the_probe(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    # A shell, as it has written its line long before the probe gives up.
    refused(Origin(command=("sh", "-c", 'sleep 600 & echo $$ $! > "$0"; wait', str(pids))), timeout=5)
    for pid in map(int, pids.read_text(encoding="utf-8").split()):
        # What is killed is dead a moment later.
        eventually_sync(partial(has_ended, pid), "the child's end", within=30)


def test_sdk_prints_nothing_while_a_peer_talks_nonsense(capfd: pytest.CaptureFixture[str]) -> None:
    refused(python("print('{nonsense', flush=True)"))
    assert capfd.readouterr() == ("", "")
