from __future__ import annotations

import io
import json
import re
import stat
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.flags import guard_bundle
from guard.bundle.bundle import open_bundle, render, sign
from guard.bundle.keys import load_private_key, load_public_keys
from model.canonical import digest
from model.errors import InputError
from model.tool_lock import ToolLock
from tests.guard.bundle.test_bundle import DEMO, config
from tests.support.command_line import ringwall
from tests.support.projects import write_project


def run(*arguments: str | Path) -> str:
    """One of the commands by its own arguments; its output."""
    app = typer.Typer()
    app.command("keygen")(guard_bundle.keygen)
    app.command("bundle")(guard_bundle.bundle)
    app.command("verify")(guard_bundle.verify_bundle)
    out = io.StringIO()
    with redirect_stdout(out):
        app([str(argument) for argument in arguments], standalone_mode=False)
    return out.getvalue()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a key pair and a rendered configuration of dev.one."""
    monkeypatch.chdir(tmp_path)
    run("keygen", "--output", tmp_path)
    write_config(tmp_path)
    return tmp_path


def write_config(folder: Path, name: str = "one", **changes: Any) -> None:
    (folder / "config.json").write_text(json.dumps(config(name, **changes).dump()))


def bundle(*arguments: str | Path, stack: str = "dev.one") -> Any:
    return json.loads(
        run("bundle", stack, "--key", "guard-signing.key", "--config", "config.json", "--json", *arguments)
    )


def read(folder: Path, name: str = "dev.one.guard.bundle.json") -> Any:
    keys = load_public_keys([folder / "guard-signing.pub"])
    return open_bundle((folder / name).read_bytes(), keys, expected_server=None, after=0)


def test_keygen_says_where_each_key_goes_and_shows_none(tmp_path: Path) -> None:
    shown = run("keygen", "--output", tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys" / "guard-signing.key").stat().st_mode) == 0o600
    assert re.search(r"guard-signing\.key: private, .* never on an origin host", shown)
    assert "guard-signing.pub: public, for each host as /etc/ringwall/ENV.SERVER/guard-signing.pub" in shown
    assert "BEGIN" not in shown
    with pytest.raises(InputError, match="is there already"):
        run("keygen", "--output", tmp_path / "keys")
    again = json.loads(run("keygen", "--output", tmp_path / "keys", "--force", "--json"))
    assert list(load_public_keys([tmp_path / "keys" / "guard-signing.pub"])) == [again["key_id"]]


def test_a_bundle_is_what_a_guard_takes(desk: Path) -> None:
    before = int(time.time())
    said = bundle("--deny", "person:0123")
    opened = read(desk)
    assert opened.bundle.config == config()
    assert before <= opened.bundle.sequence <= int(time.time())
    assert (said["sequence"], said["sha256"], said["server"]) == (opened.bundle.sequence, opened.sha256, "dev.one")
    assert (said["denied"], said["newly_denied"], said["lifted"]) == (["person:0123"], ["person:0123"], [])


def test_a_tool_that_the_guard_will_refuse_is_named_when_the_bundle_is_made(desk: Path) -> None:
    definition = {"name": "look", "inputSchema": {"type": "object", "properties": {"p": {"type": "file"}}}}
    document = config().dump()
    document["tool_lock"] = {"version": 1, "server": {}, "tools": [
        {"name": "look", "sha256": digest(definition), "risk": "read", "definition": definition}
    ]}  # fmt: skip
    document["tool_lock_sha256"] = digest(ToolLock.model_validate(document["tool_lock"]).dump())
    (desk / "config.json").write_text(json.dumps(document))
    assert bundle()["warnings"] == [
        "the guard will refuse the tool look: its input schema cannot be enforced: "
        'JSON Schema 2020-12 does not allow "file" there (at /inputSchema/properties/p/type)'
    ]


def test_each_bundle_is_numbered_above_the_one_it_replaces(desk: Path) -> None:
    ahead = int(time.time()) + 10_000
    bundle("--sequence", str(ahead))
    assert bundle()["sequence"] == ahead + 1
    with pytest.raises(InputError, match=f"{ahead} is not above {ahead + 1}"):
        bundle("--sequence", str(ahead))
    assert read(desk).bundle.sequence == ahead + 1


def test_who_is_denied_stays_denied_until_it_is_lifted_by_name(desk: Path) -> None:
    bundle("--deny", "person:a", "--deny", "person:b")
    assert bundle()["denied"] == ["person:a", "person:b"]
    said = bundle("--deny", "person:c", "--allow", "person:a")
    assert (said["denied"], said["newly_denied"], said["lifted"]) == (
        ["person:b", "person:c"], ["person:c"], ["person:a"],
    )  # fmt: skip
    assert read(desk).bundle.denied == ("person:b", "person:c")


def test_an_agent_is_denied_by_its_name_or_its_client_id(desk: Path) -> None:
    assert bundle("--deny", "agent:ci")["denied"] == ["agent:abc.access"]
    assert bundle("--deny", "agent:abc.access")["denied"] == ["agent:abc.access"]
    assert bundle("--allow", "agent:ci")["denied"] == []


def test_every_service_token_of_a_denied_agent_is_denied(desk: Path) -> None:
    document = config().dump()
    document["identity"]["agents"] = {"new.access": "ci", "old.access": "ci", "other.access": "nightly"}
    (desk / "config.json").write_text(json.dumps(document))
    assert bundle("--deny", "agent:ci")["denied"] == ["agent:new.access", "agent:old.access"]


def test_an_agent_that_left_the_configuration_can_still_be_lifted(desk: Path) -> None:
    bundle("--deny", "agent:ci")
    document = config().dump()
    document["identity"]["agents"] = {}
    (desk / "config.json").write_text(json.dumps(document))
    assert bundle()["denied"] == ["agent:abc.access"]
    assert bundle("--allow", "agent:abc.access")["denied"] == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--deny", "ada@example.com"), "names no principal"),
        (("--deny", "agent:typo"), r"admits no agent typo \(it admits: ci\), so this would change nothing"),
        (("--allow", "person:x"), "person:x is not denied by the previous bundle"),
        (("--allow", "person:a", "--deny", "person:a"), "in --deny and --allow"),
    ],
)
def test_a_deny_list_that_would_not_do_what_it_says_is_refused(
    desk: Path, arguments: tuple[str, ...], problem: str
) -> None:
    bundle("--deny", "person:a")
    before = (desk / "dev.one.guard.bundle.json").read_bytes()
    with pytest.raises(InputError, match=problem):
        bundle(*arguments)
    assert (desk / "dev.one.guard.bundle.json").read_bytes() == before


def test_a_previous_bundle_that_cannot_be_trusted_is_not_replaced(desk: Path) -> None:
    bundle("--deny", "person:a")
    file = desk / "dev.one.guard.bundle.json"
    good = file.read_text()
    for altered in (good.replace("person:a", "person:z"), good[:-5], "{}"):
        file.write_text(altered)
        with pytest.raises(InputError, match=r"previous bundle cannot be trusted.*name every denied principal"):
            bundle()
        assert file.read_text() == altered
    file.write_text(good)
    write_config(desk, "two")
    with pytest.raises(InputError, match=r"for dev\.one, and this is dev\.two"):
        bundle("--output", file, stack="dev.two")


def test_another_signing_key_keeps_the_deny_list_once_the_old_key_is_named(desk: Path) -> None:
    bundle("--deny", "person:a")
    (desk / "guard-signing.pub").rename(desk / "old.pub")
    run("keygen", "--output", desk, "--force")
    with pytest.raises(InputError, match=r"is not trusted here.*--previous-public-key"):
        bundle()
    assert bundle("--previous-public-key", "old.pub")["denied"] == ["person:a"]
    assert read(desk).bundle.denied == ("person:a",)


def test_only_the_servers_own_configuration_with_a_real_identity_is_signed(desk: Path) -> None:
    with pytest.raises(InputError, match=r"is the configuration of dev\.one, not of dev\.two"):
        bundle(stack="dev.two")
    write_config(desk, **DEMO)
    with pytest.raises(InputError, match=r"identity\.demo: has a demo identity"):
        bundle()
    (desk / "config.json").write_text('{"version": 1}')
    with pytest.raises(InputError, match=r"config\.json.*a required key is missing"):
        bundle()
    assert not (desk / "dev.one.guard.bundle.json").exists()


def test_verify_shows_what_a_guard_would_report(desk: Path) -> None:
    said = bundle("--deny", "person:a")
    shown = run("verify", "dev.one.guard.bundle.json", "--public-key", "guard-signing.pub")
    for line in ("the signature holds", "server: dev.one", f"sha256: {said['sha256']}", "denied: person:a"):
        assert line in shown
    assert f"sequence: {said['sequence']}\n" in shown
    file = desk / "dev.one.guard.bundle.json"
    file.write_text(file.read_text().replace("person:a", "person:b"))
    with pytest.raises(InputError, match="does not hold"):
        run("verify", file, "--public-key", "guard-signing.pub")


def test_what_the_command_line_loads_at_start_has_no_cryptography_in_it() -> None:
    import subprocess
    import sys

    heavy = "cryptography", "pydantic", "httpx", "jsonschema"
    script = f"import sys, cli.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.engine
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_deployed_server_exports_is_what_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_project(tmp_path / "project")
    monkeypatch.chdir(root)
    run("keygen", "--output", tmp_path)
    arguments = ("bundle", "dev.one", "--key", tmp_path / "guard-signing.key", "--sandbox", "--json", "--project", root)
    with pytest.raises(Exception, match=r"dev\.one does not exist in the backend; run `ringwall up dev\.one` first"):
        run(*arguments)
    up = ringwall("up", "dev", "--sandbox", "--yes", "--project", root)
    assert up.code == 0, up.err
    said = json.loads(run(*arguments))
    exported = ringwall("outputs", "dev.one", "guard_config", "--sandbox", "--project", root)
    assert digest(json.loads(exported.out)) == digest(read(tmp_path, str(root / said["file"])).bundle.config.dump())


def test_a_bundle_is_valid_for_ninety_days_or_as_long_as_is_said(desk: Path) -> None:
    day, before = 24 * 3600, int(time.time())
    said = bundle()
    expires = read(desk).bundle.expires
    assert before + 90 * day <= expires <= time.time() + 90 * day
    assert said["expires"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
    bundle("--valid", "400d")
    assert read(desk).bundle.expires > before + 399 * day
    bundle()  # which takes nothing of that away, as a revocation signs with no word about it
    assert read(desk).bundle.expires > before + 399 * day
    bundle("--valid", "8h")
    assert read(desk).bundle.expires < before + day
    assert before <= read(desk).bundle.issued <= time.time()


@pytest.mark.parametrize("wrong", ["0d", "-1d", "90", "d", "99999d", "1.5d", ""])
def test_a_validity_that_is_no_duration_is_refused(desk: Path, wrong: str) -> None:
    with pytest.raises(InputError, match="--valid") as refused:
        bundle("--valid", wrong)
    assert "90d" in str(refused.value)
    assert not (desk / "dev.one.guard.bundle.json").exists()


def test_an_expired_bundle_is_refused_by_verify_and_its_deny_list_is_kept(desk: Path) -> None:
    file = desk / "dev.one.guard.bundle.json"
    key = load_private_key(desk / "guard-signing.key")
    file.write_text(render(sign(config(), sequence=5, denied=("person:a",), key=key, issued=1, expires=2)))
    with pytest.raises(InputError, match="expired at 1970-01-01T00:00:02Z"):
        run("verify", file, "--public-key", "guard-signing.pub")
    assert bundle()["denied"] == ["person:a"]
    assert "expires: 20" in run("verify", file, "--public-key", "guard-signing.pub")
