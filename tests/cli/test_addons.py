"""`ringwall engine addons`, and that what it leads to is part of the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from model.loader import read
from tests.support.command_line import ringwall

ROOT = Path(__file__).resolve().parents[2]


def test_policy_pack_starts_from_any_folder_and_package_runs_in_ringwalls_environment(tmp_path: Path) -> None:
    # A folder of this name where Pulumi runs is not taken for Ringwall's.
    (tmp_path / "policy_pack").mkdir()
    (tmp_path / "policy_pack" / "analyzer.py").write_text("raise SystemExit(9)\n", "utf-8")
    done = ringwall("engine", "addons", tmp_path / "with blank", "--json")
    assert done.code == 0
    pack, package = Path(done.json["policy_pack"]), Path(done.json["package"])
    with subprocess.Popen([pack, "127.0.0.1:1"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        process.kill()
    runtime = read(package / "PulumiPlugin.yaml").value["runtime"]  # type: ignore[index,call-overload]
    assert runtime == {"name": "python", "options": {"toolchain": "pip", "virtualenv": sys.prefix}}
    assert ringwall("engine", "addons", tmp_path / "with blank").code == 0


def test_wheel_holds_the_policy_pack_and_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"policy_pack/analyzer.py", "package/provider.py", "cli/main.py", "stacks/__main__.py"} <= names
