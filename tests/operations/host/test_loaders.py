"""A host's files, and overlays of them, as the programs that take them read them: Compose's loader, Kustomize's build,
Kubernetes' own types and its judgement of pod security (`make manifests`)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from model.host_bundle import HostBundle
from operations.gateway_file import GatewayFile
from operations.host.render import Layout, render, write
from tests.operations.host.conftest import bundles_of
from tests.operations.host.test_examples import EXAMPLES
from tests.support.projects import write_project

READER = Path(__file__).parents[2] / "support" / "manifests"
PAGE = Path(__file__).parents[3] / "docs" / "reference" / "host-files.md"
KINDS = ["ConfigMap", "Deployment", "Namespace", "NetworkPolicy", "PersistentVolumeClaim"]

pytestmark = [pytest.mark.rare, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("go") is None:
        pytest.skip("Go is not on PATH, so Compose, Kustomize and Kubernetes were NOT asked")
    program = tmp_path_factory.mktemp("reader") / "manifests"
    built = subprocess.run(
        ["go", "build", "-o", program, "."],
        cwd=READER,
        env={**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return program


def read(reader: Path, folder: Path) -> tuple[list[str], list[str]]:
    """The names in a folder, and the problems with them."""
    done = subprocess.run([reader, folder], capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)[str(folder)]
    return sorted(answer["names"] or []), answer["problems"] or []


def kinds(names: list[str]) -> list[str]:
    return sorted(name.partition("/")[0] for name in names)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> list[HostBundle]:
    """A host with a command and a server with a port, under a gateway of its own."""
    root = write_project(tmp_path_factory.mktemp("shapes"), every_shape=True)
    return [bundle for bundle in bundles_of(root) if bundle.host == "dev-1"]


def images(bundles: list[HostBundle], layout: Layout) -> dict[str, str]:
    names = ["ringwall", "kong", "cloudflared", *(f"{bundle.environment}.{bundle.server}" for bundle in bundles)]
    helpers = ["pause", "socat"] if layout is Layout.compose else []
    return {name: f"registry.example/{name}:1" for name in (*names, *helpers)}


@pytest.mark.parametrize("layout", [Layout.compose, Layout.kubernetes])
def test_every_host_is_read_without_a_problem(
    reader: Path, shapes: list[HostBundle], tmp_path: Path, layout: Layout
) -> None:
    write(tmp_path / "shapes", render(shapes, layout, images(shapes, layout))["dev-1"])
    hybrid = bundles_of(write_project(tmp_path / "project", topology="hybrid"))
    declared = {"dev-1": GatewayFile("_format_version: '3.0'\n", 0, {"DECK_KEY": "a key"})}
    write(tmp_path / "declared", render(hybrid, layout, images(hybrid, layout), declared)["dev-1"])
    for folder in (EXAMPLES / "hosts" / layout / "tools-1", tmp_path / "shapes", tmp_path / "declared"):
        names, problems = read(reader, folder)
        assert problems == [], folder
        assert "guard" in names if layout is Layout.compose else kinds(names) == KINDS, folder


def test_what_the_programs_refuse_is_seen(reader: Path, tmp_path: Path) -> None:
    for layout in (Layout.compose, Layout.kubernetes):
        shutil.copytree(EXAMPLES / "hosts" / layout / "tools-1", tmp_path / layout)
    compose, pod = tmp_path / "compose" / "compose.yaml", tmp_path / "kubernetes" / "host.yaml"
    compose.write_text(compose.read_text().replace("network_mode: service:network", "network_mode: service:none", 1))
    assert re.search("none", " ".join(read(reader, tmp_path / "compose")[1]))
    pod.write_text(pod.read_text().replace("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true", 1))
    assert re.search('unknown field .*readOnlyRootFileSystem"', read(reader, tmp_path / "kubernetes")[1][0])
    pod.write_text(pod.read_text().replace("allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", 1))
    assert any("allowPrivilegeEscalation != false" in problem for problem in read(reader, tmp_path / "kubernetes")[1])


def test_the_overlay_of_the_docs_adds_what_a_cluster_wants_and_keeps_every_denial(reader: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "hosts" / "kubernetes" / "tools-1", tmp_path / "hosts" / "tools-1")
    (text,) = re.findall(r"```yaml\n(# overlay/kustomization\.yaml\n.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "overlay").mkdir()
    (tmp_path / "overlay" / "kustomization.yaml").write_text(text)
    names, problems = read(reader, tmp_path / "overlay")
    assert (kinds(names), problems) == (KINDS, [])
