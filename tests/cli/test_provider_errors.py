"""A provider's refusal is said once, in plain words, and names the object that is in the way."""

from __future__ import annotations

import pytest

from engine.provider_errors import is_conflict, plain

#: As pulumi-kong 4.6 says one refusal twice: in its log and to the engine (Go prints the request with its pointers).
REQUEST = "&{<nil> 0x2fe714a84880 0x2fe714a84890 <nil> map[a:{b}] [0x2fe714a848a0] {x}}"
UNIQUE = 'HTTP status 409 (message: "UNIQUE violation detected on \'{name=\\"dev-one-mcp\\"}\'")'
LOGGED = (
    f"sdk-v2/provider2.go:572: sdk.helper_schema: failed to create kong service: {REQUEST} error: {UNIQUE}"
    ": provider=kong@4.6.3"
)
TOLD = f"1 error occurred:\n\t* failed to create kong service: {REQUEST} error: {UNIQUE}\n\n"


def test_both_tellings_of_a_refusal_are_one_sentence() -> None:
    assert plain(LOGGED) == plain(TOLD) == f"failed to create kong service: {UNIQUE}"
    assert plain(f"Exception calling application: {TOLD}") == plain(TOLD)


@pytest.mark.parametrize("left", ["&{name config:{secret", "&{a {b} c"])
def test_a_structure_without_its_end_is_cut_up_to_the_error(left: str) -> None:
    assert plain(f"failed to create kong plugin: {left} error: no") == "failed to create kong plugin: no"
    assert plain(f"failed: {left}") == "failed:"


def test_a_plugins_configuration_is_never_shown() -> None:
    text = 'failed to create kong plugin: &{jwt config:{"secret":"planted"}} error: HTTP status 400 (message: "bad")'
    assert plain(text) == 'failed to create kong plugin: HTTP status 400 (message: "bad")'


@pytest.mark.parametrize(
    ("text", "conflict"),
    [
        (UNIQUE, True),
        ('409 Conflict {"errors":[{"code":1013,"message":"You already have a tunnel with this name"}]}', True),
        (
            '400 Bad Request {"errors":[{"code":81053,"message":"An A, AAAA, or CNAME record with that host exists"}]}',
            True,
        ),
        ('HTTP status 400 (message: "schema violation (config.minute: expected a number)")', False),
        ("the gateway said no after 4090 ms", False),
    ],
)
def test_a_refusal_because_of_what_is_there_is_told_from_others(text: str, conflict: bool) -> None:
    assert is_conflict(text) is conflict
