from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from engine.workspace import Target
from model.errors import RingwallError
from model.loader import read
from model.project import Project, load_environment, open_project
from operations.project.new_project import make_virtualenv, portable_backend
from tests.support.command_line import FLAGS, flags, on_a_terminal, ringwall, snapshot
from tests.support.full_disk import full_disk


def test_an_empty_folder_becomes_a_project_that_the_model_reads(tmp_path: Path) -> None:
    done = ringwall("init", "dev", "--project", tmp_path / "new", "--agent", "ci", *flags(), "--country", "NO")
    assert done.code == 0
    root = tmp_path / "new"
    assert set(snapshot(root)) == {"Pulumi.yaml", ".gitignore", "stacks/__main__.py", "stacks/Pulumi.dev.yaml"}
    environment = load_environment(open_project(root), "dev")
    assert environment.settings.countries == ("SE", "NO")
    assert environment.settings.agents["ci"].countries == ("SE", "NO")
    assert environment.settings.gateway.admin_uri == "http://127.0.0.1:8001"
    assert (root / "stacks" / "__main__.py").read_text() == "from plan.program import main\n\nmain()\n"


def test_the_backend_is_written_relative_and_its_folder_is_private_and_ignored(tmp_path: Path) -> None:
    done = ringwall("init", "dev", "--project", tmp_path, *flags())
    value = read(tmp_path / "Pulumi.yaml").value
    assert isinstance(value, dict)
    assert value["backend"] == {"url": "file://./.ringwall/state"}
    assert value["main"] == value["stackConfigDir"] == "stacks"
    assert stat.S_IMODE((tmp_path / ".ringwall" / "state").stat().st_mode) == 0o700
    assert ".ringwall/" in (tmp_path / ".gitignore").read_text().splitlines()
    assert f"State is kept in {tmp_path}/.ringwall/state" in done.out


def test_nothing_that_is_committed_holds_a_path_of_this_machine(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    assert ringwall("init", "dev", "--project", root, *flags()).code == 0
    subprocess.run(["git", "-C", str(root), "add", "."], check=True)
    listed = subprocess.run(["git", "-C", str(root), "ls-files"], check=True, capture_output=True, text=True).stdout
    assert sorted(listed.split()) == [".gitignore", "Pulumi.yaml", "stacks/Pulumi.dev.yaml", "stacks/__main__.py"]
    for file in listed.split():
        text = (root / file).read_text(encoding="utf-8")
        assert str(tmp_path) not in text
        assert sys.prefix not in text
    # What is this person's own is in a folder that Git ignores.
    assert (root / ".venv" / "bin" / "python").exists()


def test_environment_of_the_project_runs_ringwall_and_takes_packages_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "project"
    assert ringwall("init", "dev", "--project", root, *flags()).code == 0
    python = root / ".venv" / "bin" / "python"

    def run(*arguments: str) -> str:
        return subprocess.run([python, *arguments], check=True, capture_output=True, text=True, cwd=root).stdout

    # What Pulumi's Python host asks for first, and what the program in stacks/ imports.
    assert {"pulumi", "ringwall"} <= {
        package["name"] for package in json.loads(run("-m", "pip", "list", "--format=json"))
    }
    run("-c", "from plan.program import main")
    # Where `pulumi install` puts what it updates: not into the environment Ringwall is installed in.
    assert run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").startswith(str(root / ".venv"))


@pytest.mark.parametrize(
    ("given", "written", "folder"),
    [
        (None, "file://./.ringwall/state", ".ringwall/state"),
        ("file://state", "file://./state", "state"),
        ("file://{root}/deep/state", "file://./deep/state", "deep/state"),
        ("file:///var/lib/state?no_tmp_dir=true", "file:///var/lib/state?no_tmp_dir=true", "/var/lib/state"),
        ("file://~/state", "file://~/state", None),
        ("s3://bucket/folder?region=eu-north-1", "s3://bucket/folder?region=eu-north-1", None),
    ],
)
def test_a_folder_of_the_project_is_written_relative_and_ringwall_finds_it_again(
    tmp_path: Path, given: str | None, written: str, folder: str | None
) -> None:
    url, made = portable_backend(given.format(root=tmp_path) if given else None, tmp_path)
    assert url == written
    (tmp_path / "Pulumi.yaml").write_text(f'name: x\nbackend:\n  url: "{url}"\n', encoding="utf-8")
    assert Target(Project(tmp_path, "x", tmp_path)).state_folder == made
    assert folder is None or made == tmp_path / folder


@pytest.mark.parametrize("backend", ["state", "ftp://host/x", "file://", "https://user:word@example.com"])
def test_a_backend_that_pulumi_could_not_use_is_refused(tmp_path: Path, backend: str) -> None:
    done = ringwall("init", "dev", "--project", tmp_path, *flags(), "--backend", backend)
    assert done.code == 2
    assert len(done.errors) == 1
    assert done.errors[0].startswith("--backend: ")
    assert snapshot(tmp_path) == {}


def test_without_a_terminal_every_missing_flag_is_one_line(tmp_path: Path) -> None:
    done = ringwall("init", "dev", "--project", tmp_path)
    assert done.code == 2
    assert [line.split(": ")[0] for line in done.errors] == list(FLAGS)
    assert all("; " in line for line in done.errors)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("account_id", "0" * 31, "--account-id: "),
        ("zone", "example", "--zone: example: must be a full lower-case host name"),
        ("country", "se", "--country: se: must be an ISO 3166-1"),
        ("country", "UK", "--country: UK: must be an ISO 3166-1 alpha-2 country code in capitals; write GB"),
        ("country", "XX", "--country: XX: must be an ISO 3166-1"),
        ("host", "Dev_1", "--host: Dev_1 does not fit"),
        ("kong_admin", "http://kong.example.com:8001", "--kong-admin: "),
        ("agent", "-", "--agent: "),
        ("name", "a b", "--name: "),
        ("topology", "central", "--topology: "),
        ("secrets_provider", "rot13", "--secrets-provider: "),
    ],
)
def test_a_bad_value_names_its_flag_and_writes_nothing(tmp_path: Path, flag: str, value: str, said: str) -> None:
    done = ringwall("init", "dev", "--project", tmp_path, *flags(**{flag: value}))
    assert (done.code, len(done.errors)) == (2, 1)
    assert done.errors[0].startswith(said)
    assert "; " in done.errors[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["Dev", "dev.x", "zone", "-"])
def test_a_bad_environment_name_is_refused(tmp_path: Path, name: str) -> None:
    done = ringwall("init", name, "--project", tmp_path, *flags())
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


def test_production_is_hybrid_and_its_admin_api_is_not_on_loopback(tmp_path: Path) -> None:
    missing = ringwall("init", "prod", "--project", tmp_path, "--production", *flags())
    assert missing.errors == [
        "--kong-admin: is missing; give its URL: https, or http on loopback; in production not on an origin host"
    ]
    loopback = ringwall(
        "init", "prod", "--project", tmp_path, "--production", *flags(kong_admin="http://127.0.0.1:8001")
    )
    assert (loopback.code, len(loopback.errors)) == (2, 1)
    together = ringwall("init", "prod", "--project", tmp_path, "--production", *flags(topology="colocated"))
    assert (together.code, len(together.errors)) == (2, 1)
    assert list(tmp_path.iterdir()) == []
    done = ringwall(
        "init", "prod", "--project", tmp_path, "--production", *flags(kong_admin="https://kong.example.com")
    )
    assert done.code == 0
    assert load_environment(open_project(tmp_path), "prod").settings.topology == "hybrid"


def test_an_environment_that_is_there_is_never_overwritten(root: Path) -> None:
    before = snapshot(root)
    done = ringwall("init", "dev", "--project", root, *flags())
    assert (done.code, len(done.errors)) == (2, 1)
    assert f"{root}/stacks/Pulumi.dev.yaml" in done.errors[0]
    assert snapshot(root) == before


def test_a_second_environment_changes_no_file_of_the_first(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(root)
    monkeypatch.chdir(root / "stacks")
    assert ringwall("init", "test", *flags(host="test-1")).code == 0
    after = snapshot(root)
    assert set(after) - set(before) == {"stacks/Pulumi.test.yaml"}
    assert {name: after[name] for name in before} == before


def test_a_folder_named_explicitly_is_a_project_of_its_own_wherever_it_is(root: Path) -> None:
    before = snapshot(root)
    assert ringwall("init", "dev", "--project", root / "inner", *flags()).code == 0
    assert (root / "inner" / "Pulumi.yaml").is_file()
    assert {name: content for name, content in snapshot(root).items() if not name.startswith("inner/")} == before


def test_a_project_keeps_its_own_backend(root: Path) -> None:
    done = ringwall("init", "test", "--project", root, *flags(), "--backend", "s3://bucket")
    assert done.code == 2
    assert "Pulumi.yaml: --backend: the project is there already; edit that file" in done.errors[0]


def test_the_project_of_another_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: nodejs\n")
    done = ringwall("init", "dev", "--project", tmp_path, *flags())
    assert done.code == 2
    assert "another Pulumi program" in done.errors[0]
    assert set(snapshot(tmp_path)) == {"Pulumi.yaml"}


def test_a_program_file_of_somebody_elses_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "__main__.py").write_text("print('mine')\n")
    done = ringwall("init", "dev", "--project", tmp_path, *flags())
    assert done.code == 2
    assert snapshot(tmp_path) == {"stacks/__main__.py": b"print('mine')\n"}


def test_an_existing_gitignore_gets_only_the_lines_it_lacks(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"# mine\r\n.venv/\r\n\r\n\r\nnode_modules")
    assert ringwall("init", "dev", "--project", tmp_path, *flags()).code == 0
    expected = b"# mine\r\n.venv/\r\n\r\n\r\nnode_modules\r\n.ringwall/\r\n.venv\r\n__pycache__/\r\n"
    assert (tmp_path / ".gitignore").read_bytes() == expected


def test_the_editor_line_leads_to_a_schema_that_accepts_the_file(tmp_path: Path) -> None:
    import jsonschema  # type: ignore[import-untyped]

    ringwall("init", "dev", "--project", tmp_path, *flags())
    file = tmp_path / "stacks" / "Pulumi.dev.yaml"
    first = file.read_text().splitlines()[0]
    schema = (file.parent / first.partition("$schema=")[2]).resolve()
    jsonschema.validate(read(file).value, YAML(typ="safe").load(schema.read_text()))


def test_norway_is_a_string_to_every_reader(tmp_path: Path) -> None:
    ringwall("init", "dev", "--project", tmp_path, *flags(country="NO"))
    text = (tmp_path / "stacks" / "Pulumi.dev.yaml").read_text()
    old = YAML(typ="safe", pure=True)
    old.version = (1, 1)
    assert old.load(text)["config"]["ringwall:environment"]["countries"] == ["NO"]


def test_a_key_service_stands_in_the_stack_file(tmp_path: Path) -> None:
    url = "awskms://alias/ringwall?region=eu-north-1"
    assert ringwall("init", "dev", "--project", tmp_path, *flags(), "--secrets-provider", url).code == 0
    value = read(tmp_path / "stacks" / "Pulumi.dev.yaml").value
    assert isinstance(value, dict)
    assert value["secretsprovider"] == url


def test_json_is_one_document(tmp_path: Path) -> None:
    done = ringwall("init", "dev", "--project", tmp_path, *flags(), "--json")
    assert done.json["environment"] == "dev"
    assert f"{tmp_path}/stacks/Pulumi.dev.yaml" in done.json["files"]


def test_on_a_terminal_it_asks_for_what_is_missing_and_again_after_a_bad_answer(tmp_path: Path) -> None:
    answers = ["not-an-id", FLAGS["--account-id"], "example.com", FLAGS["--zone-id"], "example", "SE", ""]
    code, shown = on_a_terminal(["init", "dev", "--project", str(tmp_path)], answers)
    assert code == 0, shown
    assert "not-an-id does not fit; 32 hexadecimal digits" in shown
    assert list(load_environment(open_project(tmp_path), "dev").settings.hosts) == ["dev-1"]


def test_half_an_environment_that_a_full_disk_left_is_taken_away(tmp_path: Path) -> None:
    with full_disk(1000), pytest.raises(RingwallError, match=r"\.venv: cannot be made .*`ringwall engine install`"):
        make_virtualenv(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert make_virtualenv(tmp_path) == tmp_path / ".venv"


def test_what_was_written_before_the_disk_was_full_is_said(tmp_path: Path) -> None:
    with full_disk(5000):
        done = ringwall("init", "dev", "--project", tmp_path, *flags())
    assert done.code == 1
    assert [line for line in done.out.splitlines() if line.startswith("wrote ")] == [
        f"wrote {tmp_path / name}"
        for name in ("Pulumi.yaml", "stacks/__main__.py", "stacks/Pulumi.dev.yaml", ".gitignore")
    ]
    assert done.errors[0].startswith(f"{tmp_path}/.ringwall/stack.schema.json: cannot be written (File too large)")
