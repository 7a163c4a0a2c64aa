"""`ringwall hosted refresh` against vendors' lists on loopback: compares, asks, edits the file, and trusts no odd list."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model.project import load_environment, open_project
from tests.support.command_line import Result, on_a_terminal, ringwall, snapshot
from tests.support.projects import write_project

WRITTEN = "        addresses: [203.0.113.0/24]\n        source: https://docs.example.com/addresses\n"


@dataclass
class Vendor:
    """A vendor's web server: each path with status, headers and body; the paths that were asked for."""

    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    port: int = 0

    def publish(self, *ranges: str, path: str = "/list.json") -> str:
        body = json.dumps({"prefixes": [{"ipv4Prefix": item} for item in ranges]}).encode()
        self.answers[path] = (200, {}, body)
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    state = Vendor()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.paths.append(self.path)
            status, headers, body = state.answers.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def project(root: Path, addresses: str, source: str) -> Path:
    write_project(root)
    file = root / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text()
    assert WRITTEN in text
    file.write_text(text.replace(WRITTEN, f"        addresses: {addresses}\n        source: {source}\n"))
    return root


def refresh(root: Path, *arguments: str) -> Result:
    return ringwall("hosted", "refresh", *arguments, "--project", root)


def environment_text(root: Path) -> str:
    return (root / "stacks" / "Pulumi.dev.yaml").read_text()


def test_changed_list_is_written_after_consent_with_every_comment_kept(tmp_path: Path, vendor: Vendor) -> None:
    source = vendor.publish("160.79.104.0/21", "153.61.208.0/20")
    block = "# reviewed by Ada\n          - 160.79.104.0/21   # stays\n          - 34.162.46.92/32\n          # below"
    root = project(tmp_path, block, source)
    before = environment_text(root)
    result = refresh(root, "--yes", "--json")
    assert result.code == 0, result.err
    assert environment_text(root) == before.replace("          - 34.162.46.92/32\n", "          - 153.61.208.0/20\n")
    assert result.json == {
        "version": 1,
        "files": [str(root / "stacks" / "Pulumi.dev.yaml")],
        "clients": [
            {
                "environment": "dev", "client": "claude-ai", "list": source, "differs": True,
                "gained": ["153.61.208.0/20"], "lost": ["34.162.46.92/32"], "problem": None, "remedy": None,
            }
        ],
    }  # fmt: skip
    after = snapshot(root)
    again = refresh(root)
    assert (again.code, again.out) == (0, f"dev: claude-ai: as {source} publishes them\n")
    assert snapshot(root) == after


def test_long_list_in_brackets_becomes_one_range_a_line(tmp_path: Path, vendor: Vendor) -> None:
    ranges = [f"20.0.{number}.0/24" for number in range(0, 40, 2)]
    root = project(tmp_path, "[20.0.0.0/24]   # from the page", vendor.publish(*ranges))
    assert refresh(root, "--yes").code == 0
    settings = load_environment(open_project(root), "dev").settings
    assert settings.hosted_clients["claude-ai"].addresses == tuple(ranges)
    assert (
        "        addresses:   # from the page\n          - 20.0.0.0/24\n          - 20.0.2.0/24\n"
        in environment_text(root)
    )


def test_check_writes_nothing_and_says_by_its_exit_code_that_a_file_differs(tmp_path: Path, vendor: Vendor) -> None:
    root = project(tmp_path, "[160.79.104.0/22]", vendor.publish("160.79.104.0/21"))
    before = snapshot(root)
    result = refresh(root, "--check")
    assert (result.code, snapshot(root)) == (3, before)
    assert result.out.splitlines()[1:] == ["  + 160.79.104.0/21", "  - 160.79.104.0/22"]
    same = project(tmp_path / "same", "[160.79.104.0/22, 160.79.108.0/22]", vendor.publish("160.79.104.0/21"))
    assert refresh(same, "--check").code == 0


def test_nothing_is_written_without_consent(tmp_path: Path, vendor: Vendor) -> None:
    root = project(tmp_path, "[160.79.104.0/22]", vendor.publish("160.79.104.0/21"))
    before = snapshot(root)
    code, shown = on_a_terminal(["hosted", "refresh", "dev", "--project", str(root)], ["n"])
    assert (code, snapshot(root)) == (1, before)
    assert "Write Pulumi.dev.yaml? [y/N]" in shown


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((200, {}, b'{"prefixes": []}'), "the list is empty; nothing of it is used"),
        ((200, {}, b'{"prefixes": [{"ipv4Prefix": "0.0.0.0/0"}]}'), "nothing of it is used"),
        ((200, {}, b'{"prefixes": [{"ipv4Prefix": "10.0.0.0/8"}]}'), "no public address range"),
        ((200, {}, b" " * (600 * 1024)), "its answer is over"),
        ((301, {"location": "https://elsewhere.example/list"}, b""), "answered 301, which names https://elsewhere"),
        ((403, {}, b"<html>"), "answered 403"),
    ],
)
def test_list_that_is_not_to_be_trusted_changes_nothing(
    tmp_path: Path, vendor: Vendor, answer: tuple[int, dict[str, str], bytes], problem: str
) -> None:
    root = project(tmp_path, "[160.79.104.0/22]", f"http://127.0.0.1:{vendor.port}/odd")
    vendor.answers["/odd"] = answer
    before = snapshot(root)
    result = refresh(root, "--yes")
    assert (result.code, snapshot(root)) == (6, before)
    assert result.err.count(problem) == 1


def test_list_of_several_environments_is_asked_for_once(tmp_path: Path, vendor: Vendor) -> None:
    root = project(tmp_path, "[160.79.104.0/22]", vendor.publish("160.79.104.0/21"))
    (root / "stacks" / "Pulumi.prod.yaml").write_text(environment_text(root))
    result = refresh(root, "--yes")
    assert result.code == 0, result.err
    assert vendor.paths == ["/list.json"]
    assert [line for line in result.out.splitlines() if line.startswith("  after")] == [
        "  after a review in Git: ringwall up dev",
        "  after a review in Git: ringwall up prod",
    ]


def test_brackets_that_hold_comments_are_not_edited(tmp_path: Path, vendor: Vendor) -> None:
    root = project(tmp_path, "[\n          160.79.104.0/22, # one\n        ]", vendor.publish("160.79.104.0/21"))
    before = snapshot(root)
    result = refresh(root, "--yes")
    assert (result.code, snapshot(root)) == (2, before)
    assert (
        "config.ringwall:environment.hosted_clients.claude-ai.addresses: holds comments in its brackets" in result.err
    )
