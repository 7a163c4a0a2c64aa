"""An agent that must show a client certificate, over the whole road: real TLS to Access as the environment plans it,
cloudflared's check, Kong, the guard and the MCP server."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.edge.access import server_policies
from model.project import load_environment, open_project
from plan.offline import plan_stack
from tests.rings.conftest import INITIALIZE, Rings
from tests.support.access_mtls import AccessWithCertificates, access_with_certificates
from tests.support.client_authorities import COMMON_NAME, TestAuthority, add_authorities
from tests.support.issued_tokens import CLIENT_ID, SERVICE_TOKEN
from tests.support.projects import write_project

HOST = "one.example.com"
SECRET = "cfast_not-a-real-secret"


class Road:
    """The edge of an environment whose agent ci has a common name, in front of the rings."""

    def __init__(self, access: AccessWithCertificates, edge: Path) -> None:
        self.access = access
        self._edge = edge

    def call(self, certificate: Path | None, *, secret: str = SECRET) -> int | None:
        """The status of an initialize; None where the handshake ended."""
        context = ssl.create_default_context(cafile=str(self._edge))
        if certificate is not None:
            context.load_cert_chain(certificate)
        connection = _Named(context, self.access.port)
        headers = {
            "host": HOST,
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "cf-access-client-id": CLIENT_ID,
            "cf-access-client-secret": secret,
        }
        try:
            connection.request("POST", "/mcp", json.dumps(INITIALIZE).encode(), headers)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()


class _Named(http.client.HTTPSConnection):
    """A connection to a port of loopback that asks for the public name."""

    def __init__(self, context: ssl.SSLContext, port: int) -> None:
        super().__init__("127.0.0.1", port, timeout=30, context=context)
        self._named = context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._named.wrap_socket(self.sock, server_hostname=HOST)


@pytest.fixture(scope="module")
def authority() -> TestAuthority:
    return TestAuthority.made("agents")


@pytest.fixture
def road(rings: Rings, tmp_path: Path, authority: TestAuthority, request: pytest.FixtureRequest) -> Iterator[Road]:
    root = write_project(tmp_path / "project")
    add_authorities(root, **({"agents": authority.pem} if getattr(request, "param", True) else {}))
    project = open_project(root)
    environment = load_environment(project, "dev")
    policies = server_policies(environment.settings, environment.manifests["one"])

    def sign(client: str) -> str:
        return rings.access.sign(SERVICE_TOKEN.claims(rings.access_issuer, rings.audiences[HOST], common_name=client))

    tokens = {CLIENT_ID: ("ci", SECRET)}
    graph, behind = plan_stack(project, environment), rings.front.port
    access = AccessWithCertificates(graph, HOST, policies[HOST], tokens, sign, behind)
    edge = TestAuthority.made("edge")
    own = edge.signed(HOST, tmp_path, hostname=HOST)
    (tmp_path / "edge.pem").write_text(edge.pem)
    with access_with_certificates(access, str(own)) as serving:
        yield Road(serving, tmp_path / "edge.pem")


def test_the_agent_passes_with_its_certificate_and_its_token_alone(
    road: Road, authority: TestAuthority, tmp_path: Path
) -> None:
    certificate = authority.signed(COMMON_NAME, tmp_path)
    assert road.call(certificate) == 200
    assert road.access.shown == [COMMON_NAME]
    assert road.call(None) == 403
    assert road.call(certificate, secret="copied-wrongly") == 403
    assert road.call(authority.signed("another.agents.example.com", tmp_path)) == 403
    assert road.call(TestAuthority.made("agents").signed(COMMON_NAME, tmp_path)) in (None, 403)


@pytest.mark.parametrize("road", [False], indirect=True)
def test_without_an_authority_nobody_is_asked_and_nobody_passes(
    road: Road, authority: TestAuthority, tmp_path: Path
) -> None:
    assert road.call(authority.signed(COMMON_NAME, tmp_path)) == 403
    assert road.access.shown == [None]
