from __future__ import annotations

from pathlib import Path

import pytest

from components.origin.host import build_host_bundle
from model.host_bundle import HostBundle
from model.project import load_environment, open_project
from tests.support.projects import write_project

#: A config.yml as of a locally managed tunnel: dev-2 has one.
CLOUDFLARED = 'tunnel: "tunnel-1"\n'


def write_hosts(root: Path) -> Path:
    """A project with a URL and a command on dev-1, and a socket on dev-2, whose tunnel is managed on the host."""
    write_project(root, every_shape=True)
    file = root / "stacks" / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("gateway_port: 8010", "gateway_port: 8010\n        tunnel: local"))
    return root


def bundles_of(root: Path) -> list[HostBundle]:
    environment = load_environment(open_project(root), "dev")
    hosts = environment.settings.hosts
    return [
        build_host_bundle(
            stack, "tunnel-1", "{}\n", CLOUDFLARED if hosts[stack.manifest.host].tunnel == "local" else None
        )
        for stack in environment.perimeters
    ]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[HostBundle]:
    return bundles_of(write_hosts(tmp_path_factory.mktemp("project")))
