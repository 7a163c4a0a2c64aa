"""What a person sees who provokes the errors that are made most often: each one line, with the cause and what to do.

What has tests of its own is not here: Ctrl-C (tests/integration/test_ctrl_c.py), a taken port (test_taken_ports.py),
an engine that was changed (tests/engine/test_locate.py), two environments at one gateway (tests/integration/
test_shared_gateway.py), a waiver that ended (tests/plan/rules/test_waivers.py), lockdown without a key (test_lockdown.py),
scan's words (test_scan.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import ringwall
from tests.support.projects import write_project

ONBOARD = ("onboard", "t2", "--env", "dev", "--people", "a@example.com", "--yes")
HOSTNAME = "config.ringwall:server.hostname: must be a full lower-case host name"
COUNTRY = (
    "{dev}:17: config.ringwall:environment.countries.0: must be an ISO 3166-1 alpha-2 country code in capitals; write "
)
WAIVER = '    waivers:\n      - {{rule: {rule}, reason: "{reason}", expires: "{expires}"}}\n    cloudflare:\n'

#: Arguments, exit code and the last line of standard error, where {root} is the project, {dev} and {one} its stack files.
CALLS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "a mistyped command": (("chekc",), 2, "error: ringwall: No such command 'chekc'. Did you mean 'check'?"),
    "a mistyped stack": (
        ("plan", "dve"), 2, "error: there is no stack dve; did you mean dev? (known: dev, dev.one)"
    ),
    "a server without its environment": (("plan", "one"), 2, "error: one is a server of dev; write dev.one"),
    "an agent that is not there": (
        ("agents", "rotate", "dev", "cii"), 2,
        "error: {dev}: agents: there is no agent cii; did you mean ci? (known: ci, nightly)",
    ),
    "a server before its environment": (
        ("up", "dev.one", "--sandbox", "--yes"), 2,
        "error: environment dev is not deployed, and dev.one needs it; run `ringwall up dev --sandbox --project {root}`, "
        "which brings its servers up too",
    ),
    "an output of what is not deployed": (
        ("outputs", "dev.one"), 2,
        "error: dev.one is not deployed, so it exports nothing; run `ringwall up dev.one --project {root}`",
    ),
    "a URL without a scheme": (
        (*ONBOARD, "--url", "127.0.0.1:3000/mcp"), 2, "error: --url: has no scheme; write http://127.0.0.1:3000/mcp"
    ),
    "a URL with TLS": (
        (*ONBOARD, "--url", "https://127.0.0.1:3000/mcp"), 2,
        "error: --url: is https, and the guard speaks http on loopback; have the server speak http on loopback, and write "
        "http://127.0.0.1:3000/mcp",
    ),
    "a URL of another machine": (
        (*ONBOARD, "--url", "http://example.com/mcp"), 2,
        "error: --url: example.com is not loopback; the guard runs on the server's own machine: bind the server to "
        "127.0.0.1 there, and write http://127.0.0.1:3000/mcp",
    ),
    "a person without the word person": (
        ("revoke", "bob@example.com", "--env", "dev", "--reason", "left us"), 2,
        "error: PRINCIPAL: bob@example.com names no principal; write person:bob@example.com",
    ),
    "nobody who is admitted": (
        ("onboard", "t2", "--env", "dev", "--url", "http://127.0.0.1:1/mcp"), 2,
        "error: --people: nobody would be admitted; give at least one --people, --domain, --group or --agent",
    ),
}  # fmt: skip

#: A file, a text of it and what somebody wrote in its place; the exit code of `check` and its last error line.
FILES: dict[str, tuple[str, str, str, int, str]] = {
    "a waiver that says too little": (
        "dev", "    cloudflare:\n", WAIVER.format(rule="gateway-buffering", reason="yes", expires="2099-01-01"), 2,
        "{dev}:6: config.ringwall:environment.waivers.0.reason: says too little; write in two words or more why the rule "
        "does not hold here and who decided it",
    ),
    "a tab": (
        "dev", "    cloudflare:\n", "\tcloudflare:\n", 2,
        "{dev}:5: a tab before the first character of a line, which Pulumi does not read; indent with spaces, or write the "
        "tab as \\t in double quotes",
    ),
    "a wildcard without quotes": (
        "one", "hostname: one.example.com", "hostname: *.example.com", 2,
        "{one}:6: found undefined alias '.example.com'; quote a value that begins with *",
    ),
    "a host name in capitals": (
        "one", "hostname: one.example.com", "hostname: One.example.com", 2,
        "{one}:6: " + HOSTNAME + "; write one.example.com",
    ),
    "a wildcard": (
        "one", "hostname: one.example.com", 'hostname: "*.example.com"', 2,
        "{one}:6: " + HOSTNAME + "; wildcards are not possible: write one host name, such as github.example.com",
    ),
    "a URL for a host name": (
        "one", "hostname: one.example.com", "hostname: https://one.example.com", 2,
        "{one}:6: " + HOSTNAME + "; write one.example.com",
    ),
    "a country by its old code": (
        "dev", "countries: [NO, SE]\n    identity", "countries: [UK]\n    identity", 2, COUNTRY + "GB"
    ),
    "a country in small letters": (
        "dev", "countries: [NO, SE]\n    identity", "countries: [se]\n    identity", 2, COUNTRY + "SE"
    ),
    "a country by its name": (
        "dev", "countries: [NO, SE]\n    identity", "countries: [Sweden]\n    identity", 2, COUNTRY + "SE"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("provoked") / "project")


def _in(root: Path, text: str) -> str:
    files = {
        name: str(root / "stacks" / f"Pulumi.{stack}.yaml") for name, stack in (("dev", "dev"), ("one", "dev.one"))
    }
    return text.format(root=root, **files)


@pytest.mark.parametrize("case", CALLS)
def test_a_wrong_call_names_its_cause_and_what_to_do(untouched: Path, case: str) -> None:
    arguments, code, line = CALLS[case]
    project: list[str | Path] = [] if case == "a mistyped command" else ["--project", untouched]
    done = ringwall(*arguments, *project)
    assert (done.code, done.err.splitlines()[-1]) == (code, _in(untouched, line))


@pytest.mark.parametrize("case", FILES)
def test_a_wrong_file_names_its_place_and_what_to_write(tmp_path: Path, case: str) -> None:
    stack, old, new, code, line = FILES[case]
    root = write_project(tmp_path / "project")
    file = root / "stacks" / f"Pulumi.{'dev' if stack == 'dev' else 'dev.one'}.yaml"
    text = file.read_text("utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), "utf-8")
    done = ringwall("check", "--project", root)
    assert (done.code, done.errors[-1]) == (code, _in(root, line))


def test_what_is_not_there_is_nothing_to_destroy(untouched: Path) -> None:
    done = ringwall("destroy", "dev", "--sandbox", "--yes", "--project", untouched)
    assert (done.code, done.out) == (0, "dev is not deployed: nothing to destroy\n")


def test_a_public_key_signs_nothing(untouched: Path, tmp_path: Path) -> None:
    assert ringwall("guard", "keygen", "--output", tmp_path).code == 0
    key = tmp_path / "guard-signing.pub"
    done = ringwall("guard", "bundle", "dev.one", "--key", key, "--project", untouched)
    assert (done.code, done.errors) == (
        2,
        [f"{key}: is a public key, and signing takes the private one; name the other file"],
    )
