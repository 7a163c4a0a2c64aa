"""The JSON Schemas say of every good file that it is good, and say the same every time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from model.loader import read
from model.project import open_project
from model.schema import FORMATS, json_schema, stack_file_schema
from tests.support.projects import lock, write_project

REPOSITORY = Path(__file__).parents[2]


def stack_files(tmp_path: Path) -> list[Path]:
    """The files the tests generate, and every example in the repository."""
    root = write_project(tmp_path, every_shape=True, servers=3)
    files = sorted((root / "stacks").glob("Pulumi.*.yaml")) + sorted((REPOSITORY / "stacks").glob("Pulumi.*.yaml"))
    assert len(files) >= 6
    return files


def errors(document: Any) -> list[str]:
    return [
        ".".join(map(str, error.absolute_path))
        for error in Draft202012Validator(stack_file_schema()).iter_errors(document)
    ]


def test_every_stack_file_is_valid(tmp_path: Path) -> None:
    assert {str(file): errors(read(file).value) for file in stack_files(tmp_path)} == {
        str(file): [] for file in stack_files(tmp_path)
    }


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (lambda manifest: manifest.update(nonsense=1), "config.ringwall:server"),
        (lambda manifest: manifest.pop("host"), "config.ringwall:server"),
        (lambda manifest: manifest.update(guard_port="9010"), "config.ringwall:server.guard_port"),
        (lambda manifest: manifest.update(version=2), "config.ringwall:server.version"),
        (lambda manifest: manifest["grants"][0].update(to=[]), "config.ringwall:server.grants.0.to"),
    ],
)
def test_a_wrong_manifest_is_not_valid(tmp_path: Path, edit: Any, path: str) -> None:
    root = write_project(tmp_path)
    document: Any = read(root / "stacks" / "Pulumi.dev.one.yaml").value
    edit(document["config"]["ringwall:server"])
    assert errors(document) == [path]


def test_an_unknown_top_level_key_is_not_valid(tmp_path: Path) -> None:
    assert errors({"config": {}, "confg": {}}) == [""]


@pytest.mark.parametrize("name", FORMATS)
def test_every_schema_is_a_schema_with_its_own_id_and_title(name: str) -> None:
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:ringwall:schema:{name}:1"
    assert schema["title"]
    assert "version" in schema["properties"]


def test_the_stack_file_schema_is_a_schema_and_all_its_references_lead_somewhere() -> None:
    schema = stack_file_schema()
    Draft202012Validator.check_schema(schema)

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            reference = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return reference.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    assert references(schema) <= {f"#/$defs/{name}" for name in schema["$defs"]}


def test_no_two_manifests_mean_different_things_by_one_definition() -> None:
    definitions: dict[str, Any] = {}
    for name in ("environment", "server", "zone"):
        for definition, body in FORMATS[name].model_json_schema(by_alias=True).get("$defs", {}).items():
            assert definitions.setdefault(definition, body) == body, definition


def test_a_written_tool_lock_is_valid(tmp_path: Path) -> None:
    project = open_project(write_project(tmp_path))
    schema = Draft202012Validator(json_schema("tool-lock"))
    assert list(schema.iter_errors(read(project.lock_file("dev.one")).value)) == []
    assert list(schema.iter_errors(lock().dump())) == []


def test_schemas_are_the_same_bytes_in_every_process() -> None:
    program = (
        "import json; from model.schema import FORMATS, json_schema, stack_file_schema; "
        "print(json.dumps([stack_file_schema(), *map(json_schema, FORMATS)]))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=REPOSITORY,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert json.loads(runs.pop())[0] == stack_file_schema()
