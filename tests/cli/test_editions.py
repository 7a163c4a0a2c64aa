"""`ringwall editions`: the table, and what a stack uses of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.editions import Protection
from tests.support.command_line import ringwall
from tests.support.edition_projects import asking, edition_project

ROOT = Path(__file__).parents[2]


def test_the_table_has_every_protection_and_edition() -> None:
    document = ringwall("editions", "--json").json
    assert document["editions"] == ["oss", "enterprise", "ai"]
    rows = {row["protection"]: row for row in document["protections"]}
    assert len(rows) == len(Protection)
    assert rows["signature"]["meaning"] == "verify a token's signature"
    assert {edition: cell.get("plugin") for edition, cell in rows["signature"]["editions"].items()} == {
        "oss": "jwt",
        "enterprise": "openid-connect",
        "ai": "openid-connect",
    }
    assert rows["tool-access"]["editions"]["oss"]["by"] == "guard"
    assert rows["model-order"]["editions"]["oss"]["by"] == "nobody"
    assert "edition ai" in rows["model-order"]["editions"]["oss"]["remedy"]
    lines = ringwall("editions").out.splitlines()
    assert lines[0].split("\t") == ["protection", "oss", "enterprise", "ai"]
    assert "limit each principal's requests\trate-limiting 3.0\trate-limiting-advanced 3.0" in "\n".join(lines)


def test_an_environment_shows_what_each_of_its_stacks_uses(tmp_path: Path) -> None:
    edition_project(tmp_path, "enterprise")
    document = ringwall("editions", "dev", "--json", "--project", tmp_path).json
    assert (document["edition"], document["gateway_version"]) == ("enterprise", "3.15.0.4")
    assert list(document["stacks"]) == ["dev", "dev.external", "dev.hosted", "dev.models", "dev.one"]
    uses = {stack: {row["protection"]: row for row in rows} for stack, rows in document["stacks"].items()}
    assert set(uses["dev"]) == {"request-id", "metrics", "log-http", "log-file", "log-otlp"}
    assert uses["dev.external"]["external-signature"]["plugin"] == "openid-connect"
    assert "signature" not in uses["dev.external"]
    assert uses["dev.hosted"]["tool-rate"]["by"] == "guard"
    assert "tool-rate" not in uses["dev.external"]
    assert uses["dev.models"]["model-proxy"]["plugin"] == "ai-proxy"
    assert "tool-access" not in uses["dev.models"]
    text = ringwall("editions", "dev.one", "--project", tmp_path).out
    assert text.startswith("dev.one: Kong enterprise 3.15.0.4\n")
    assert "close a server\trequest-termination 3.0" in text


def test_what_the_edition_lacks_is_an_error_with_its_key(tmp_path: Path) -> None:
    edition_project(tmp_path, "oss", asking(Protection.MODEL_ORDER))
    done = ringwall("editions", "dev.models", "--project", tmp_path)
    assert done.code == 2
    (error,) = [line for line in done.errors if "in order" in line]
    assert "config.ringwall:model.models.small.targets" in error
    assert "use edition ai" in error


def test_a_zone_uses_nothing_of_kong(tmp_path: Path) -> None:
    edition_project(tmp_path, "oss")
    shutil.copy(ROOT / "stacks" / "Pulumi.zone.example.yaml", tmp_path / "stacks")
    done = ringwall("editions", "zone.example", "--project", tmp_path)
    assert done.code == 2
    assert done.errors == ["zone.example is a zone, which uses nothing of Kong; name an environment or a server"]
