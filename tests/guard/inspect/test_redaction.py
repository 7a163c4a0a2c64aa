"""What is cut out, and what is refused because it cannot be cut out for certain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.engines.embedded import EmbeddedVerdictEngine
from guard.inspect.content import content_of
from guard.inspect.redaction import redact
from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem

ENGINE = EmbeddedVerdictEngine()
KEY = "AKIA" + "J7Q2ZLKM4PXN5RTV"


def finding(pointer: str, span: tuple[int, int] | None, category: Category = Category.SECRET) -> EngineFinding:
    return EngineFinding(category, "test", pointer, span)


def findings_in(value: Any) -> tuple[EngineFinding, ...]:
    texts = content_of(value).texts
    return ENGINE.judge(ScanItem(Leg.RESULTS, "s", "tools/call", "t", texts, "", "p", "i")).findings


def test_spans_are_replaced_where_they_stand_and_the_original_stays() -> None:
    value = {"a/b": [{"x~y": "äö secret!"}, 1, None]}
    cleaned, cuts = redact(value, [finding("/a~1b/0/x~0y", (3, 9))])
    assert cleaned == {"a/b": [{"x~y": "äö [redacted:secret]!"}, 1, None]}
    assert cuts == 1
    assert value == {"a/b": [{"x~y": "äö secret!"}, 1, None]}


def test_overlapping_spans_are_one_cut_and_separate_ones_two() -> None:
    spans = [finding("/t", (0, 4)), finding("/t", (2, 6)), finding("/t", (8, 9), Category.PERSONAL_DATA)]
    assert redact({"t": "0123456789"}, spans) == ({"t": "[redacted:secret]67[redacted:personal data]9"}, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        finding("/t", None),
        finding("/t", (0, 2), Category.INJECTION),
        finding("/none", (0, 2)),
        finding("/n", (0, 1)),
        finding("/list/00", (0, 1)),
        finding("/t", (0, 99)),
        finding("/t", (2, 2)),
        finding("/a b#", (0, 1)),
        finding("t", (0, 1)),
    ],
)
def test_what_cannot_be_cut_for_certain_is_an_error(wrong: EngineFinding) -> None:
    with pytest.raises(ValueError, match="finding"):
        redact({"t": "text", "n": 1, "list": ["x"], "a b#": "key or value?"}, [wrong])


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=12), st.booleans()), min_size=1, max_size=5))
def test_after_redaction_nothing_of_the_secret_is_left(parts: list[tuple[str, bool]]) -> None:
    value = {"items": [f"{text} {KEY if secret else 'none'} {text}" for text, secret in parts]}
    found = [one for one in findings_in(value) if one.category is Category.SECRET]
    assert bool(found) == any(secret for _, secret in parts)
    cleaned, _ = redact(value, found)
    assert KEY not in str(cleaned)
    assert not [one for one in findings_in(cleaned) if one.category is Category.SECRET]


def test_an_encoded_copy_of_a_secret_cannot_be_cut() -> None:
    value = {"text": f"{KEY} and %41{KEY[1:]}"}
    found = findings_in(value)
    assert any(one.span is None for one in found)
    with pytest.raises(ValueError, match="where it stands"):
        redact(value, found)


def test_secret_in_a_structured_copy_is_cut_with_the_one_in_the_text() -> None:
    word = "Zq7" + "!ryb2xk"
    value = {
        "content": [{"type": "text", "text": f'{{"to": "Åse", "password": "{word}"}}'}],
        "structuredContent": {
            "password": word,
            "card_number": "4539148803436467",
            "rows": [{"apiKey": KEY[4:] + "aB3dE"}],
        },
    }
    cleaned, cuts = redact(value, findings_in(value))
    assert cuts == 4
    assert cleaned["structuredContent"] == {
        "password": "[redacted:secret]",
        "card_number": "[redacted:personal data]",
        "rows": [{"apiKey": "[redacted:secret]"}],
    }


@pytest.mark.parametrize(
    "value",
    [
        {"nextPageToken": "aB3dE5fG7hJ9kL1mN3pQ5rS7"},
        {"password": "<your-password-1>"},
        {"primary_key": "aB3dE5fG7hJ9kL1mN3pQ5rS7"},
        {"issue_key": "PROJ-12345"},
        {"order": "4539148803436467"},
    ],
)
def test_harmless_members_are_no_secrets(value: Any) -> None:
    assert findings_in(value) == ()


def test_parameter_of_a_tool_may_be_called_password() -> None:
    texts = content_of({"password": "Zq7" + "!ryb2xk"}).texts
    assert ENGINE.judge(ScanItem(Leg.ARGUMENTS, "s", "", "", texts, "", "", "")).outcome is Outcome.ALLOW


def test_an_open_private_key_blocks_and_a_whole_one_is_cut() -> None:
    head = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA7Qd1" + "k9Xw2Rt7" * 5 + "\n"
    assert all(one.span is None for one in findings_in([head]))
    cleaned, _ = redact(
        [f"a {head}-----END RSA PRIVATE KEY----- b"], findings_in([f"a {head}-----END RSA PRIVATE KEY----- b"])
    )
    assert cleaned == ["a [redacted:secret] b"]
    assert (
        ENGINE.judge(ScanItem(Leg.RESULTS, "s", "", "", content_of(cleaned).texts, "", "", "")).outcome is Outcome.ALLOW
    )
