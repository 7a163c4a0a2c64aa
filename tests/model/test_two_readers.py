"""What Ringwall reads Pulumi reads, and as the same: both readers over one corpus of spellings."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from engine import locate
from model.errors import InputError
from model.loader import parse
from tests.support import pulumi_yaml
from tests.support.projects import write_project
from tests.support.pulumi_yaml import disagreements
from tests.support.yaml_spellings import scalars, slips, spellings


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := pulumi_yaml.missing():
        pytest.skip(reason)
    return pulumi_yaml.build(tmp_path_factory.mktemp("pulumi-yaml") / "reader")


def test_every_spelling_that_ringwall_reads_means_the_same_to_pulumi(program: Path) -> None:
    accepted, differences = disagreements(program, spellings(scalars()))
    assert differences == []
    assert accepted > 9_000


def test_every_slip_of_the_pen_that_ringwall_reads_means_the_same_to_pulumi(program: Path) -> None:
    accepted, differences = disagreements(program, slips(seed=7, count=12_000))
    assert differences == []
    assert accepted > 2_000


def test_the_files_of_a_project_mean_the_same_to_pulumi(program: Path, tmp_path: Path) -> None:
    texts = {file.read_text("utf-8") for file in write_project(tmp_path, every_shape=True).rglob("*.yaml")}
    assert disagreements(program, texts) == (len(texts), [])


@pytest.mark.engine
def test_the_engine_itself_reads_what_ringwall_reads(tmp_path: Path) -> None:
    """One stack file with every accepted scalar, in block and in flow, as `pulumi config` gives it back."""
    lines = ["config:", "  ringwall:server:"]
    for number, scalar in enumerate(scalars()):
        for place in ("    k{}: {}", "    l{}: [{}]", "    m{}: {{v: {}}}"):
            line = place.format(number, scalar)
            try:
                value: Any = parse(f"{lines[0]}\n{lines[1]}\n{line}\n", Path("f.yaml")).value
            except InputError:
                continue
            # A line that ends the mapping, or that goes on in the next one, would change its neighbours.
            if list(value) == ["config"] and len(value["config"]["ringwall:server"]) == 1 and line.count("\n") == 0:
                lines.append(line)
    assert len(lines) > 800
    text = "\n".join(lines) + "\n"
    stack = tmp_path / "Pulumi.dev.yaml"
    stack.write_text(text, encoding="utf-8", newline="")
    (tmp_path / "Pulumi.yaml").write_text(
        f'{{"name": "tiny", "runtime": "python", "backend": {{"url": "file://{tmp_path}"}}}}', encoding="utf-8"
    )
    environment = {
        **os.environ,
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "only for tests",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def pulumi(*arguments: str) -> str:
        process = subprocess.run(
            [str(locate.require().path), *arguments, "--non-interactive", "--color", "never"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    pulumi("stack", "init", "dev")
    stack.write_text(text + "".join(stack.read_text("utf-8").splitlines(keepends=True)[-1:]), "utf-8", newline="")
    pulumi_values = json.loads(pulumi("config", "--json", "--stack", "dev"))["ringwall:server"]["objectValue"]
    ringwall_values: Any = parse(text, Path("f.yaml")).value
    ringwall_values = ringwall_values["config"]["ringwall:server"]
    assert pulumi_values.keys() == ringwall_values.keys()
    assert {
        key: (ringwall_values[key], pulumi_values[key])
        for key in ringwall_values
        if ringwall_values[key] != pulumi_values[key]
    } == {}
