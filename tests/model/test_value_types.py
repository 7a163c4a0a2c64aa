"""Values that are made for every message: compared by what they hold, without a dictionary, and quick to make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from guard.inspect.verdict import Text


def test_values_that_hold_the_same_are_one_in_a_set() -> None:
    assert len({Text("/a", "x"), Text("/a", "x"), Text("/a", "y")}) == 2


def test_changed_copy_leaves_the_value_as_it_was() -> None:
    text = Text("/a", "x")

    assert replace(text, value="y") == Text("/a", "y")
    assert text == Text("/a", "x")


def test_value_has_no_members_but_its_fields() -> None:
    with pytest.raises(AttributeError):
        Text("/a", "x").further = 1  # type: ignore[attr-defined]
    assert Text.__setattr__ is object.__setattr__
