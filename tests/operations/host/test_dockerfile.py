"""The image of Ringwall: only what the lock file pins, no root, and folders that the guard may write."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from operations.host.containers import GUARD

ROOT = Path(__file__).parents[3]
LINES = [
    line for line in (ROOT / "Dockerfile").read_text().replace("\\\n", "").splitlines() if line[:1] not in ("", "#")
]


def test_packages_come_from_the_lock_file_by_their_hashes_alone() -> None:
    installs = [part for line in LINES for part in line.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert all("--no-deps" in part for part in installs)
    assert "--require-hashes --requirement requirements.lock" in installs[0]
    assert "--no-build-isolation ." in installs[1]


def test_the_python_of_the_image_is_one_that_the_package_names() -> None:
    base = next(line.partition("=")[2] for line in LINES if line.startswith("ARG PYTHON="))
    version = base.rpartition(":")[2].partition("-")[0]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert f"Programming Language :: Python :: {version}" in classifiers


def test_nothing_runs_as_root_and_the_guards_folders_are_its_own() -> None:
    final = LINES[max(number for number, line in enumerate(LINES) if line.startswith("FROM")) :]
    assert final[-2:] == [f"USER {GUARD}:{GUARD}", 'ENTRYPOINT ["ringwall"]']
    for folder in ("/var/lib/ringwall", "/var/log/ringwall"):
        assert any(f"-o {GUARD} -g {GUARD} {folder}" in line for line in final)
    assert not [line for line in LINES if line.startswith(("EXPOSE", "ADD"))]


def test_the_image_is_built_of_the_packages_of_the_wheel_and_of_no_key_or_state() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    names = {line[1:] for line in ignored if line.startswith("!")}
    assert names == packages | {"LICENSE", "README.md", "pyproject.toml", "requirements.lock"}


@pytest.mark.rare
def test_the_image_builds_and_runs_as_the_guards_user() -> None:
    builder = next((tool for tool in ("podman", "buildah") if shutil.which(tool)), None)
    if builder is None:
        pytest.skip("neither podman nor buildah is here, so the image was NOT built")
    tag = "localhost/ringwall-test"
    subprocess.run([builder, "build" if builder == "podman" else "bud", "--tag", tag, ROOT], check=True)
    if builder == "podman":
        run = ["podman", "run", "--rm", "--read-only", "--cap-drop=all", "--network=none", tag, "version"]
        assert "ringwall" in subprocess.run(run, check=True, capture_output=True, text=True).stdout
