"""Of two environments that share a gateway, the deployed one keeps it: the newcomer's `up` is refused beforehand."""

from __future__ import annotations

import pytest

from engine import deploy
from engine.readiness import refuse_shared
from model.errors import InputErrors
from tests.support.engine_project import EngineProject

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def test_what_a_deployed_environment_has_is_refused_to_the_newcomer_and_not_the_other_way(
    engine_project: EngineProject,
) -> None:
    project, target = engine_project.project, engine_project.target
    text = project.stack_file("dev").read_text()
    project.stack_file("test").write_text(text.replace("dev-1:", "test-1:").replace("dev-2:", "test-2:"))
    shared = project.stack_file("test")
    shared.write_text(shared.read_text().replace("topology: colocated", "topology: hybrid"))
    newcomer = deploy.scope_of(project, "test")
    refuse_shared(target, newcomer)  # nothing is deployed yet
    engine_project.run("dev", "up")
    with pytest.raises(InputErrors, match="is the gateway of environment dev too"):
        refuse_shared(target, newcomer)
    refuse_shared(target, deploy.scope_of(project, "dev"))
