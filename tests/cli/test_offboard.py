from __future__ import annotations

from pathlib import Path

import pytest
from pulumi.automation import Deployment

from engine.locate import VARIABLE
from engine.workspace import Target, workspace
from model.project import Project
from tests.support.command_line import ringwall, snapshot

ROOT = "urn:pulumi:dev.one::ringwall::pulumi:pulumi:Stack::ringwall-dev.one"
PERIMETER = "urn:pulumi:dev.one::ringwall::ringwall:index:ServerPerimeter::one"
RESOURCES = [
    {"urn": ROOT, "custom": False, "type": "pulumi:pulumi:Stack"},
    {"urn": PERIMETER, "custom": False, "type": "ringwall:index:ServerPerimeter", "parent": ROOT},
]
FILES = {"stacks/Pulumi.dev.one.yaml", "stacks/dev.one.lock.yaml"}


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """State is at a service, which only the engine can ask."""
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://state-of-nobody")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no-engine-here"))


@pytest.fixture
def passphrase(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse battery staple")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.mark.engine
@pytest.mark.usefixtures("passphrase")
def test_a_server_that_was_never_deployed_leaves_its_environment_as_it_was(project: Project) -> None:
    before = snapshot(project.root)
    done = ringwall("offboard", "dev.one", "--yes", "--project", project.root)
    assert done.code == 0, done.err
    after = snapshot(project.root)
    assert set(before) - set(after) == FILES
    assert {name: before[name] for name in after} == after


@pytest.mark.engine
@pytest.mark.usefixtures("passphrase")
def test_a_deployed_server_is_refused_even_by_force(project: Project) -> None:
    with workspace(Target(project), "dev.one", create=True) as stack:
        state = stack.export_stack()
        stack.import_stack(Deployment(state.version, {**(state.deployment or {}), "resources": RESOURCES}))
    before = snapshot(project.root)
    done = ringwall("offboard", "dev.one", "--yes", "--force", "--project", project.root)
    assert (done.code, len(done.errors)) == (2, 1)
    assert "dev.one still has 1 resource deployed; " in done.errors[0]
    assert f"run `ringwall destroy dev.one --project {project.root}` first" in done.errors[0]
    assert snapshot(project.root) == before


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("flags", [(), ("--yes",), ("--force",)])
def test_where_nobody_can_tell_it_is_refused(project: Project, flags: tuple[str, ...]) -> None:
    before = snapshot(project.root)
    done = ringwall("offboard", "dev.one", *flags, "--project", project.root)
    assert (done.code, len(done.errors)) == (2, 1)
    assert "cannot tell whether dev.one is deployed" in done.errors[0]
    assert "add --yes --force" in done.errors[0]
    assert snapshot(project.root) == before


@pytest.mark.usefixtures("no_engine")
def test_where_nobody_can_tell_yes_and_force_together_go_on_with_a_warning(project: Project) -> None:
    before = snapshot(project.root)
    done = ringwall("offboard", "dev.one", "--yes", "--force", "--json", "--project", project.root)
    assert done.code == 0, done.err
    assert "WARNING: not known whether dev.one is deployed" in done.err
    assert done.json["deployed"] is None
    assert set(before) - set(snapshot(project.root)) == FILES


@pytest.mark.usefixtures("no_engine")
def test_a_server_whose_manifest_is_wrong_can_still_be_removed(project: Project) -> None:
    project.stack_file("dev.one").write_text("config: {}\n")
    project.lock_file("dev.one").unlink()
    assert ringwall("offboard", "dev.one", "--yes", "--force", "--project", project.root).code == 0
    assert not project.stack_file("dev.one").exists()


@pytest.mark.parametrize(
    ("name", "said"), [("dev", "dev is not a server"), ("dev.nobody", "there is no server nobody")]
)
def test_only_a_server_that_exists_can_be_removed(project: Project, name: str, said: str) -> None:
    before = snapshot(project.root)
    done = ringwall("offboard", name, "--yes", "--force", "--project", project.root)
    assert (done.code, len(done.errors)) == (2, 1)
    assert said in done.errors[0]
    assert snapshot(project.root) == before
