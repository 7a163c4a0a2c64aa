"""YAML in many spellings: scalars with every special character in every place of a file, and files with slips of the pen."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import product

#: Every indicator of YAML, and characters that some reader takes for a line end, a blank or nothing.
_SIGNS = ["\r\n", *"?:-,[]{}#&*!|>'\"%@`~<=._/\\$ \t\n\r\x7f\x00\x1b\u00a0\u200b\ufeff\u0085\u2028\ue000\ufffeé😀"]
_AROUND = ["{}", "a{}", "{}a", "a{}b", "a {}", "{} a", "a {} b", "a{} b", "a {}b", "{0}{0}", "1{}", "{}1"]
_WORDS = """
true yes no on off y n null ~ TRUE Null 1 01 0x1 0o7 0b1 1e3 1E5 1e+5 12e03 1e 1e400 1.0 1.50 .5 5. 1_0 _1 1__0 -0 -0.0 +1
+.5 -1 +-1 1:2 1:2:3 12:30 NaN .nan .inf -.INF 0777 09 1.0.0 1,000 685_230.15 20260101 2026-01-01 2026-1-1 2026-01 0xZ 0x
999999999999999 0.1234567890123 = << - -- --- ... | > |- |+ ? ! & * !!str !a &a *a [] {} [,] {,} [a,] {a} {a:1} {a:b} [[a]]
http://x/?a=b https://x.org/certs?p=1&q=%20 s3://b?region=x&awssdk=v2 azblob://c?storage_account=x [a,b] {"a":b} a#b '' ""
'it''s' 'a'b "a"b "\\t" "\\x41" "\\u0041" "\\/" "\\a" "\\e" "\\N" "\\_" "\\L" "\\q" "\\0" "\\ud83d\\ude00" "\\U0001F600"
"""
_SCALARS = [
    *_WORDS.split(),
    "a: b", "a :b", "a #b", "[a: b]", "{a: }", "{a:,b: 1}", "{? a : b}", "[? a : b]", "[? a]", "? a", "? a\n: b", "- a",
    "-\n  - a", "[a\n, b]", "[\na\n]", "{a: [b, {c: d?}]}", "[a #b]", '"a\n  b"', "'a\n\n  b'", "a\n  b", "a\n\n  b",
    '"a\\\n  b"', "2001-12-14 21:59:43.10 -5", "|\n  a", "> \n  a\n  b", "|-\n  a\n\n", "|+\n  a\n\n", "|2\n    a",
    ">\n  a\n  b\n\n  c", "!!str a", "&a b", "|\n  \ta", "{a\t:b c}",
]  # fmt: skip
_PLACES = [
    "k: {}\n", "k: {}", "{}", "k:\n  - {}\n", "k:\n    {}\n", "- {}\n- b\n", "k: [{}]\n", "k: [{}, z]\n", "k: {{b: {}}}\n",
    "k: {{b: {}\n  , c: z}}\n", "{}: v\n", "k:\n  {}:\n    v: 1\n", "k: {{{}: v}}\n", "k: [{}: v]\n",
    "k:\n- {}: v\n  b: 1\n",
    'k: "{}"\n', "k: '{}'\n", 'k: ["{}"]\n', 'k: {{"{}": 1}}\n', "k: {{'{}':1}}\n", '"{}": v\n', "k: |\n  {}\n  b\n",
    "k: >\n  {}\n  b\n", "k: >-\n  b\n  {}\n", "k: v #{}\nb: 1\n", "#{}\nb: 1\n", "k: v\n{}\nb: 1\n", "k: v\n  {}\nb: 1\n",
    "k: !!str {}\n", "k: &a {}\n", "a: 1\r\nk: {}\r\nb: 2\r\n",
]  # fmt: skip
_FILES = [
    "k: [a, b]\nc: {d: e, f: [g]}\n",
    "a:\n  - b: c\n    d: |\n      text\n      more\n  - >-\n    folded\n    text\n\n    para\n",
    "'a b': \"c d\\te\"\nx: plain text\n  continued here\n",
    '- {a: 1, b: [x, {y: z}]}\n- "q"\n',
    "a:\n  b:\n    c: [1, 'two', \"three\",\n      four]\n  d: {e: f,\n   g: h}\n# comment\ni: ~\n",
]
_SLIPS = [
    *"a1 b?:-,[]{}#&*!|>'\"%@`~<=.+_/\\\n\n\n  \t\r", "\r\n", "é", "\u00a0", "\ufeff", ": ", "- ", "? ", " #", "\n  ",
    "\n    ", "true", "1.0", "0x1", "k: ", '"x"', "'x'", "---", "...", "|-\n", "|+\n", ">2\n", ">\n  ", "|1-\n", "\\\n",
    "\\u0041", "\\x4", "!!str ", "&a ", "*a", "<<: ", "\u2028",
]  # fmt: skip


def scalars(*, pairs: bool = False) -> list[str]:
    """Scalars of every kind. `pairs`: with every two special characters in a row, too."""
    found = set(_SCALARS)
    found |= {around.format(sign) for around, sign in product(_AROUND, _SIGNS)}
    if pairs:
        found |= {f"{before}{a}{b}{after}" for a, b in product(_SIGNS, _SIGNS) for before, after in _PAIRED}
    return sorted(found)


_PAIRED = [("a", ""), ("", ""), ("", "a"), ("a", "b"), ("a ", " b")]


def spellings(values: Sequence[str]) -> Iterator[str]:
    """A file for each scalar in each place."""
    return (place.format(value) for place, value in product(_PLACES, values))


def slips(seed: int, count: int) -> Iterator[str]:
    """Good files with one to five slips: something put in, left out or written twice; and texts that are slips only."""
    chance = random.Random(seed)  # noqa: S311 - the same corpus in every run
    for _ in range(count):
        if chance.random() < 0.4:
            yield "".join(chance.choice(_SLIPS) for _ in range(chance.choice([2, 3, 4, 5, 6, 8, 12, 20])))
        else:
            yield _slipped(chance, chance.choice(_FILES))


def _slipped(chance: random.Random, text: str) -> str:
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 5])):
        at, kind = chance.randrange(len(text) + 1), chance.random()
        if kind < 0.6:
            text = text[:at] + chance.choice(_SLIPS) + text[at:]
        elif kind < 0.8:
            text = text[:at] + text[at + chance.choice([1, 1, 2, 4]) :]
        else:
            start = chance.randrange(len(text) + 1)
            text = text[:at] + text[start : start + chance.choice([1, 2, 5, 12])] + text[at:]
    return text
