"""`ringwall host`: files of every host of an environment, and whether written ones are still the stack's."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.operations.host.conftest import write_hosts
from tests.support.command_line import ringwall, snapshot


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hosts(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def written(root: Path) -> Path:
    folder = root.parent / f"{root.name}-hosts"
    result = ringwall("host", "render", "dev", "-o", folder, "--offline", "--project", root)
    assert (result.code, result.err.count("warning: dev-2: ${hosted-edge-tunnel.id}")) == (0, 1)
    return folder


def test_a_second_rendering_has_the_same_bytes(root: Path, written: Path, tmp_path: Path) -> None:
    document = ringwall(
        "host", "render", "dev", "-o", tmp_path / "hosts", "--offline", "--project", root, "--json"
    ).json
    assert [host["host"] for host in document["hosts"]] == ["dev-1", "dev-2"]
    assert snapshot(tmp_path / "hosts") == snapshot(written)


def test_files_of_the_stack_pass_and_one_that_lacks_an_id_does_not(root: Path, written: Path) -> None:
    same = ringwall("host", "check", written / "dev-1", "--offline", "--project", root)
    assert (same.code, same.out) == (0, "dev-1: the files are those of the stack\n")
    other = ringwall("host", "check", written / "dev-2", "--offline", "--project", root)
    assert other.code == 3
    assert "cloudflared.yml lacks ${hosted-edge-tunnel.id}, " in other.out


@pytest.mark.parametrize(("layout", "pod", "relay"), [("compose", ["pause"], ["socat"]), ("kubernetes", [], [])])
def test_one_command_renders_every_host_as_containers_each_with_its_own_images(
    root: Path, tmp_path: Path, layout: str, pod: list[str], relay: list[str]
) -> None:
    shared = ["ringwall", "cloudflared", "kong", *pod]
    own = {"dev-1": ["dev.external", "dev.one", *relay], "dev-2": ["dev.hosted"]}
    named = [word for name in (*shared, *own["dev-1"], *own["dev-2"]) for word in ("--image", f"{name}=example/i:1")]
    command: list[str | Path] = [
        "host",
        "render",
        "dev",
        "-o",
        tmp_path,
        "--offline",
        "--project",
        root,
        "--format",
        layout,
    ]
    lacking = ringwall(*command, *named[:-2])
    assert (lacking.code, lacking.err.splitlines()[-1].partition(";")[0]) == (
        2,
        "error: --image: names no image of dev.hosted",
    )
    assert ringwall(*command, *named).code == 0
    for host, servers in own.items():
        images = json.loads((tmp_path / host / "host.json").read_text())["images"]
        assert sorted(images) == sorted([*shared, *servers])
    same = ringwall("host", "check", tmp_path / "dev-1", "--offline", "--project", root)
    assert (same.code, same.out) == (0, "dev-1: the files are those of the stack\n")


def test_a_server_that_came_or_went_since_its_host_was_rendered_as_containers_is_a_difference(
    root: Path, tmp_path: Path
) -> None:
    images = [f"--image={name}=example/i:1" for name in ("ringwall", "cloudflared", "kong", "dev.external", "dev.one")]
    layout: list[str | Path] = ["--offline", "--project", root, "--format", "kubernetes"]
    assert ringwall("host", "render", "dev.one", "-o", tmp_path, *layout, *images).code == 0
    file = tmp_path / "dev-1" / "host.json"
    document = json.loads(file.read_text())
    document["images"]["dev.gone"] = document["images"].pop("dev.external")
    file.write_text(json.dumps(document))
    result = ringwall("host", "check", tmp_path, "--offline", "--project", root)
    assert result.code == 3, result.err
    problem, _, advice = result.out.partition("; run `")
    assert problem.endswith("names no image of dev.external and names an image of dev.gone, which the host has no more")
    words = shlex.split(advice.partition("`")[0].replace("=IMAGE", "=example/i:1"))[1:]
    assert ringwall(*words, "--offline", "--project", root).code == 0
    assert ringwall("host", "check", tmp_path, "--offline", "--project", root).code == 0


def test_what_differs_is_named_file_by_file(root: Path, written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "hosts" / "dev-1"
    ringwall("host", "render", "dev.one", "-o", tmp_path / "hosts", "--offline", "--project", root)
    (folder / "root/etc/ringwall/kong.conf").write_text("proxy_listen = 0.0.0.0:8000\n")
    (folder / "README.md").unlink()
    (folder / "install.sh").chmod(0o777)
    (folder / "root/etc/extra.conf").write_text("x")
    document = ringwall("host", "check", tmp_path / "hosts", "--offline", "--project", root, "--json")
    assert document.code == 3
    rows = {Path(row["file"]).relative_to(folder).as_posix(): row["problem"] for row in document.json["differences"]}
    assert rows == {
        "README.md": "is missing",
        "install.sh": "has mode 0777, not 0755",
        "root/etc/ringwall/kong.conf": "has other content than the stack's: line 1 is to be "
        "'# Kong 3.9.3 on dev-1: what the stack files decide.'",
        "root/etc/extra.conf": "is no file of this host",
    }


def test_on_the_host_whatever_is_not_as_the_readme_says_is_named(root: Path, written: Path, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    machine.mkdir()
    subprocess.run([written / "dev-1" / "install.sh", "--root", machine], check=True, capture_output=True)
    place(machine, "opt/ringwall/bin/ringwall", "#!/bin/sh\n", 0o755)
    for program in ("usr/local/bin/kong", "usr/local/bin/cloudflared", "usr/local/lib/ringwall/dev.one"):
        place(machine, program, "#!/bin/sh\n", 0o755)
    for server in ("one", "external"):
        for name in ("guard.bundle.json", "guard-signing.pub"):
            place(machine, f"etc/ringwall/dev.{server}/{name}", "{}", 0o644)
        place(machine, f"etc/ringwall/dev.{server}/tunnel-token", "token", 0o600)
    variables = "KONG_PG_HOST=db\nKONG_PG_USER=kong\nKONG_PG_DATABASE=kong\nKONG_PG_PASSWORD=hunter2\n"
    place(
        machine, "etc/ringwall/kong.env", variables + "LOG_ENDPOINT=https://log.example.com\nLOG_TOKEN=hunter2\n", 0o600
    )
    place(machine, "etc/ringwall/dev.external/server.env", "API_KEY=hunter2\n", 0o600)
    asked = ("host", "check", written / "dev-1", "--placed", machine, "--offline", "--project", root)
    whole = ringwall(*asked)
    assert (whole.code, whole.out) == (0, "dev-1: the files are those of the stack\n")

    guard = machine / "etc/systemd/system/ringwall-guard.service"
    guard.write_text(guard.read_text().replace("NoNewPrivileges=yes", "NoNewPrivileges=no"))
    place(machine, "etc/systemd/system/ringwall-old.service", "[Service]\n", 0o644)
    place(machine, "etc/ringwall/kong.yml", "_format_version: '3.0'\n", 0o644)
    place(machine, "etc/ringwall/mine.txt", "an operator's own", 0o644)
    place(machine, "etc/ringwall/dev.gone/guard.bundle.json", "{}", 0o644)
    for name in ("an old.conf", "an old.conf.ringwall-placed", "older.conf.ringwall-placed"):
        place(machine, f"etc/tmpfiles.d/{name}", "", 0o644)
    place(machine, "etc/tmpfiles.d/older.conf.before-ringwall", "", 0o644)
    place(machine, "etc/systemd/system/ringwall-guard.service.d/mine.conf", "[Service]\nUser=root\n", 0o644)
    place(machine, "run/systemd/system/service.d/every.conf", "[Service]\nPrivateNetwork=no\n", 0o644)
    (machine / "etc/ringwall/prometheus.yml").chmod(0o666)
    (machine / "etc/ringwall/dev.one/tunnel-token").chmod(0o644)
    (machine / "etc/ringwall/dev.one/guard-signing.pub").unlink()
    (machine / "usr/local/lib/ringwall/dev.one").chmod(0o644)
    place(machine, "etc/ringwall/dev.external/server.env", "#API_KEY=hunter2\n", 0o600)
    broken = ringwall(*asked, "--json")
    assert broken.code == 3
    assert "hunter2" not in broken.out
    rows = {Path(row["file"]).relative_to(machine).as_posix(): row["problem"] for row in broken.json["differences"]}
    assert rows == {
        "etc/systemd/system/ringwall-guard.service": "has other content than the stack's: line 22 is to be "
        "'NoNewPrivileges=yes'",
        "etc/systemd/system/ringwall-old.service": "is no unit of this host",
        "etc/ringwall/kong.yml": "is no file of this host any more",
        "etc/ringwall/dev.gone": "is of no server of this host, and the guard would serve it",
        "etc/tmpfiles.d/an old.conf": "is no file of this host any more",
        "etc/tmpfiles.d/older.conf": "is no file of this host any more",
        "etc/systemd/system/ringwall-guard.service.d/mine.conf": "changes a unit",
        "run/systemd/system/service.d/every.conf": "changes a unit",
        "etc/ringwall/prometheus.yml": "has mode 0666, not 0644",
        "etc/ringwall/dev.one/tunnel-token": "is a secret that others than root may read (mode 0644)",
        "etc/ringwall/dev.one/guard-signing.pub": "is missing: the public key it is checked with: made by "
        "`ringwall guard keygen`",
        "usr/local/lib/ringwall/dev.one": "cannot be executed",
        "etc/ringwall/dev.external/server.env": "has no line API_KEY=…: for dev.external",
    }

    remedies = {Path(row["file"]).name: row["remedy"] for row in broken.json["differences"] if row["remedy"]}
    assert sorted(remedies) == ["an old.conf", "dev.gone", "kong.yml", "older.conf", "ringwall-old.service"]
    assert remedies.pop("ringwall-old.service") == (
        f"run `systemctl disable --now ringwall-old.service; rm -f {machine}/etc/systemd/system/ringwall-old.service "
        f"{machine}/etc/systemd/system/ringwall-old.service.ringwall-placed; systemctl daemon-reload`"
    )
    for remedy in remedies.values():
        subprocess.run(["sh", "-c", remedy.removeprefix("run `").removesuffix("`")], check=True)
    remaining = {Path(row["file"]).name for row in ringwall(*asked, "--json").json["differences"]}
    assert not remaining & remedies.keys()
    assert (machine / "etc/tmpfiles.d/older.conf").exists()


def place(machine: Path, path: str, content: str, mode: int) -> None:
    file = machine / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    file.chmod(mode)


def test_a_folder_with_other_things_in_it_is_not_written_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "dev-1").mkdir()
    (tmp_path / "dev-1" / "notes.txt").write_text("mine")
    result = ringwall("host", "render", "dev.one", "-o", tmp_path, "--offline", "--project", root)
    assert (result.code, len(snapshot(tmp_path))) == (2, 1)
    assert "notes.txt: is not of a host's files; move it away, or name another folder" in result.err


def test_a_file_that_the_host_has_no_more_is_taken_away(root: Path, tmp_path: Path) -> None:
    copy = write_hosts(tmp_path / "project")
    ringwall("host", "render", "dev.one", "-o", tmp_path / "hosts", "--offline", "--project", copy)
    for file in ("Pulumi.dev.external.yaml", "dev.external.lock.yaml"):
        (copy / "stacks" / file).unlink()
    result = ringwall("host", "render", "dev.one", "-o", tmp_path / "hosts", "--offline", "--project", copy)
    assert "ringwall-server-dev.external.socket, which this host has no more" in result.out
    assert ringwall("host", "check", tmp_path / "hosts", "--offline", "--project", copy).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "{out}"), "holds no host's files"),
        (("render", "zone.example", "-o", "{out}", "--offline"), "there is no stack zone.example"),
        (("check", "{written}", "--placed", "{out}", "--offline"), "--placed: is for one host with systemd units"),
        (("check", "{written}", "--placed", "{out}/none", "--offline"), "--placed: is no folder"),
        (("render", "dev", "-o", "{out}", "--offline", "--image", "kong"), "--image: kong is not NAME=IMAGE"),
        (("render", "dev", "-o", "{out}", "--offline", "--image", "kong=x"), "--image: is for containers"),
    ],
)
def test_wrong_input_is_one_line(
    root: Path, written: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    filled = [argument.replace("{out}", str(tmp_path)).replace("{written}", str(written)) for argument in arguments]
    result = ringwall("host", *filled, "--project", root)
    assert (result.code, len(result.errors)) == (2, 1)
    assert message in result.errors[0]
    assert snapshot(tmp_path) == {}
