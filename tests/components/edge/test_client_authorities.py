"""Authorities of agents' client certificates: what Access is told of them, in which order, and what a reviewer sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from model.client_authority import ClientAuthority
from model.errors import InputError, InputErrors
from model.project import load, load_environment, open_project
from operations.doctor.authorities import judge
from operations.doctor.tasks import work_for
from plan.diff.model import Direction
from plan.diff.semantic.keys import compare_keys
from plan.findings import Severity
from plan.graph import Graph
from plan.offline import plan_stack
from plan.rings import protections
from plan.rules.evaluate import evaluate, subject_of
from tests.support.client_authorities import COMMON_NAME, TestAuthority, add_authorities
from tests.support.portals import add_portal
from tests.support.projects import write_project
from tests.support.provider_schema import graph_problems

AUTHORITY = "cloudflare:index/zeroTrustAccessMtlsCertificate:ZeroTrustAccessMtlsCertificate"
POLICY = "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy"


@pytest.fixture(scope="module")
def first() -> TestAuthority:
    return TestAuthority.made("first")


@pytest.fixture(scope="module")
def second() -> TestAuthority:
    return TestAuthority.made("second")


def planned(root: Path) -> Graph:
    project = open_project(root)
    return plan_stack(project, load(project, "dev"))


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as refused:
        load_environment(open_project(root), "dev")
    return str(refused.value)


def test_access_knows_each_authority_at_the_names_whose_agents_show_a_certificate(
    tmp_path: Path, first: TestAuthority, second: TestAuthority
) -> None:
    root = write_project(tmp_path, every_shape=True)
    add_portal(
        root,
        "    portal: {hostname: mcp.example.com, servers: [hosted], agents: [ci], shared: {hosted: nightly}}\n",
    )
    add_authorities(root, old=first.pem, new=second.pem.replace("\n", "\r\n"))
    graph = planned(root)
    new, old = sorted(graph.by_type(AUTHORITY), key=lambda resource: resource.name)
    assert [(resource.name, resource.inputs["name"]) for resource in (new, old)] == [
        ("dev-edge-authority-new", "dev-new"),
        ("dev-edge-authority-old", "dev-old"),
    ]
    assert (old.inputs["certificate"], new.inputs["certificate"]) == (first.pem, second.pem)
    # Agent ci calls these two and the portal; nobody else must show a certificate, as at external.example.com.
    hostnames = ["hosted.example.com", "mcp.example.com", "one.example.com"]
    assert old.inputs["associatedHostnames"] == new.inputs["associatedHostnames"] == hostnames
    assert graph_problems(graph) == []
    for policy in graph.by_type(POLICY):
        assert {old.urn, new.urn} <= set(policy.dependencies)
    (row,) = protections([(old.type, old.inputs)])
    assert (row.control, row.detail) == (
        "authority dev-old",
        "signs agents' certificates for hosted.example.com, mcp.example.com, one.example.com",
    )


def test_an_environment_without_authorities_declares_none_and_keeps_its_digest(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    before = load_environment(open_project(root), "dev")
    assert planned(root).by_type(AUTHORITY) == ()
    assert "client_authorities" not in before.settings.dump()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("somebody's certificate", "holds no certificate; paste the authority's own certificate"),
        ("{first}{second}", "holds 2 certificates, not one; paste the authority's own"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is no certificate that can be read; paste"),
        ("{leaf}", "is the certificate of no authority (CA:TRUE is not in it), so it signs nobody's; paste"),
    ],
)
def test_what_is_no_authority_is_refused_at_its_key(
    tmp_path: Path, first: TestAuthority, second: TestAuthority, text: str, words: str
) -> None:
    leaf = TestAuthority.made("leaf", is_authority=False).pem
    root = write_project(tmp_path)
    add_authorities(root, agents=text.format(first=first.pem, second=second.pem, leaf=leaf))
    assert f"client_authorities.agents.certificate: {words}" in refusal(root)


def test_a_private_key_beside_the_certificate_is_refused_and_not_shown(tmp_path: Path, first: TestAuthority) -> None:
    root = write_project(tmp_path)
    both = first.signed("ci", tmp_path).read_text()
    add_authorities(root, agents=both)
    with pytest.raises(InputErrors) as refused:
        load_environment(open_project(root), "dev")
    assert "client_authorities.agents.certificate: looks like a private key in clear" in str(refused.value)
    assert both.splitlines()[-3] not in str(refused.value)


def findings(root: Path) -> list[tuple[Severity, str]]:
    loaded = load(open_project(root), "dev")
    return [
        (finding.severity, finding.message)
        for finding in evaluate(subject_of(loaded, planned(root)))
        if finding.rule_id == "edge-client-authority" and finding.line
    ]


def test_check_says_where_nobody_could_pass_and_where_an_authority_is_for_nothing(
    tmp_path: Path, first: TestAuthority
) -> None:
    root = write_project(tmp_path)
    file = add_authorities(root)
    assert findings(root) == [
        (Severity.WARNING, "agent ci must show a certificate, and the file names no authority for it")
    ]
    add_authorities(root, agents=first.pem)
    assert findings(root) == []
    file.write_text(file.read_text().replace(f"        common_name: {COMMON_NAME}\n", ""))
    assert findings(root) == [
        (Severity.WARNING, "authority agents is for no name: nothing admits an agent that has a common_name")
    ]


def test_whoever_may_sign_for_agents_loosens_and_the_end_of_it_tightens(
    tmp_path: Path, first: TestAuthority, second: TestAuthority
) -> None:
    root = write_project(tmp_path)

    def settings(**certificates: str) -> dict[str, Any]:
        add_authorities(root, **certificates)
        return load_environment(open_project(root), "dev").settings.dump()

    none, one, other = settings(), settings(agents=first.pem), settings(agents=second.pem)
    changes = [
        compare_keys("environment", "dev", base, head) for base, head in ((none, one), (one, other), (one, none))
    ]
    assert [[(change.id, change.direction) for change in pair] for pair in changes] == [
        [("environment.client_authorities.*", Direction.LOOSENS)],
        [("environment.client_authorities.*.certificate", Direction.LOOSENS)],
        [("environment.client_authorities.*", Direction.TIGHTENS)],
    ]
    (renewed,) = changes[1]
    digests = [authority.certificate.fingerprint(SHA256()).hex(":").upper() for authority in (first, second)]
    until = f"{first.certificate.not_valid_after_utc:%Y-%m-%d}"
    assert renewed.title == (
        f"certificate of authority agents: CN=first, until {until}, SHA-256 {digests[0]} → "
        f"CN=second, until {until}, SHA-256 {digests[1]}"
    )
    label = "authority agents, which may sign any agent's certificate"
    assert changes[0][0].title == f"{label}: none → CN=first, until {until}, SHA-256 {digests[0]}"


def test_the_doctor_says_when_an_authority_ends(tmp_path: Path, first: TestAuthority) -> None:
    root = write_project(tmp_path)
    add_authorities(root, agents=first.pem)
    (check,) = [check for check in work_for(open_project(root), ["dev"], host=None).checks if "authority" in check.id]
    assert (check.status, check.subject) == ("ok", "dev")
    authority = ClientAuthority(certificate=first.pem)
    for days, status, words in (
        (31, "ok", "agents until "),
        (29, "warning", "the certificate of client_authorities.agents ends on "),
        (0, "error", "the certificate of client_authorities.agents ended on "),
    ):
        found = judge("agents", authority, authority.ends - timedelta(days=days), "dev")
        assert (found.status, found.message.startswith(words)) == (status, True)
    assert replace(check, message="").remedy is None
    assert authority.ends > datetime.now(UTC)
