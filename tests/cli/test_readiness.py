"""`up` and `preview` refuse, before the engine runs, a server whose environment is not deployed."""

from __future__ import annotations

import pytest

from model.project import Project
from tests.support.command_line import ringwall

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


@pytest.mark.parametrize("arguments", [("up", "--yes"), ("preview",)], ids=lambda arguments: arguments[0])
def test_a_server_before_its_environment_is_one_line_with_the_command(
    project: Project, arguments: tuple[str, ...]
) -> None:
    command, *options = arguments
    done = ringwall(command, "dev.one", *options, "--sandbox", "--project", project.root)
    assert done.code == 2
    assert done.errors == [
        "environment dev is not deployed, and dev.one needs it; "
        f"run `ringwall up dev --sandbox --project {project.root}`, which brings its servers up too"
    ]
    assert "Warning" not in done.err


def test_what_is_not_deployed_exports_nothing_and_needs_no_destroying(project: Project) -> None:
    exported = ringwall("outputs", "dev.one", "--sandbox", "--project", project.root)
    assert exported.code == 2
    command = f"ringwall up dev.one --sandbox --project {project.root}"
    assert exported.errors == [f"dev.one is not deployed, so it exports nothing; run `{command}`"]
    destroyed = ringwall("destroy", "dev", "--yes", "--sandbox", "--project", project.root)
    assert (destroyed.code, destroyed.out) == (0, "dev is not deployed: nothing to destroy\n")
