"""The table of methods is the official schema's, and what does not stand there is denied."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from mcp_types import methods as schema
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from guard.decide import methods
from guard.decide.methods import CLIENT, SERVER, Kind, Method, Result, Section
from guard.decide.pins import KEYS


def official(table: Mapping[tuple[str, str], object], *, modern: bool) -> set[str]:
    return {name for name, version in table if (version in MODERN_PROTOCOL_VERSIONS) is modern}


def ours(table: Mapping[str, Method], kind: Kind, *, modern: bool) -> set[str]:
    return {row.name for row in table.values() if row.kind is kind and row.era.has(modern=modern)}


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize(
    ("table", "kind", "types"),
    [
        (CLIENT, Kind.REQUEST, schema.CLIENT_REQUESTS),
        (CLIENT, Kind.NOTIFICATION, schema.CLIENT_NOTIFICATIONS),
        (SERVER, Kind.REQUEST, schema.SERVER_REQUESTS),
        (SERVER, Kind.NOTIFICATION, schema.SERVER_NOTIFICATIONS),
    ],
)
def test_each_era_has_exactly_the_methods_of_the_official_schema(
    table: Mapping[str, Method], kind: Kind, types: Mapping[tuple[str, str], object], modern: bool
) -> None:
    assert ours(table, kind, modern=modern) == official(types, modern=modern)


@pytest.mark.parametrize("name", ["", "tasks/get", "tools/Call", "tools/call ", "notifications/tasks/status", "answer"])
def test_what_does_not_stand_in_the_table_is_denied(name: str) -> None:
    for modern in (False, True):
        for kind in Kind:
            assert methods.from_client(name, kind, modern=modern) is None
        assert methods.request_from_server(name, modern=modern) is None
    assert methods.notification_from_server(name) is None


def test_a_method_of_the_other_era_direction_or_kind_is_denied() -> None:
    assert methods.from_client("initialize", Kind.REQUEST, modern=True) is None
    assert methods.from_client("subscriptions/listen", Kind.REQUEST, modern=False) is None
    assert methods.from_client("sampling/createMessage", Kind.REQUEST, modern=False) is None
    assert methods.from_client("tools/call", Kind.NOTIFICATION, modern=False) is None
    assert methods.request_from_server("tools/call", modern=False) is None
    assert methods.request_from_server("sampling/createMessage", modern=True) is None
    assert methods.notification_from_server("ping") is None


def test_every_section_of_the_lock_is_listed_by_one_method() -> None:
    listed = [row.section for row in CLIENT.values() if row.result is Result.LIST]
    assert sorted(str(section) for section in listed) == sorted(Section)
    assert set(Section) == set(KEYS)


def test_whatever_names_something_is_judged_by_a_section_or_by_what_it_refers_to() -> None:
    for row in [*CLIENT.values(), *SERVER.values()]:
        named = row.names in (methods.Names.NAME, methods.Names.URI)
        assert named is (row.section is not None and row.result is not Result.LIST), row.name
