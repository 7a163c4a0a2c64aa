from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.issuer_keys import CONSUMER
from tests.support.kong_admin import JwksStandIn, KongStandIn, jwks_server, kong_admin


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KONG_ADMIN_TOKEN", raising=False)


@pytest.fixture
def kong() -> Iterator[KongStandIn]:
    with kong_admin() as stand_in:
        stand_in.join(CONSUMER, "issuer-idp")
        yield stand_in


@pytest.fixture
def idp() -> Iterator[JwksStandIn]:
    with jwks_server() as stand_in:
        yield stand_in
