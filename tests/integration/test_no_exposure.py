"""While a running server changes, no state on the way leaves a name bare: on the real engine, judged after every operation.

A small part of `make exposure`, which goes through every kind of change with an error at every operation.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pulumi
import pytest

from components.program import declare
from engine import deploy
from engine.run import Run
from engine.runs import execute
from model.errors import PlanRefused
from model.project import load, open_project
from plan.protectors import ACCESS_APPLICATION, DNS_RECORD, TUNNEL_CONFIG
from sandbox import Fault
from tests.support.engine_project import EngineProject
from tests.support.exposure_changes import BY_NAME
from tests.support.exposure_rehearsal import Rehearsal
from tests.support.exposure_watch import watching

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
RENAMED = "host name changed"


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    yield Rehearsal(tmp_path_factory.mktemp("rehearsal"))
    gc.collect()


@pytest.mark.parametrize("name", [RENAMED, "closed by lockdown"])
def test_no_state_of_a_change_leaves_a_name_bare(rehearsal: Rehearsal, name: str) -> None:
    outcome = rehearsal.run(BY_NAME[name])
    assert (outcome.exposed, outcome.problems) == ([], [])
    assert outcome.states >= len(outcome.operations) > 0


def test_nor_does_the_plain_cli(rehearsal: Rehearsal) -> None:
    outcome = rehearsal.run(BY_NAME[RENAMED], plain=True)
    assert (outcome.exposed, outcome.problems) == ([], [])
    assert outcome.states > 5


@pytest.mark.parametrize(
    ("operation", "type_", "late"),
    [
        ("update", TUNNEL_CONFIG, False),
        ("update", DNS_RECORD, True),
    ],
)
def test_a_changed_host_name_that_stops_halfway_leaves_no_name_bare_and_goes_on(
    rehearsal: Rehearsal, operation: str, type_: str, late: bool
) -> None:
    fault = Fault(operation, type_, 1, "500 Internal Server Error", after_effect=late)  # type: ignore[arg-type]
    outcome = rehearsal.run(BY_NAME[RENAMED], fault, again=True)
    assert (outcome.exposed, outcome.problems) == ([], [])


def test_the_last_of_several_names_stands_alone_after_changes_that_stopped(engine_project: EngineProject) -> None:
    engine_project.run("dev", "up")
    engine_project.run("dev.one", "up")
    sandbox, file = engine_project.sandbox, engine_project.project.stack_file("dev.one")
    text = file.read_text(encoding="utf-8")
    with watching(sandbox) as watch:
        for name, operation, type_ in (
            ("two.example.com", "update", DNS_RECORD),
            ("three.example.com", "delete", ACCESS_APPLICATION),
            ("one.example.com", "update", DNS_RECORD),
        ):
            file.write_text(text.replace("one.example.com", name), encoding="utf-8")
            sandbox.faults.add(Fault(operation, type_, 1, "500 Internal Server Error"))  # type: ignore[arg-type]
            stopped = execute(engine_project.target, Run("dev.one", "up"))
            assert stopped.error is not None
            assert "500 Internal Server Error" in stopped.error
            sandbox.faults.clear()
        engine_project.run("dev.one", "up")
    assert watch.exposed == []
    (application,) = sandbox.resources(f"*{ACCESS_APPLICATION.rpartition(':')[2]}")
    assert application.outputs["destinations"] == [{"type": "public", "uri": "one.example.com"}]
    assert engine_project.run("dev.one", "up").steps.changed == []


def test_a_program_that_moves_the_application_in_place_is_refused_by_the_steps_of_its_preview(
    engine_project: EngineProject,
) -> None:
    project, target = engine_project.project, engine_project.target
    engine_project.run("dev", "up")
    engine_project.run("dev.one", "up")
    file = project.stack_file("dev.one")
    file.write_text(file.read_text(encoding="utf-8").replace("one.example.com", "uno.example.com"), encoding="utf-8")

    def hasty() -> None:
        """The program without its own refusals, and with a transform that takes the order away."""

        def in_place(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
            if args.type_ != ACCESS_APPLICATION:
                return None
            args.opts.replace_on_changes = []
            return pulumi.ResourceTransformResult(args.props, args.opts)

        pulumi.runtime.register_resource_transform(in_place)
        declare(load(open_project(project.root), "dev.one"))

    previews = [execute(target, Run("dev.one", "preview"), program=hasty)]
    assert previews[0].error is None
    with pytest.raises(
        PlanRefused,
        match=r"^dev\.one: step-order: one-edge-application is changed too early: "
        r"one\.example\.com resolves, and no Access application covers it; destroy the server first",
    ):
        deploy.refuse_gaps(previews)

    previews = deploy.preview(target, deploy.scope_of(project, "dev.one"))
    deploy.refuse_gaps(previews)
    assert [change.operation for change in previews[0].steps.changed if change.type == ACCESS_APPLICATION] == [
        "create-replacement",
        "replace",
        "delete-replaced",
    ]


def test_a_server_in_production_keeps_its_name_until_its_application_is_unprotected(
    engine_project: EngineProject,
) -> None:
    project = engine_project.project
    file = project.stack_file("dev")
    text = file.read_text(encoding="utf-8").replace("topology: colocated", "production: true\n    topology: hybrid")
    file.write_text(text.replace("http://127.0.0.1:8001", "https://kong.example.net:8444"), encoding="utf-8")
    engine_project.run("dev", "up")
    engine_project.run("dev.one", "up")
    server = project.stack_file("dev.one")
    server.write_text(server.read_text(encoding="utf-8").replace("one.example.com", "uno.example.com"), "utf-8")
    refused = execute(engine_project.target, Run("dev.one", "preview"))
    assert refused.error is not None
    before, _, advice = refused.error.partition("`pulumi ")
    assert before.startswith("one-edge-application is protected")
    command = advice.partition("`")[0].replace("'", "")
    engine_project.pulumi(*command.split())
    with watching(engine_project.sandbox) as watch:
        engine_project.run("dev.one", "up")
    assert watch.exposed == []
    server.write_text(server.read_text(encoding="utf-8").replace("uno.example.com", "one.example.com"), "utf-8")
    assert execute(engine_project.target, Run("dev.one", "preview")).error is not None
