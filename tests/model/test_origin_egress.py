"""Where a stack file may let its server call: named hosts of the outside, and never inwards."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.guard.settings import build_guard_config
from model.origin_egress import refusal_of
from model.project import load_environment, open_project
from model.server import Origin
from plan.diff.model import Direction
from plan.diff.semantic.keys import compare_keys
from tests.support.projects import write_project

URL = "http://127.0.0.1:3000/mcp"


@pytest.mark.parametrize(
    "destination", ["api.github.com:443", "db:5432", "x_y.internal.example:65535", "1.example.com:80"]
)
def test_a_named_host_and_port_may_be_called(destination: str) -> None:
    assert refusal_of(destination) is None
    assert Origin(url=URL, egress=(destination,)).dump()["egress"] == [destination]


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        *(
            (text, "is not NAME:PORT")
            for text in ("api.github.com", "https://a.com:443", ":443", "a.com:https", "a.com:٤")
        ),
        *((text, "is no port") for text in ("a.com:0", "a.com:65536", "a.com:0443")),
        *(
            (text, "is an address")
            for text in ("10.0.0.5:443", "127.1:80", "0x7f000001:80", "2130706433:80", "[::1]:80")
        ),
        *((text, "host name in small letters") for text in ("*.a.com:443", "A.com:443", "a..com:443", "a.com.:443")),
        *((text, "is this machine") for text in ("localhost:9010", "x.localhost:80")),
        *((text, "metadata service") for text in ("metadata.google.internal:80", "instance-data:80")),
    ],
)
def test_whatever_leads_inwards_or_to_more_than_one_host_is_refused(destination: str, problem: str) -> None:
    refused = refusal_of(destination)
    assert refused is not None
    assert problem in str(refused)
    assert refused.remedy
    with pytest.raises(ValidationError):
        Origin(url=URL, egress=(destination,))


def test_the_servers_own_port_is_refused() -> None:
    with pytest.raises(ValidationError, match="names the server's own port 3000"):
        Origin(url=URL, egress=("api.example.net:3000",))


def test_a_guards_configuration_is_the_same_whatever_the_server_may_call(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    configs = []
    for egress in ("", "\n      egress: [api.example.net:443]"):
        root = write_project(tmp_path_factory.mktemp("project"))
        file = root / "stacks" / "Pulumi.dev.one.yaml"
        file.write_text(file.read_text().replace("/mcp\n", f"/mcp{egress}\n", 1))
        server = load_environment(open_project(root), "dev").servers["one"]
        assert bool(server.manifest.origin.egress) == bool(egress)
        hostnames = dict.fromkeys(server.manifest.hostnames, "a" * 64)
        configs.append(build_guard_config(server, hostnames, {agent: agent for agent in server.manifest.access.agents}))
    assert configs[0] == configs[1]


@pytest.mark.parametrize(
    ("base", "head", "direction"),
    [
        ({}, {"egress": ["a.com:443"]}, Direction.LOOSENS),
        ({"egress": ["a.com:443"]}, {"egress": ["a.com:443", "b.com:443"]}, Direction.LOOSENS),
        ({"egress": ["a.com:443", "b.com:443"]}, {"egress": ["b.com:443"]}, Direction.TIGHTENS),
        ({"egress": ["a.com:443"]}, {}, Direction.TIGHTENS),
    ],
)
def test_a_destination_more_loosens_and_one_less_tightens(
    base: dict[str, list[str]], head: dict[str, list[str]], direction: Direction
) -> None:
    (changed,) = compare_keys("server", "dev.one", {"origin": base}, {"origin": head})
    assert (changed.id, changed.direction) == ("server.origin.egress", direction)
