"""JSON values as hypothesis makes them, with the texts and numbers that readers of JSON and YAML take differently."""

from __future__ import annotations

from hypothesis import strategies as st

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["NO", "yes", "~", "2026-01-01", "1e3", "0x1F", "0o7", ".inf", "{}", "- a", "# c", "a: b", "\u200b", "\U000e0041"]
)
NUMBERS = (
    st.integers() | st.integers(min_value=10**30, max_value=10**40) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)
