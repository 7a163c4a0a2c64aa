from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.mcp_servers import servers


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    names = ("seed", "sse", "websocket", "bearer", "key", "walled", "page", "silent", "flood", "drip")
    with servers(*names) as (ports_by_name, _):
        yield ports_by_name
