"""Pieces cover the whole text and a cut hides nothing up to the length of the overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.engines.chunks import readable, split
from guard.inspect.verdict import Text
from tests.support.engine_services import item
from wire.json import Malformed


@given(st.text(max_size=300), st.integers(1, 40), st.data())
def test_pieces_put_together_without_overlap_are_the_text(text: str, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    pieces = split(text, size, overlap)
    assert pieces[0] + "".join(piece[overlap:] for piece in pieces[1:]) == text
    assert all(len(piece) <= size for piece in pieces)


@given(st.integers(0, 200), st.integers(10, 40), st.data())
def test_what_is_no_longer_than_the_overlap_stands_whole_in_a_piece(at: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(1, size - 1))
    attack = "!" * overlap
    assert any(attack in piece for piece in split("." * at + attack + "." * 50, size, overlap))


def test_no_piece_is_made_of_overlap_alone() -> None:
    assert split("abcdefgh", 5, 2) == ["abcde", "defgh"]


def test_overlap_that_would_never_end_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        split("abc", 2, 2)


def test_readable_text_holds_keys_numbers_and_strings_unescaped() -> None:
    value = {"say": 'a "b"\nc', "card": 4111111111111111, "on": True, "one": 1, "odd key: x": ["p", "q"], "none": None}
    assert readable(item(value)) == (
        'say: a "b"\nc\ncard: 4111111111111111\non: true\none: 1\nodd key: x:\np\nq\nnone: null'
    )


def test_text_that_stands_encoded_in_the_document_is_read_decoded_too() -> None:
    encoded = item({"blob": "b2JleQ=="}, texts=(Text("/blob", "obey"),))
    assert readable(encoded) == "blob: b2JleQ==\nobey"


def test_long_key_over_many_elements_stays_as_short_as_the_document() -> None:
    many = item({"k" * 10_000: [{"a": "b"}] * 1000})
    assert len(readable(many)) < 2 * len(many.document)


def test_document_that_is_not_json_is_refused() -> None:
    with pytest.raises(Malformed):
        readable(item("x", document="{"))
