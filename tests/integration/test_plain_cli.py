"""The plain `pulumi` CLI and Ringwall on the same stack: no difference either way, and the same refusals."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from engine.run import Run
from engine.runs import execute
from engine.state import outputs
from model.project import load_environment, open_project
from sandbox import Sandbox
from tests.support.command_line import flags, ringwall
from tests.support.engine_project import EngineProject

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


def test_what_ringwall_brought_up_the_plain_cli_leaves_unchanged_and_the_other_way_round(
    engine_project: EngineProject,
) -> None:
    engine_project.run("dev", "up")
    engine_project.pulumi("preview", "--stack", "dev", "--expect-no-changes")
    engine_project.run("dev.one", "up")
    engine_project.pulumi("preview", "--stack", "dev.one", "--expect-no-changes")
    engine_project.pulumi("destroy", "--stack", "dev.one", "--yes")
    engine_project.pulumi("up", "--stack", "dev.one", "--yes")
    assert engine_project.run("dev.one", "preview").steps.changed == []


def test_plain_destroy_of_an_environment_stops_at_its_first_step_while_a_server_is_live(
    engine_project: EngineProject,
) -> None:
    engine_project.run("dev", "up")
    engine_project.run("dev.one", "up")
    before = engine_project.sandbox.resources()
    process = engine_project.pulumi("destroy", "--stack", "dev", "--yes", check=False)
    assert process.returncode != 0
    assert "still uses this ZeroTrustAccessPolicy" in process.stdout + process.stderr
    assert engine_project.sandbox.resources() == before
    engine_project.pulumi("destroy", "--stack", "dev.one", "--yes")
    engine_project.pulumi("destroy", "--stack", "dev", "--yes")
    assert engine_project.sandbox.resources() == []


def test_both_refuse_a_wrong_key_before_any_resource(engine_project: EngineProject) -> None:
    file = engine_project.project.stack_file("dev")
    file.write_text(
        file.read_text(encoding="utf-8").replace("countries: [NO, SE]\n    identity", "contries: [NO]\n    identity"),
        "utf-8",
    )
    refused = "contries: unknown key"
    plain = engine_project.pulumi("up", "--stack", "dev", "--yes", check=False)
    if "no stack named" in plain.stderr:
        engine_project.pulumi("stack", "init", "dev")
        plain = engine_project.pulumi("up", "--stack", "dev", "--yes", check=False)
    run = execute(engine_project.target, Run("dev", "up"))
    assert plain.returncode != 0
    assert refused in plain.stdout + plain.stderr
    assert "Traceback" not in plain.stdout + plain.stderr
    assert run.error is not None
    assert refused in run.error
    assert engine_project.sandbox.resources() == []


def test_both_refuse_a_server_whose_environment_was_changed_but_not_brought_up(engine_project: EngineProject) -> None:
    engine_project.run("dev", "up")
    file = engine_project.project.stack_file("dev")
    file.write_text(file.read_text(encoding="utf-8").replace("team: example", "team: another"), "utf-8")
    count = len(engine_project.sandbox.resources())
    engine_project.pulumi("stack", "init", "dev.one")
    plain = engine_project.pulumi("up", "--stack", "dev.one", "--yes", check=False)
    run = execute(engine_project.target, Run("dev.one", "up"))
    assert plain.returncode != 0
    refused = "environment dev as deployed differs from Pulumi.dev.yaml; run `ringwall up dev` first"
    assert refused in plain.stdout + plain.stderr
    assert run.error is not None
    assert refused in run.error
    assert len(engine_project.sandbox.resources()) == count


def test_both_refuse_a_server_before_its_environment_in_one_line(engine_project: EngineProject) -> None:
    refused = "environment dev is not deployed; run `ringwall up dev` first"
    engine_project.pulumi("stack", "init", "dev.one")
    plain = engine_project.pulumi("up", "--stack", "dev.one", "--yes", check=False)
    output = plain.stdout + plain.stderr
    assert plain.returncode != 0
    assert refused in output
    assert "Traceback" not in output
    assert "KeyboardInterrupt" not in output
    assert "never awaited" not in output
    run = execute(engine_project.target, Run("dev.one", "up"))
    assert (run.error or "").split("\n")[0] == refused
    engine_project.run("dev", "up")
    engine_project.run("dev", "destroy")
    refusal = (execute(engine_project.target, Run("dev.one", "up")).error or "").split("\n")[0]
    assert refusal == "environment dev is not deployed: it exports no contract; run `ringwall up dev` first"
    assert engine_project.sandbox.resources() == []


def test_a_manifest_from_another_file_is_refused(engine_project: EngineProject) -> None:
    engine_project.pulumi("stack", "init", "dev")
    file = engine_project.project.stack_file("dev")
    config_file = engine_project.home / "other.yaml"
    config_file.write_text(file.read_text(encoding="utf-8").replace("team: example", "team: another"), encoding="utf-8")
    process = engine_project.pulumi("up", "--stack", "dev", "--yes", "--config-file", str(config_file), check=False)
    assert process.returncode != 0
    assert "Pulumi's configuration differs from this file" in process.stdout + process.stderr
    assert engine_project.sandbox.resources() == []


def test_the_users_files_change_by_the_salt_line_only_and_once(engine_project: EngineProject) -> None:
    file = engine_project.project.stack_file("dev.one")
    before = file.read_text(encoding="utf-8")
    engine_project.run("dev", "up")
    engine_project.run("dev.one", "preview")
    after = file.read_text(encoding="utf-8")
    assert after.startswith(before)
    assert after.removeprefix(before).startswith("encryptionsalt: v1:")
    assert after.removeprefix(before).count("\n") == 1
    engine_project.run("dev.one", "up")
    assert file.read_text(encoding="utf-8") == after


def test_the_users_selected_stack_stays_selected(engine_project: EngineProject) -> None:
    engine_project.pulumi("stack", "init", "dev")
    engine_project.run("dev", "up")
    engine_project.run("dev.one", "up")
    assert engine_project.pulumi("stack", "--show-name").stdout.strip() == "dev"


def test_the_contract_holds_no_secret_and_the_agents_secrets_are_masked(engine_project: EngineProject) -> None:
    engine_project.run("dev", "up")
    exported = outputs(engine_project.project, "dev", target=engine_project.target)
    assert exported["agent_credentials"] == "[secret]"
    assert set(exported["contract"]) == {"version", "digest", "written", "ringwall", "policies", "agents"}
    shown = outputs(engine_project.project, "dev", show_secrets=True, target=engine_project.target)
    secrets = [agent["client_secret"] for agent in shown["agent_credentials"].values()]
    assert len(secrets) == 2
    for path in engine_project.backend_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not any(secret in text for secret in secrets), path


def test_a_secret_set_by_the_plain_cli_leaves_every_value_and_quote_of_the_stack_file(
    engine_project: EngineProject,
) -> None:
    file = engine_project.project.stack_file("dev")
    waiver = '    waivers:\n      - {rule: guard-fails-open, reason: "why not?", expires: "2099-01-01"}\n'
    text = file.read_text("utf-8").replace("    cloudflare:\n", f"{waiver}    cloudflare:\n", 1)
    file.write_text(text, "utf-8")
    settings = load_environment(engine_project.project, "dev").settings
    engine_project.pulumi("stack", "init", "dev")
    engine_project.pulumi("config", "set", "--secret", "cloudflare:apiToken", "x" * 40, "--stack", "dev")
    assert "cloudflare:apiToken:\n    secure: v1:" in file.read_text("utf-8")
    assert load_environment(engine_project.project, "dev").settings == settings
    quoted = {line for line in text.splitlines() if '"' in line}
    assert quoted
    assert quoted <= set(file.read_text("utf-8").splitlines())


def test_a_renamed_agent_gets_its_new_token_before_the_old_goes_and_a_longer_one_is_no_new_token(
    engine_project: EngineProject,
) -> None:
    def tokens() -> dict[str, str]:
        found = engine_project.sandbox.resources()
        return {str(one.outputs["name"]): one.id for one in found if one.type.endswith(":ZeroTrustAccessServiceToken")}

    file, one = (engine_project.project.stack_file(stack) for stack in ("dev", "dev.one"))
    engine_project.run("dev", "up")
    before = tokens()
    assert any(name.endswith("-ci") for name in before)
    text = file.read_text("utf-8")
    file.write_text(text.replace("      ci:\n", "      ci:\n        token_duration: 2160h\n"), "utf-8")
    engine_project.run("dev", "up")
    assert tokens() == before
    file.write_text(text.replace("      ci:\n", "      builder:\n"), "utf-8")
    one.write_text(one.read_text("utf-8").replace("agents: [ci]", "agents: [builder]"), "utf-8")
    engine_project.run("dev", "up")
    assert {name.rpartition("-")[2] for name in tokens()} == {"builder", "nightly"}
    assert not set(tokens().values()) & {before[name] for name in before if name.endswith("-ci")}


def test_a_project_that_init_made_lives_by_plain_pulumi_alone(tmp_path: Path) -> None:
    """The card's own way: init and onboard write files, everything else is `pulumi`."""
    root = tmp_path / "project"
    assert ringwall("init", "dev", "--project", root, *flags()).code == 0
    command = shlex.join([sys.executable, "-m", "sandbox.mcp_server", "--stdio"])
    answers = ["--people", "ada@example.com", "--yes", "--project", str(root)]
    assert ringwall("onboard", "tickets", "--env", "dev", "--command", command, *answers).code == 0
    with Sandbox(tmp_path / "world") as sandbox:
        plain = EngineProject(open_project(root), sandbox, tmp_path / "home")
        for stack in ("dev", "dev.tickets"):
            plain.pulumi("stack", "init", stack)
            shown = plain.pulumi("up", "--stack", stack, "--yes").stdout
            # Pulumi prints outputs whole: what a person reads after `up` fits a screen.
            outputs = shown.partition("Outputs:")[2].partition("Resources:")[0]
            assert len(outputs.splitlines()) < 80, outputs
        plain.pulumi("preview", "--stack", "dev.tickets", "--expect-no-changes")
        assert json.loads(exported(plain, "guard_config"))["server"] == {"environment": "dev", "name": "tickets"}
        for stack in ("dev.tickets", "dev"):
            plain.pulumi("destroy", "--stack", stack, "--yes")
        assert sandbox.resources() == []


def exported(plain: EngineProject, name: str) -> str:
    return str(outputs(plain.project, "dev.tickets", target=plain.target)[name])
