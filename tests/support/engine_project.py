"""The real engine on a test's project: real backend, real passphrase, stand-in providers, no sandbox shortcuts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.locate import require
from engine.run import Run
from engine.runs import execute
from engine.workspace import Target
from model.project import Project
from operations.project.new_project import make_virtualenv
from sandbox import Sandbox
from tests.support.language_host import write_language_host

PASSPHRASE = "correct horse battery staple"
#: Pulumi's own Python host, where it is on PATH; else programs run by the tests' host (`tests.support.language_host`).
OFFICIAL_HOST = shutil.which("pulumi-language-python")


@dataclass
class EngineProject:
    """`ringwall`'s way and plain `pulumi`'s way on one project and one backend."""

    project: Project
    sandbox: Sandbox
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**self.sandbox.environment(), "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE, "PULUMI_HOME": str(self.home)}

    @property
    def target(self) -> Target:
        return Target(self.project, self.environment)

    def run(self, stack: str, operation: Any, **options: Any) -> Run:
        """One engine run by Ringwall; an error of the engine fails the test with its text."""
        run = execute(self.target, Run(stack, operation), **options)
        assert run.error is None, run.error
        return run

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The plain CLI in the user's folder."""
        hosts = self.home / "hosts"
        if OFFICIAL_HOST is not None:
            make_virtualenv(self.project.root)
        elif not hosts.exists():
            write_language_host(hosts)
        environment = {
            **os.environ,
            **self.environment,
            "PATH": f"{hosts}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        done = subprocess.run(
            [str(require().path), *arguments, "--non-interactive"],
            cwd=self.project.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def preview_json(self, stack: str) -> dict[str, Any]:
        """`pulumi preview --json`: every step with its new state."""
        text = self.pulumi("preview", "--json", "--stack", stack).stdout
        found: dict[str, Any] = json.loads(text)
        return found

    def backend_files(self) -> list[Path]:
        return [path for path in (self.project.root / ".ringwall").rglob("*") if path.is_file()]
