"""What is deployed is read without the engine's secrets, and a state folder that is not there is never made in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pulumi
import pytest

from engine.locate import VARIABLE
from engine.run import Run
from engine.runs import execute
from engine.state import live_resources, outputs
from engine.workspace import Target, backend_problem, engine_failure
from guard.bundle.keys import create_key_pair
from model.errors import EngineFailed, InputError, NoSuchStack, SecretsLocked, StateMissing
from model.project import open_project
from tests.support.command_line import flags, ringwall
from tests.support.ports import free_port
from tests.support.projects import write_project

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}


def write_checkpoint(root: Path, stack: str, text: str | None = None, **exported: Any) -> Path:
    """A stack in the project's state folder, as Pulumi writes it."""
    resources = [
        {"urn": "urn:1", "type": "pulumi:pulumi:Stack", "outputs": exported},
        {"urn": "urn:2", "type": "pulumi:providers:kong"},
        {"urn": "urn:3", "type": "kong:index/service:Service"},
        {"urn": "urn:4", "type": "ringwall:index:Gateway"},
    ]
    document = {"version": 3, "checkpoint": {"stack": stack, "latest": {"manifest": {}, "resources": resources}}}
    state = root / ".ringwall" / "state" / ".pulumi"
    file = state / "stacks" / "ringwall" / f"{stack}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    (state / "meta.yaml").write_text("version: 1\n", encoding="utf-8")
    file.write_text(json.dumps(document) if text is None else text, encoding="utf-8")
    return file


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without an engine: whatever is answered here was answered without one."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no-engine-here"))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    return write_project(tmp_path / "project", servers=2)


def test_a_state_folder_is_read_without_an_engine_and_secrets_stay_hidden(root: Path) -> None:
    write_checkpoint(root, "dev.one", contract={"digest": "sha256:1"}, password=SECRET, deep={"list": [SECRET, 1]})
    project = open_project(root)
    assert outputs(project, "dev.one") == {
        "contract": {"digest": "sha256:1"},
        "deep": {"list": ["[secret]", 1]},
        "password": "[secret]",
    }
    assert live_resources(project, "dev.one") == 2
    assert live_resources(project, "dev.two") is None
    with pytest.raises(NoSuchStack, match=r"^stack dev\.two does not exist in the backend; run `ringwall up dev\.two`"):
        outputs(project, "dev.two")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"checkpoint": {"latest": {"resources": [{}]}}}', "\x00"])
def test_a_checkpoint_that_cannot_be_read_is_one_line_that_names_it_and_the_repair(root: Path, text: str) -> None:
    file = write_checkpoint(root, "dev", text)
    for command in (["outputs", "dev"], ["agents", "show", "dev", "ci"]):
        done = ringwall(*command, "--project", root)
        assert done.code == 5, done.err
        (error,) = done.errors
        assert error.startswith(f"{file}: the recorded state cannot be read (")
        assert error.endswith(f"run `ringwall repair dev --project {root}`, which puts back the newest whole copy")


def test_a_stack_whose_state_cannot_be_read_hides_no_other(root: Path) -> None:
    file = write_checkpoint(root, "dev.one", "{")
    write_checkpoint(root, "dev.two")
    done = ringwall("status", "--json", "--project", root)
    assert done.code == 5, done.err
    rows = {row["stack"]: row for row in done.json["stacks"]}
    assert {stack: (row["readable"], row["resources"]) for stack, row in rows.items()} == {
        "dev": (True, None),
        "dev.one": (False, None),
        "dev.two": (True, 2),
    }
    assert rows["dev.one"]["note"].startswith(f"{file}: the recorded state cannot be read (")
    assert f"run `ringwall repair dev.one --project {root}`" in rows["dev.one"]["note"]
    table = ringwall("status", "--project", root)
    assert table.code == 5
    cells = [line.split("\t")[:3] for line in table.out.splitlines()[1:]]
    assert cells == [["dev", "no", "0"], ["dev.one", "unknown", "?"], ["dev.two", "yes", "2"]]


def test_status_asks_no_engine_however_many_servers_there_are(root: Path) -> None:
    for stack in ("dev", "dev.one"):
        write_checkpoint(root, stack)
    done = ringwall("status", "--json", "--project", root)
    assert done.code == 0, done.err
    assert [(one["stack"], one["resources"]) for one in done.json["stacks"]] == [
        ("dev", 2),
        ("dev.one", 2),
        ("dev.two", None),
    ]
    assert f"run `ringwall up dev --project {root}`" in done.json["stacks"][0]["note"]


def test_a_broken_file_is_noted_at_its_own_stack(root: Path) -> None:
    file = root / "stacks" / "Pulumi.dev.two.yaml"
    file.write_text("config:\n  ringwall:server:\n    version: 1\n", encoding="utf-8")
    done = ringwall("status", "--json", "--project", root)
    assert [one["note"].split(": ")[0] for one in done.json["stacks"]] == ["", "", f"{file}:2"]


@pytest.fixture(scope="module")
def locked_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose state holds a secret, in a folder that Ringwall does not read itself (Pulumi's former layout)."""
    folder = tmp_path_factory.mktemp("locked")
    root = write_project(folder / "project")
    environment = {**LEGACY, "PULUMI_CONFIG_PASSPHRASE": "right", "PULUMI_HOME": str(folder / "home")}

    def program() -> None:
        pulumi.export("contract", pulumi.Output.secret("s"))

    for stack in ("dev", "dev.one"):
        run = execute(Target(open_project(root), environment), Run(stack, "up"), program=program)
        assert run.error is None, run.error
    return root


LEGACY = {"PULUMI_DIY_BACKEND_LEGACY_LAYOUT": "true", "PULUMI_SELF_MANAGED_STATE_LEGACY_LAYOUT": "true"}
SECRETIVE = {
    "status": ["status"],
    "drift": ["drift", "dev", "--only", "engine", "--json"],
    "outputs": ["outputs", "dev"],
    "agents": ["agents", "show", "dev", "ci"],
    "guard bundle": ["guard", "bundle", "dev.one", "--key", "KEY"],
    "preview": ["preview", "dev"],
}


@pytest.mark.engine
@pytest.mark.parametrize("passphrase", [None, "wrong", ""], ids=["unset", "wrong", "empty"])
@pytest.mark.parametrize("command", SECRETIVE)
def test_without_the_passphrase_every_command_ends_in_one_line(
    locked_state: Path, command: str, passphrase: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**LEGACY, "PULUMI_DEBUG_PROVIDERS": "kong:1,cloudflare:1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    if passphrase is None:
        monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    else:
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", passphrase)
    create_key_pair(tmp_path / "keys")
    key = str(tmp_path / "keys" / "guard-signing.key")
    arguments = [key if one == "KEY" else one for one in SECRETIVE[command]]
    done = ringwall(*arguments, "--project", locked_state)
    assert "a defect" not in done.err
    assert "Traceback" not in done.err
    assert "passphrase" in (done.out + done.err).lower()
    if command == "drift":
        assert done.code == 6  # what could not be looked at, as for any other source
    else:
        assert (done.code, len(done.errors)) == (5, 1), done.err


@pytest.mark.engine
def test_a_backend_that_is_out_of_reach_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "right")
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"postgres://nobody:planted-pass@127.0.0.1:{free_port()}/pulumi")
    done = ringwall("status", "--project", root)
    assert done.code == 5
    (error,) = done.errors
    assert "the backend cannot be reached: check PULUMI_BACKEND_URL, its credentials and the network" in error
    assert "postgres://nobody:[secret]@127.0.0.1" in error
    assert "planted-pass" not in done.err


COMMANDS = {
    "status": ["status"],
    "preview": ["preview", "dev"],
    "up": ["up", "dev", "--yes"],
    "refresh": ["refresh", "dev", "--yes"],
    "destroy": ["destroy", "dev.one", "--yes"],
    "cancel": ["cancel", "dev", "--yes"],
    "drift": ["drift", "dev"],
    "outputs": ["outputs", "dev"],
    "agents": ["agents", "show", "dev", "ci"],
}


@pytest.mark.engine
@pytest.mark.parametrize("command", COMMANDS)
def test_a_clone_without_the_state_folder_is_refused_and_nothing_is_made(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", "kong:1,cloudflare:1")
    root = write_project(tmp_path / "clone")
    shutil.rmtree(root / ".ringwall")
    done = ringwall(*COMMANDS[command], "--project", root)
    assert done.code == 5, done.err
    said = f"the state folder {root}/.ringwall/state is not there, so nobody knows what is deployed"
    assert said in done.out + done.err
    assert f"run `mkdir -p {root}/.ringwall/state`" in done.out + done.err
    assert "Traceback" not in done.err
    assert "a defect" not in done.err
    assert not (root / ".ringwall" / "state").exists()


def test_a_variable_that_stands_before_the_projects_backend_is_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/nowhere")
    remedy = r"PULUMI_BACKEND_URL names it, before backend\.url of Pulumi\.yaml: unset or correct that variable$"
    with pytest.raises(StateMissing, match=remedy):
        live_resources(open_project(root), "dev")
    assert "unset PULUMI_BACKEND_URL, which stands before backend.url" in backend_problem(
        "error: PULUMI_ACCESS_TOKEN must be set for login"
    )
    assert "check PULUMI_BACKEND_URL" in backend_problem("error: unable to open bucket s3://b: dial tcp: no such host")


def test_a_backend_that_is_no_mapping_is_refused_with_its_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    file = root / "Pulumi.yaml"
    file.write_text("name: perimeters\nruntime: python\nstackConfigDir: stacks\nbackend: [a]\n")
    with pytest.raises(InputError, match=f"^{file}:4: backend: must be a mapping; write it as backend: {{url: …}}$"):
        live_resources(open_project(root), "dev")


def test_a_moved_project_of_today_takes_its_state_along(tmp_path: Path) -> None:
    assert ringwall("init", "dev", "--project", tmp_path / "before", *flags()).code == 0
    write_checkpoint(tmp_path / "before", "dev")
    shutil.move(tmp_path / "before", tmp_path / "after")
    assert live_resources(open_project(tmp_path / "after"), "dev") == 2


def test_a_moved_project_with_an_absolute_address_is_told_where_its_state_is(root: Path, tmp_path: Path) -> None:
    shutil.move(root, tmp_path / "moved")
    with pytest.raises(StateMissing, match=r"set backend\.url in Pulumi\.yaml to file://\./\.ringwall/state$"):
        live_resources(open_project(tmp_path / "moved"), "dev")


@pytest.mark.parametrize(
    ("output", "kind", "remedy"),
    [
        ("error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE", SecretsLocked, "set PULUMI_CONFIG_PASSPHRASE"),
        ("error: constructing secrets manager of type x: incorrect passphrase", SecretsLocked, "is not this stack's"),
        ("error: unable to open bucket s3://b: dial tcp: no such host", EngineFailed, "check backend.url"),
        (
            'error: read ".pulumi/meta.yaml": blob (key ".pulumi/meta.yaml") (code=Unknown): operation error S3: '
            "GetObject, get identity: get credentials: failed to refresh cached credentials",
            EngineFailed,
            "check backend.url",
        ),
        ('error: blob (key "x") (code=PermissionDenied): 403', EngineFailed, "check backend.url"),
        ("error: could not deserialize deployment: unexpected end of JSON input", EngineFailed, ".pulumi/backups"),
        ("error: PULUMI_ACCESS_TOKEN must be set for login", EngineFailed, "run `pulumi login`"),
        # As the engine prints them: several causes stand below their number.
        (
            "error: 2 errors occurred:\n\t* open /s/dev.json: read-only file system\n\t* open /s/a: read-only file system\n",
            EngineFailed,
            "open /s/dev.json: read-only file system; open /s/a: read-only file system; the state cannot be written",
        ),
        ("error: write /s/dev.json: no space left on device", EngineFailed, "then run `ringwall repair STACK`"),
        (
            "error: stack 'organization/ringwall/dev' already exists",
            EngineFailed,
            "wait until that ends, then run this",
        ),
    ],
)
def test_what_the_engine_says_is_of_the_kind_that_a_command_can_act_on(
    output: str, kind: type[EngineFailed], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    assert type(engine_failure(output)) is kind
    assert remedy in backend_problem(output)


def test_an_empty_passphrase_is_the_same_error_and_exit_code_everywhere(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import workspace

    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    with pytest.raises(SecretsLocked, match="is empty, which encrypts nothing"):
        workspace._environment(Target(open_project(root)))
