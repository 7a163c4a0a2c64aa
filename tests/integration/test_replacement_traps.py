"""What Cloudflare or Kong would refuse halfway, or take in silence: each has a safe order, or an error before anything is
touched. The rows are those of docs/operate/faults.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from model.project import Project, load, open_project
from plan.graph import Graph
from plan.offline import plan_stack
from plan.protectors import ACCESS_APPLICATION, KONG_TARGET, TUNNEL
from sandbox.state import Record, Store, World
from tests.support.command_line import Result, ringwall
from tests.support.projects import ACCOUNT, ZONE, ZONE_STACK, write_project

ROOT = Path(__file__).parents[2]
RULESET = "cloudflare:index/ruleset:Ruleset"
RECORD = "cloudflare:index/dnsRecord:DnsRecord"
SERVICE = "kong:index/service:Service"


@dataclass(frozen=True)
class Trap:
    """An object that stands in the way of `command`, and the words of the error before anything is touched."""

    name: str
    command: tuple[str, ...]
    put: Callable[[World], None]
    words: tuple[str, ...]


def stranger(type_: str, id_: str, **outputs: object) -> Callable[[World], None]:
    return lambda world: world.records.append(Record(id_, type_, "of somebody else", dict(outputs)))


REFUSED = (
    Trap(
        "tunnel name taken",
        ("up", "dev"),
        stranger(TUNNEL, "t-1", accountId=ACCOUNT, name="dev-one"),
        (
            "tunnel dev-one: Cloudflare has one already (t-1)",
            "ringwall import dev.one tunnel t-1 --name one-edge-tunnel",
        ),
    ),
    Trap(
        "public name has an address record",
        ("up", "dev"),
        stranger(RECORD, "r-1", zoneId=ZONE, name="one.example.com", type="A", content="192.0.2.1"),
        ("record one.example.com: Cloudflare has one already (r-1)",),
    ),
    Trap(
        "an application of the same name before the same host",
        ("up", "dev"),
        stranger(
            ACCESS_APPLICATION, "a-1", name="dev-one", destinations=[{"type": "public", "uri": "one.example.com"}]
        ),
        ("application dev-one: Cloudflare has one already (a-1)",),
    ),
    Trap(
        "service name taken at the gateway",
        ("up", "dev"),
        stranger(SERVICE, "s-1", name="dev-one-mcp", host="127.0.0.1", protocol="http", port=80),
        ("service dev-one-mcp: Kong has one already (s-1)",),
    ),
    Trap(
        "ruleset entry point there already",
        ("up", "zone.example"),
        stranger(RULESET, "e-1", zoneId=ZONE, kind="zone", phase="http_request_firewall_custom", name="default"),
        ("Cloudflare has one already (e-1)", "ringwall import zone.example ruleset e-1"),
    ),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = write_project(tmp_path_factory.mktemp("traps") / "project")
    (root / "stacks" / "Pulumi.zone.example.yaml").write_text(ZONE_STACK, encoding="utf-8")
    return open_project(root)


def store(project: Project) -> Store:
    return Store(project.root / ".ringwall" / "sandbox" / "providers")


def run(project: Project, *words: str) -> Result:
    return ringwall(*words, "--yes", "--sandbox", "--project", project.root)


@pytest.mark.engine
@pytest.mark.parametrize("command", sorted({trap.command for trap in REFUSED}), ids=" ".join)
def test_what_is_there_already_is_named_before_anything_is_made(project: Project, command: tuple[str, ...]) -> None:
    traps = [trap for trap in REFUSED if trap.command == command]
    with store(project).transaction() as world:
        for trap in traps:
            trap.put(world)
        before = list(world.records)
    done = run(project, *command)
    assert done.code == 2, done.err
    for trap in traps:
        assert all(words in done.err for words in trap.words), (trap.name, done.err)
    with store(project).transaction() as world:
        assert world.records == before
        world.records.clear()


@pytest.fixture(scope="module")
def graph(project: Project) -> Graph:
    return plan_stack(project, load(project, "dev.one"))


def test_a_target_is_deleted_before_its_successor_is_made_as_kong_takes_one_of_an_address(graph: Graph) -> None:
    targets = graph.by_type(KONG_TARGET)
    assert targets
    assert all(target.options["delete_before_replace"] is True for target in targets)


def test_an_application_always_says_its_policies_as_leaving_them_out_detaches_all(graph: Graph) -> None:
    applications = graph.by_type(ACCESS_APPLICATION)
    assert applications
    assert all(application.inputs["policies"] for application in applications)


def test_every_row_of_the_page_is_kept_by_a_test() -> None:
    page = (ROOT / "docs" / "operate" / "faults.md").read_text(encoding="utf-8")
    for trap in REFUSED:
        assert f"| {trap.name} |" in page, trap.name
