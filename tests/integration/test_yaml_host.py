"""The example in YAML by Pulumi's own YAML host, where that is on the PATH.

Built by `go install github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml@v1.25.0`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.locate import require
from tests.support.engine_project import EngineProject
from tests.support.plugin_host import write_plugin_host

HOST = shutil.which("pulumi-language-yaml")
ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.rare,
    pytest.mark.engine,
    pytest.mark.skipif(HOST is None, reason="no pulumi-language-yaml on the PATH"),
]


def example(engine_project: EngineProject) -> str:
    """The example's program, for the test's own server."""
    text = (ROOT / "examples" / "yaml" / "Pulumi.yaml").read_text(encoding="utf-8")
    for written, here in (
        ("path: ../../package", f"path: {ROOT / 'package'}"),
        ("project: ${pulumi.cwd}/../..", f"project: {engine_project.project.root}"),
        ("server: tickets", "server: one"),
    ):
        assert text.count(written) == 1
        text = text.replace(written, here)
    return text


def test_the_yaml_example_comes_up_and_goes_by_pulumis_own_host(engine_project: EngineProject, tmp_path: Path) -> None:
    engine_project.run("dev", "up")
    folder, hosts = tmp_path / "caller", tmp_path / "hosts"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(example(engine_project), encoding="utf-8")
    write_plugin_host(hosts)
    environment = {
        **os.environ,
        **engine_project.environment,
        "PATH": f"{hosts}{os.pathsep}{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{engine_project.project.root / '.ringwall' / 'state'}",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def pulumi(*arguments: str) -> str:
        command = [str(require().path), *arguments, "--stack", "test", "--non-interactive"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    subprocess.run([require().path, "stack", "init", "test"], cwd=folder, env=environment, check=True, timeout=60)
    pulumi("up", "--yes", "--skip-preview")
    outputs = json.loads(pulumi("stack", "output", "--json"))
    assert outputs["urls"] == ["https://one.example.com/mcp"]
    assert json.loads(outputs["hostBundle"])["server"] == "one"
    pulumi("destroy", "--yes", "--skip-preview")
    assert json.loads(pulumi("stack", "output", "--json")) == {}
