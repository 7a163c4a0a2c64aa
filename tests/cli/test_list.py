from __future__ import annotations

from pathlib import Path

from model.project import Project
from tests.support.command_line import ringwall, snapshot


def _stacks(project: Project) -> dict[str, dict[str, object]]:
    done = ringwall("list", "--json", "--project", project.root)
    return {row["stack"]: row for row in done.json["stacks"]}


def test_every_server_is_shown_with_what_guards_it(project: Project) -> None:
    done = ringwall("list", "--json", "--project", project.root)
    assert done.code == 0
    rows = {row["stack"]: row for row in done.json["stacks"]}
    assert list(rows) == ["dev", "dev.external", "dev.hosted", "dev.one"]
    one = rows["dev.one"]
    assert (one["hostname"], one["host"], one["oauth"]) == ("one.example.com", "dev-1", "access")
    assert (one["tools_locked"], one["tools_granted"]) == (4, 3)
    assert rows["dev.external"]["oauth"] == "external"
    assert rows["dev.external"]["tools_granted"] == 1
    assert rows["dev.hosted"]["tools_granted"] == 2  # its pattern matches create_ticket too, and is read-only
    assert rows["dev.hosted"]["access_policies"] > one["access_policies"] > 0


def test_the_table_names_environment_and_servers(project: Project) -> None:
    done = ringwall("list", "--project", project.root)
    assert done.out.startswith(
        "dev: example.com, colocated, not production; hosts: dev-1, dev-2; agents: ci, nightly\n"
    )
    assert "dev.hosted" in done.out


def test_one_wrong_server_is_shown_with_its_first_error_and_hides_no_other(project: Project) -> None:
    file = project.stack_file("dev.one")
    file.write_text(file.read_text().replace("guard_port: 9010", "guard_prt: 9010"))
    done = ringwall("list", "--json", "--project", project.root)
    assert done.code == 2
    rows = {row["stack"]: row for row in done.json["stacks"]}
    assert rows["dev.one"]["valid"] is False
    assert "config.ringwall:server.guard_p" in rows["dev.one"]["error"]
    assert rows["dev"]["valid"] is rows["dev.hosted"]["valid"] is True
    shown = ringwall("list", "--project", project.root)
    assert shown.code == 2
    assert f"dev.one: not valid: {file}:" in shown.out


def test_a_missing_lock_is_that_servers_problem(project: Project) -> None:
    project.lock_file("dev.hosted").unlink()
    rows = _stacks(project)
    assert "the tool lock is missing" in str(rows["dev.hosted"]["error"])
    assert rows["dev.one"]["valid"] is True


def test_a_wrong_environment_makes_its_servers_invalid_too(project: Project) -> None:
    file = project.stack_file("dev")
    file.write_text(file.read_text().replace("team: example", "team: Example"))
    rows = _stacks(project)
    assert "cloudflare.team" in str(rows["dev"]["error"])
    assert rows["dev.one"]["error"] == "its environment dev is not valid"


def test_a_server_without_an_environment_is_shown(project: Project) -> None:
    project.stack_file("qa.x").write_text("config: {}\n")
    assert "there is no environment qa" in str(_stacks(project)["qa.x"]["error"])


def test_zones_are_listed(project: Project) -> None:
    project.stack_file("zone.example").write_text("config: {}\n")
    assert "holds no ringwall:zone" in str(_stacks(project)["zone.example"]["error"])


def test_a_project_without_environments_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    done = ringwall("list", "--project", tmp_path)
    assert (done.code, done.out) == (0, f"no environments yet; run `ringwall init ENV --project {tmp_path}`\n")


def test_listing_writes_nothing(project: Project) -> None:
    before = snapshot(project.root)
    ringwall("list", "--project", project.root)
    assert snapshot(project.root) == before
