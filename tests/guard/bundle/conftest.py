"""A server of bundles for a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.bundle_desk import Desk, serving


@pytest.fixture
def desk() -> Iterator[Desk]:
    with serving() as server:
        yield server
