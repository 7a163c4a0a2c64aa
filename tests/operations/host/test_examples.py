"""examples/hosts is what `ringwall host render` makes of examples/production, in every format.

To write it anew: `python -m tests.operations.host.test_examples`.
"""

from __future__ import annotations

from pathlib import Path

from model.project import load_environment, open_project
from operations.host.render import Layout, compare, read_hosts, render, write
from operations.host.sources import planned_bundles

EXAMPLES = Path(__file__).parents[3] / "examples"
#: No digest stands in an example: it would be a made-up one.
IMAGES = {
    "ringwall": "registry.internal.example/ringwall:0.1.0",
    "kong": "docker.io/kong/kong:3.9.3",
    "cloudflared": "docker.io/cloudflare/cloudflared:2026.11.0",
    "prod.tickets": "registry.internal.example/tickets:1.4.0",
}
HELPERS = {"pause": "registry.k8s.io/pause:3.10", "socat": "docker.io/alpine/socat:1.8.0.3"}
GIVEN = {Layout.systemd: {}, Layout.compose: {**IMAGES, **HELPERS}, Layout.kubernetes: IMAGES}


def test_the_example_hosts_are_the_example_environments_in_every_format() -> None:
    project = open_project(EXAMPLES / "production")
    bundles = planned_bundles(project, load_environment(project, "prod").perimeters)
    for layout, images in GIVEN.items():
        wanted = render(bundles, layout, images)
        assert [host.host for host in read_hosts(EXAMPLES / "hosts" / layout)] == list(wanted) == ["tools-1"]
        differences = compare(read_hosts(EXAMPLES / "hosts" / layout)[0], wanted["tools-1"])
        assert differences == [], "run `python -m tests.operations.host.test_examples`"


def _write_examples() -> None:
    project = open_project(EXAMPLES / "production")
    bundles = planned_bundles(project, load_environment(project, "prod").perimeters)
    for layout, images in GIVEN.items():
        for name, files in render(bundles, layout, images).items():
            write(EXAMPLES / "hosts" / layout / name, files)


if __name__ == "__main__":
    _write_examples()
