"""A token issuer for the tests of the HTTP side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.token_issuer import TokenIssuer


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer() as running:
        yield running
