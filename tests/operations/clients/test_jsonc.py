"""One member is set, and every other byte of a settings file stays: comments, commas, indents, line ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.json import NotJson
from operations.clients.jsonc import read_object, set_member

NOTES = {"url": "https://n"}
PATH = ("servers", "notes")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "servers": {\n    "notes": {\n      "url": "https://n"\n    }\n  }\n}\n'),
        ("{}", '{\n  "servers": {\n    "notes": {\n      "url": "https://n"\n    }\n  }\n}'),
        ('{"a": 1}', '{"a": 1, "servers": {"notes": {"url": "https://n"}}}'),
        (
            '{\n\t"servers": {\n\t\t"old": {} // mine\n\t}\n}\n',
            '{\n\t"servers": {\n\t\t"old": {}, // mine\n\t\t"notes": {\n\t\t\t"url": "https://n"\n\t\t}\n\t}\n}\n',
        ),
        (
            '{\n    // first\n    "servers": {\n        "old": 1e400, /* a\n b */\n    },\n}\n',
            None,  # a number that Python cannot hold
        ),
        (
            '{\n    // first\n    "servers": {\n        "old": 1.50, /* a\n b */\n    },\n}\n',
            '{\n    // first\n    "servers": {\n        "old": 1.50, /* a\n b */\n        "notes": {\n'
            '            "url": "https://n"\n        },\n    },\n}\n',
        ),
        ("// only", '// only\n{\n  "servers": {\n    "notes": {\n      "url": "https://n"\n    }\n  }\n}\n'),
        (
            '{\r\n  "servers": {\r\n    "old": "//x, }"\r\n  }\r\n}\r\n',
            '{\r\n  "servers": {\r\n    "old": "//x, }",\r\n    "notes": {\r\n'
            '      "url": "https://n"\r\n    }\r\n  }\r\n}\r\n',
        ),
        (
            '{\n  "servers": {\n    "notes": {"url": "https://old"} // kept\n  }\n}\n',
            '{\n  "servers": {\n    "notes": {\n      "url": "https://n"\n    } // kept\n  }\n}\n',
        ),
        (
            '{\n  "servers": {} // none yet\n}\n',
            '{\n  "servers": {\n    "notes": {\n      "url": "https://n"\n    }\n  } // none yet\n}\n',
        ),
        (
            '{\n  "servers": {\n    // none yet\n  }\n}\n',
            '{\n  "servers": {\n    // none yet\n    "notes": {\n      "url": "https://n"\n    }\n  }\n}\n',
        ),
    ],
)  # fmt: skip
def test_member_is_set_and_everything_else_stays(before: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(NotJson):
            set_member(before, PATH, NOTES)
        return
    assert set_member(before, PATH, NOTES) == after
    assert set_member(after, PATH, NOTES) == after


@pytest.mark.parametrize(
    "text",
    ["[]", "null", '"x"', "{", '{"a": 1', '{"servers": []}', '{"servers": "x"}', '{"a": 1, "a": 2}', '{"a": "x', "{} {}",
     '{"a": NaN}', "{'a': 1}", '{"a" 1}', '{"x": "\\'],
)  # fmt: skip
def test_file_that_is_no_settings_file_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        set_member(text, PATH, NOTES)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_SPACES = st.sampled_from(["", " ", "\n", "\n  ", " // ,}\n", " /* { */ ", "\t"])


@given(
    st.dictionaries(st.sampled_from(["a", "servers", 'q"\\', "é"]), _VALUES, max_size=3),
    st.lists(_SPACES, min_size=12, max_size=12),
)
def test_whatever_the_layout_the_value_is_set_or_the_file_is_refused(value: dict[str, Any], spaces: list[str]) -> None:
    members = [
        f"{spaces[i]}{json.dumps(key)}{spaces[i + 3]}:{spaces[i + 6]}{json.dumps(item)}{spaces[i + 9]}"
        for i, (key, item) in enumerate(value.items())
    ]
    text = "{" + ",".join(members) + "}"
    try:
        after = set_member(text, PATH, NOTES)
    except NotJson:
        assert not isinstance(value["servers"], dict)
        return
    expected = dict(value)
    expected["servers"] = {**expected.get("servers", {}), "notes": NOTES}
    assert read_object(after) == expected
