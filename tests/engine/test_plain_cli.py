"""The plain `pulumi` CLI with the tests' own language host, and the engine as `PulumiCommand`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine import locate, plugins
from engine.command import pulumi_command
from sandbox import Sandbox
from tests.support.language_host import write_language_host

pytestmark = pytest.mark.engine

PROGRAM = """
import os
import pulumi
import pulumi_kong as kong

service = kong.Service("service", name="github", protocol="http", host=pulumi.Config().require("host"))
pulumi.export("folders", [os.getcwd(), pulumi.get_root_directory()])
pulumi.export("dry", pulumi.runtime.is_dry_run())
"""


def test_plain_preview_and_up_run_the_program_folder(tmp_path: Path) -> None:
    engine = locate.require()
    project = tmp_path / "project"
    (project / "stacks").mkdir(parents=True)
    (project / "stacks/__main__.py").write_text(PROGRAM)
    (tmp_path / "backend").mkdir()
    (project / "Pulumi.yaml").write_text(
        f"name: tiny\nruntime: python\nmain: stacks\nbackend: {{url: 'file://{tmp_path / 'backend'}'}}\n"
    )
    write_language_host(tmp_path / "bin")
    with Sandbox(tmp_path / "world") as sandbox:
        environment = {
            **os.environ,
            **sandbox.environment(),
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "PULUMI_HOME": str(tmp_path / "home"),
            "PULUMI_CONFIG_PASSPHRASE": "only for tests",
        }

        def pulumi(*arguments: str) -> str:
            command = [str(engine.path), *arguments, "--non-interactive", "--color", "never"]
            answer = subprocess.run(
                command, cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert answer.returncode == 0, answer.stdout + answer.stderr
            assert "Traceback" not in answer.stdout + answer.stderr
            return answer.stdout

        pulumi("stack", "init", "dev")
        pulumi("config", "set", "host", "127.0.0.1")
        assert "+ 2 to create" in pulumi("preview")
        assert sandbox.resources() == []
        assert "+ 2 created" in pulumi("up", "--yes", "--skip-preview")
        assert [record.outputs["host"] for record in sandbox.resources()] == ["127.0.0.1"]
        assert f'["{project / "stacks"}","{project}"]' in pulumi("stack", "output", "folders", "--json").replace(
            "\n", ""
        ).replace(" ", "")
        assert "2 unchanged" in pulumi("preview", "--expect-no-changes")
        assert "- 2 deleted" in pulumi("destroy", "--yes", "--skip-preview")


def test_program_that_fails_fails_the_preview_with_its_words(tmp_path: Path) -> None:
    engine = locate.require()
    (tmp_path / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('this stack is refused')\n")
    (tmp_path / "Pulumi.yaml").write_text(f"name: tiny\nruntime: python\nbackend: {{url: 'file://{tmp_path}'}}\n")
    write_language_host(tmp_path / "bin")
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "only for tests",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    run = [str(engine.path), "--non-interactive", "--color", "never", "--cwd", str(tmp_path)]
    subprocess.run([*run, "stack", "init", "dev"], env=environment, capture_output=True, timeout=200, check=True)
    answer = subprocess.run(
        [*run, "preview"], env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert answer.returncode != 0
    assert "this stack is refused" in answer.stdout + answer.stderr


def test_command_is_exactly_the_located_engine() -> None:
    engine = locate.require()
    command = pulumi_command(engine)
    assert command.command == str(engine.path)
    assert str(command.version) == engine.version


def test_real_engine_without_plugins_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    assert [plugin.name for plugin in plugins.plugins_missing(locate.require())] == ["cloudflare", "kong"]
