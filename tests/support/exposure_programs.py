"""The examples that are programs of their own and use Ringwall as a package, run by the real engine on a test's project."""

from __future__ import annotations

import os
import runpy
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
from pulumi.automation import LocalWorkspace, Stack
from pulumi.automation.errors import CommandError

from components.providers import load_sdks
from engine.causes import cause
from engine.command import pulumi_command
from engine.locate import require
from engine.run import Run
from model.loader import read
from tests.support.engine_project import EngineProject
from tests.support.plugin_host import write_plugin_host
from tests.support.projects import server_text, write_server

ROOT = Path(__file__).resolve().parents[2]


class _Remote(pulumi.ComponentResource):
    def __init__(self, kind: str, name: str, inputs: dict[str, Any]) -> None:
        super().__init__(kind, name, inputs, remote=True)


def write_program(root: Path, name: str) -> None:
    """Put an example into a project, at the place where it lies in this repository, and the server it names beside it."""
    folder = root / "examples" / name
    folder.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text(
        f"name: caller\nruntime: python\nbackend:\n  url: file://{root / '.ringwall' / 'state'}\n"
        f"plugins:\n  providers:\n    - name: ringwall\n      path: {ROOT / 'package'}\n",
        encoding="utf-8",
    )
    write_server(root, "dev.tickets", server_text("tickets", 1))


def run_program(world: EngineProject, run: Run, **options: Any) -> None:
    """Run an example's program, in the stack of its name, and record what the engine reports."""
    folder = world.project.root / "examples" / run.stack
    hosts = world.home / "plugin-hosts"
    write_plugin_host(hosts)
    load_sdks()
    workspace = LocalWorkspace(
        work_dir=str(folder),
        program=partial(_PROGRAMS[run.stack], folder),
        env_vars=world.environment | {"PATH": f"{hosts}{os.pathsep}{os.environ['PATH']}"},
        pulumi_command=pulumi_command(require()),
    )
    try:
        stack = Stack.create_or_select(run.stack, workspace)
        getattr(stack, run.operation)(on_event=run.steps.on_event, color="never", **options)
    except CommandError as error:
        run.error = cause(run.steps, str(error), run.stack)


def _python(folder: Path) -> None:
    pulumi.runtime.set_all_config({"caller:folder": str(folder.parents[1])})
    runpy.run_path(str(ROOT / "examples" / "python"), run_name="__main__")


def _yaml(folder: Path) -> None:
    """What Pulumi's YAML language does with a component (pulumi.com/docs/iac/languages-sdks/yaml): one resource with the
    properties given, `pulumi.cwd` in them being the program's folder."""
    document: Any = read(ROOT / "examples" / "yaml" / "Pulumi.yaml").value
    for name, resource in document["resources"].items():
        inputs = {key: value.replace("${pulumi.cwd}", str(folder)) for key, value in resource["properties"].items()}
        _Remote(resource["type"], name, inputs)


_PROGRAMS = {"python": _python, "yaml": _yaml}
