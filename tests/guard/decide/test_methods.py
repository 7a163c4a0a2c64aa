"""The table of methods is the official schema's, and what does not stand there is denied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import pytest
from mcp_types import methods as schema
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from guard.decide import methods
from guard.decide.methods import CLIENT, SERVER, Addressee, MessageKind, Method, ResultKind, Section
from guard.decide.pins import KEYS
from guard.inspect.content import content_of
from guard.inspect.verdict import Leg
from wire.jsonrpc import MEMBERS


def official(table: Mapping[tuple[str, str], object], *, modern: bool) -> set[str]:
    return {name for name, version in table if (version in MODERN_PROTOCOL_VERSIONS) is modern}


def carried(table: Mapping[str, Method], kind: MessageKind, *, modern: bool) -> set[str]:
    return {row.name for row in table.values() if row.kind is kind and row.era.has(modern=modern)}


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize(
    ("table", "kind", "types"),
    [
        (CLIENT, MessageKind.REQUEST, schema.CLIENT_REQUESTS),
        (CLIENT, MessageKind.NOTIFICATION, schema.CLIENT_NOTIFICATIONS),
        (SERVER, MessageKind.REQUEST, schema.SERVER_REQUESTS),
        (SERVER, MessageKind.NOTIFICATION, schema.SERVER_NOTIFICATIONS),
    ],
)
def test_each_era_has_exactly_the_methods_of_the_official_schema(
    table: Mapping[str, Method], kind: MessageKind, types: Mapping[tuple[str, str], object], modern: bool
) -> None:
    assert carried(table, kind, modern=modern) == official(types, modern=modern)


@pytest.mark.parametrize("name", ["", "tasks/get", "tools/Call", "tools/call ", "notifications/tasks/status", "answer"])
def test_what_does_not_stand_in_the_table_is_denied(name: str) -> None:
    for modern in (False, True):
        for kind in MessageKind:
            assert methods.from_client(name, kind, modern=modern) is None
        assert methods.request_from_server(name, modern=modern) is None
    assert methods.notification_from_server(name) is None


def test_a_method_of_the_other_era_direction_or_kind_is_denied() -> None:
    assert methods.from_client("initialize", MessageKind.REQUEST, modern=True) is None
    assert methods.from_client("subscriptions/listen", MessageKind.REQUEST, modern=False) is None
    assert methods.from_client("sampling/createMessage", MessageKind.REQUEST, modern=False) is None
    assert methods.from_client("tools/call", MessageKind.NOTIFICATION, modern=False) is None
    assert methods.request_from_server("tools/call", modern=False) is None
    assert methods.request_from_server("sampling/createMessage", modern=True) is None
    assert methods.notification_from_server("ping") is None


def test_every_section_of_the_lock_is_listed_by_one_method() -> None:
    listed = [row.section for row in CLIENT.values() if row.result is ResultKind.LIST]
    assert sorted(str(section) for section in listed) == sorted(Section)
    assert set(Section) == set(KEYS)


def test_whatever_names_something_is_judged_by_a_section_or_by_what_it_refers_to() -> None:
    for row in [*CLIENT.values(), *SERVER.values()]:
        named = row.names in (methods.Names.NAME, methods.Names.URI)
        assert named is (row.section is not None and row.result is not ResultKind.LIST), row.name


ROWS = [*CLIENT.values(), *SERVER.values()]


def test_answers_are_judged_by_the_policy_of_what_was_asked_for() -> None:
    legs = {row.name: row.leg for row in CLIENT.values() if row.leg is not Leg.RESULTS}
    assert legs == {"prompts/get": Leg.PROMPTS, "resources/read": Leg.RESOURCES}


def test_only_messages_without_prose_are_structural() -> None:
    assert {row.name for row in ROWS if not row.structural} == {
        "completion/complete",
        "elicitation/create",
        "notifications/elicitation/complete",
        "notifications/message",
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "sampling/createMessage",
        "tools/call",
    }


def test_what_opens_a_session_has_no_end_or_changes_the_lists_is_named() -> None:
    assert [row.name for row in ROWS if row.opens_session] == ["initialize"]
    assert [row.name for row in ROWS if row.endless] == ["subscriptions/listen"]
    assert [row.name for row in ROWS if row.changes_lists] == [
        f"notifications/{section}/list_changed" for section in ("tools", "prompts", "resources")
    ]


def test_a_message_without_an_address_goes_to_the_call_that_runs_only_if_it_asks_something() -> None:
    addressees = {row.name: row.addressee for row in SERVER.values() if row.addressee is not Addressee.STREAM}
    assert addressees.pop("notifications/progress") is Addressee.CALL
    assert addressees == {row.name: Addressee.LATEST_CALL for row in SERVER.values() if row.kind is MessageKind.REQUEST}


def test_only_a_tool_call_is_refused_as_a_tools_error() -> None:
    assert [row.name for row in ROWS if row.is_call] == ["tools/call"]


def test_a_cursor_and_a_state_in_their_own_places_are_not_read_as_text() -> None:
    paged = {"cursor": "c", "nextCursor": "n", "_meta": {"progressToken": "p"}}
    assert content_of(paged, "tools/list").texts == ()
    assert content_of({"progressToken": "p"}, "notifications/progress").texts == ()
    assert content_of({"requestState": "s", "_meta": {"progressToken": "p"}}, "tools/call").texts == ()
    assert len(content_of({**paged, "progressToken": "t"}, "tools/call").texts) == 3


def official_members(name: str, *, modern: bool) -> set[str]:
    """The members of params that the official types of a client's method have, in any version of the era."""
    known: set[str] = set()
    for table in (schema.CLIENT_REQUESTS, schema.CLIENT_NOTIFICATIONS):
        for (method, version), message in table.items():
            if method == name and (version in MODERN_PROTOCOL_VERSIONS) is modern:
                for part in (params := message.model_fields["params"].annotation, *get_args(params)):
                    fields = getattr(part, "model_fields", {})
                    known.update(field.alias or key for key, field in fields.items())
    return known


@pytest.mark.parametrize("modern", [False, True])
@pytest.mark.parametrize("row", CLIENT.values(), ids=CLIENT)
def test_a_clients_params_may_have_exactly_the_members_of_the_official_schema(row: Method, modern: bool) -> None:
    official = official_members(row.name, modern=modern) | ({"task"} if row.is_call else set())
    everything = dict.fromkeys({*official, *MEMBERS, "extra"})
    if row.era.has(modern=modern):
        assert row.unknown_members(everything, modern=modern) == sorted(everything.keys() - official)


def test_the_members_that_are_read_as_known_ones_are_those_of_the_table_and_what_stands_in_them() -> None:
    of_methods = {"_meta", "inputResponses", "requestState"}.union(*(row.members for row in CLIENT.values()))
    assert of_methods | {"resourceSubscriptions", "type"} == MEMBERS
