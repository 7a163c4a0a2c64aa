"""The project this invocation works on."""

from __future__ import annotations

from pathlib import Path

from cli import invocation
from model.project import Project, find_project


def current_project() -> Project:
    """The folder named with --project, else the nearest with a Pulumi.yaml."""
    return find_project(invocation.current().project or Path.cwd())
