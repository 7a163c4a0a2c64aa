"""A list of a stack file is edited in its text: what stays keeps its line, comment and quotes, in every layout."""

from __future__ import annotations

import pytest

from model.errors import InputError
from operations.project.write import replace_list

PATH = ("a", "ranges")
MANY = [f"20.0.{number}.0/24" for number in range(12)]


@pytest.mark.parametrize(
    ("before", "items", "after"),
    [
        ("a:\n  ranges: [1.0.0.0/24] # c\n  x: 1\n", ["1.0.0.0/24", "2600:1::/48"],
         'a:\n  ranges: [1.0.0.0/24, "2600:1::/48"] # c\n  x: 1\n'),
        ("a:\r\n  ranges: [1.0.0.0/24] # c\r\n  x: 1\r\n", MANY,
         "a:\r\n  ranges: # c\r\n" + "".join(f"    - {item}\r\n" for item in MANY) + "  x: 1\r\n"),
        ("a: {ranges: [1.0.0.0/24], x: 1}\n", MANY, f"a: {{ranges: [{', '.join(MANY)}], x: 1}}\n"),
        ("a:\n  ranges:\n  - 1.0.0.0/24", ["1.0.0.0/24", "2.0.0.0/24"], "a:\n  ranges:\n  - 1.0.0.0/24\n  - 2.0.0.0/24\n"),
        ("a:\r\n  ranges:\r\n    - '1.0.0.0/24' # mine\r\n    - 3.0.0.0/24\r\n  x: 1\r\n", ["2.0.0.0/24", "1.0.0.0/24"],
         "a:\r\n  ranges:\r\n    - '1.0.0.0/24' # mine\r\n    - 2.0.0.0/24\r\n  x: 1\r\n"),
        ("a:\n  ranges:\n    # first\n    - 1.0.0.0/24\n\n  # next\n  x: 1\n", ["2.0.0.0/24"],
         "a:\n  ranges:\n    # first\n    - 2.0.0.0/24\n\n  # next\n  x: 1\n"),
    ],
)  # fmt: skip
def test_list_holds_the_items_and_every_other_byte_stays(before: str, items: list[str], after: str) -> None:
    assert replace_list(before, PATH, items) == after


@pytest.mark.parametrize(
    "text", ["a:\n  ranges: 1.0.0.0/24\n", "a: {}\n", "a:\n  ranges: [\n    1.0.0.0/24, # mine\n  ]\n"]
)
def test_what_is_no_list_or_would_lose_a_comment_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        replace_list(text, PATH, ["2.0.0.0/24"])
