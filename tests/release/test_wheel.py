"""The wheel of `make wheel`, installed in an empty environment and used outside the repository (`make released`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from engine.locate import cache_path
from tests.docs.test_locks import locked

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.rare, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    subprocess.run(["make", "wheel", f"OUT={folder}", f"PYTHON={sys.executable}"], cwd=ROOT, check=True)
    return folder


#: The release of pipx that installs here; uv is the one of the lock.
PIPX = "pipx==1.8.0"


@pytest.fixture(scope="module", params=["uv", "pipx"])
def program(release: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """`ringwall` as `uv tool install`, or `pipx install`, puts it there."""
    tools = tmp_path_factory.mktemp("tools")
    [wheel] = release.glob("*.whl")
    uv, pinned = release / "tools" / "bin" / "uv", ROOT / "requirements.lock"
    if request.param == "uv":
        install: list[str | Path] = [uv, "tool", "install", "--quiet", "--constraints", pinned]
        places = {"UV_TOOL_DIR": tools / "environments", "UV_TOOL_BIN_DIR": tools / "bin"}
    else:
        # With hashes among the constraints pip would want one for the wheel too.
        plain = tools / "constraints.txt"
        plain.write_text("".join(f"{pin}\n" for pins in locked().values() for pin in pins), encoding="utf-8")
        install = [uv, "tool", "run", "--quiet", PIPX, "install", "--quiet", f"--pip-args=--constraint={plain}"]
        places = {"PIPX_HOME": tools / "environments", "PIPX_BIN_DIR": tools / "bin"}
    variables = {**os.environ, **{name: str(place) for name, place in places.items()}}
    subprocess.run([*install, "--python", sys.executable, wheel], env=variables, check=True)
    return tools / "bin" / "ringwall"


def run(program: Path, folder: Path, *words: str | Path) -> str:
    """What a command prints, in an environment that knows nothing of the repository."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_CACHE_HOME": str(cache_path().parents[3])}
    done = subprocess.run([program, *words], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_bill_of_materials_lists_what_a_user_gets_in_the_versions_of_the_lock(release: Path) -> None:
    bill = json.loads((release / "ringwall.cdx.json").read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "ringwall"
    pins = locked()
    for component in bill["components"]:
        versions = {str(pin.specifier) for pin in pins[canonicalize_name(component["name"])]}
        assert f"=={component['version']}" in versions, component["name"]
    names = {canonicalize_name(component["name"]) for component in bill["components"]}
    assert {"pulumi", "pulumi-cloudflare", "mcp", "pydantic"} <= names
    assert not {"pytest", "mypy", "cyclonedx-bom", "hatchling"} & names
    # Nothing of the machine that built it.
    assert str(release) not in json.dumps(bill)


def test_a_new_project_is_planned_and_checked(program: Path, tmp_path: Path) -> None:
    assert run(program, tmp_path, "--version").startswith("ringwall ")
    answers = ["--account-id", f"{1:032}", "--zone", "example.com", "--zone-id", f"{2:032}", "--team", "example"]
    run(program, tmp_path, "init", "dev", "--project", "project", *answers, "--country", "SE", "--host", "dev-1")
    project = tmp_path / "project"
    assert "dev" in run(program, project, "plan", "dev")
    run(program, project, "check")


def test_the_demo_runs_from_the_wheel_alone(program: Path, tmp_path: Path) -> None:
    printed = run(program, tmp_path, "demo", "--no-everything", "--output", tmp_path / "demo")
    assert "Nothing real was touched" in printed
    assert (tmp_path / "demo" / "demo.json").exists()
