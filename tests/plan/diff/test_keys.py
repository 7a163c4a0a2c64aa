"""Every key of every manifest has a direction, and what no table knows loosens."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from model.environment import Environment
from model.model_route import ModelRoute
from model.server import Server
from model.tool_lock import ToolLock
from model.zone import Zone
from plan.diff.model import Direction
from plan.diff.semantic import directions
from plan.diff.semantic.directions import KeyRule, Table
from plan.diff.semantic.keys import TABLES, compare_keys
from plan.diff.semantic.tools import TABLE as LOCK_TABLE


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key as the tables write them: * for a name, [] for an entry of a list."""
    for name, field in model.model_fields.items():
        yield from _keys_of_annotation(field.annotation, f"{prefix}{name}")


def _keys_of_annotation(annotation: Any, path: str) -> Iterator[str]:
    if hasattr(annotation, "__metadata__") or isinstance(
        annotation, typing.TypeAliasType if hasattr(typing, "TypeAliasType") else ()
    ):
        annotation = get_args(annotation)[0]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        models = [argument for argument in inner if isinstance(argument, type) and issubclass(argument, BaseModel)]
        yield path  # present or not
        for model in models:
            yield from keys_of(model, f"{path}.")
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from keys_of(annotation, f"{path}.")
    elif origin is dict and isinstance(inner[1], type) and issubclass(inner[1], BaseModel):
        yield f"{path}.*"
        yield from keys_of(inner[1], f"{path}.*.")
    elif origin is dict and path.endswith("headers"):
        yield f"{path}.*"
    elif origin is tuple:
        yield path
        item = get_args(inner[0])[0] if hasattr(inner[0], "__metadata__") else inner[0]
        if isinstance(item, type) and issubclass(item, BaseModel):
            yield from keys_of(item, f"{path}[].")
    else:
        yield path


MODELS: dict[str, tuple[type[BaseModel], Table]] = {
    "server": (Server, TABLES["server"]),
    "model": (ModelRoute, TABLES["model"]),
    "environment": (Environment, TABLES["environment"]),
    "zone": (Zone, TABLES["zone"]),
    "lock": (ToolLock, LOCK_TABLE),
}
#: Filled in before anything is compared (`plan.diff.compare`), so neither is ever present or not.
ALWAYS_PRESENT = {f"defaults.{key}" for key in ("limits", "timeouts", "circuit_breaker", "guard")}
#: Compared by its content, with an empty one where there is none.
BY_CONTENT = {"keep[].skip", "keep[].response", "origin.environment", "defaults.guard.engines"}


@pytest.mark.parametrize("kind", MODELS)
def test_every_key_of_a_model_has_an_entry(kind: str) -> None:
    model, table = MODELS[kind]
    missing = {key for key in keys_of(model) if key not in table} - ALWAYS_PRESENT - BY_CONTENT
    assert not missing


def test_the_walk_of_this_test_sees_nested_keys() -> None:
    keys = set(keys_of(Server)) | set(keys_of(Environment))
    assert {"guard.legs.results", "limits.tools.*.tokens_per_minute", "grants[].to.all"} <= keys
    assert {"agents.*.addresses", "defaults.guard.taint.window", "logs.http.headers.*"} <= keys


@pytest.mark.parametrize("kind", MODELS)
def test_a_rule_that_is_always_neutral_says_why(kind: str) -> None:
    for key, entry in MODELS[kind][1].items():
        if isinstance(entry, KeyRule) and entry.judge is directions.no_effect:
            assert len(entry.proof.split()) >= 4, key


@pytest.mark.parametrize(
    "pattern",
    [
        "limits.fresh",
        "fresh",
        "guard.engines.fresh",
        "oauth.fresh",
    ],
)
def test_a_key_no_table_knows_loosens_whatever_its_value(pattern: str) -> None:
    def nest(value: object) -> dict[str, Any]:
        nested: Any = value
        for part in reversed(pattern.split(".")):
            nested = {part: nested}
        return dict(nested)

    (changed,) = compare_keys("server", "dev.one", nest(1), nest(2))
    assert (changed.id, changed.direction) == (f"server.{pattern}", Direction.LOOSENS)
    (removed,) = compare_keys("server", "dev.one", nest(True), {})
    assert removed.direction is Direction.LOOSENS


def test_lifting_a_lockdown_loosens_and_writing_one_tightens() -> None:
    closed = {"lockdown": {"reason": "stolen token", "since": "2026-03-01T12:00:00Z"}}
    (written,) = compare_keys("server", "dev.one", {"lockdown": None}, closed)
    (lifted,) = compare_keys("server", "dev.one", closed, {"lockdown": None})
    assert (written.direction, lifted.direction, lifted.risk) == (Direction.TIGHTENS, Direction.LOOSENS, 95)


EXCHANGE = {"grant": "token-exchange", "token_endpoint": "https://login.example.com/token", "client_id": "guard"}


@pytest.mark.parametrize(
    ("base", "head", "title"),
    [
        ({}, {"identity": "header"}, "how the server is told who calls: none → header"),
        ({"identity": "meta"}, {}, "how the server is told who calls: meta → none"),
        ({}, {"headers": {"X-Key": {"env": "KEY"}}}, "header X-Key that the server is sent: added"),
        (
            {"headers": {"X-Key": {"env": "KEY"}}},
            {"headers": {"X-Key": {"env": "OTHER"}}},
            "where header X-Key comes from: KEY → OTHER",
        ),
        ({}, {"token_exchange": EXCHANGE}, "the server acts as the caller, by token exchange: added"),
        ({"token_exchange": EXCHANGE}, {}, "the server acts as the caller, by token exchange: removed"),
        (
            {"token_exchange": EXCHANGE},
            {"token_exchange": {**EXCHANGE, "client_id": "other"}},
            "client_id of the exchange by which the server acts as the caller: guard → other",
        ),
    ],
)
def test_who_the_server_hears_of_and_acts_as_loosens_either_way(base: Any, head: Any, title: str) -> None:
    (changed,) = compare_keys("server", "dev.one", {"origin": base}, {"origin": head})
    assert (changed.title, changed.direction, changed.ring) == (title, Direction.LOOSENS, "origin")


def test_an_unknown_key_inside_a_grant_loosens_though_grants_are_compared_elsewhere() -> None:
    before = {"grants": [{"tools": ["a"], "to": {"all": True}, "consent": "always"}]}
    after = {"grants": [{"tools": ["a"], "to": {"all": True}, "consent": "never"}]}
    (change,) = compare_keys("server", "dev.one", before, after)
    assert (change.id, change.direction) == ("server.grants[].consent", Direction.LOOSENS)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_of_two_numbers_one_way_loosens_and_the_other_tightens(base: int, head: int) -> None:
    if base != head:
        forward, back = directions.more_loosens(base, head), directions.more_loosens(head, base)
        assert {forward, back} == {Direction.LOOSENS, Direction.TIGHTENS}
        assert (forward is Direction.LOOSENS) == (head > base)
    assert directions.more_loosens(base, None) is Direction.LOOSENS


@given(st.sets(st.sampled_from("ABCDE")), st.sets(st.sampled_from("ABCDE")))
def test_a_set_that_lets_in_loosens_unless_nobody_new_is_in_it(base: set[str], head: set[str]) -> None:
    if base != head:
        loosens = directions.grows_loosens(sorted(base), sorted(head)) is Direction.LOOSENS
        assert loosens == bool(head - base)
        allow_list_loosens = directions.allow_list(sorted(base), sorted(head)) is Direction.LOOSENS
        assert allow_list_loosens == (not head or bool(base and head - base))


def test_a_word_that_a_ladder_does_not_know_loosens() -> None:
    judge = directions.ladder("flag", "redact", "block")
    assert judge("block", "redact") is judge("flag", "silent") is judge("silent", "block") is Direction.LOOSENS
    assert judge("flag", "block") is Direction.TIGHTENS
