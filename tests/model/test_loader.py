"""The one YAML reader: what two readers could take differently is refused on its line; all else means the same to both."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from model.composer import compose
from model.errors import InputError
from model.loader import MAX_BYTES, MAX_DEPTH, dotted, parse, read, read_text, walk

FILE = Path("f.yaml")


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse(text, FILE)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return caught.value


def value(scalar: str) -> Any:
    mapping = parse(f"a: {scalar}", FILE).value
    assert isinstance(mapping, dict)
    return mapping["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("+1", 1),
        ("1.5", 1.5),
        ("3.9.3", "3.9.3"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("123456789012345", 123456789012345),
        ("8h", "8h"),
        ('"2026-01-01"', "2026-01-01"),
        ("'0x1F'", "0x1F"),
        ("|\n  12", "12"),
        ('"\\u200b"', "\u200b"),
        ("a?b", "a?b"),
        ('["a?b"]', ["a?b"]),
        (">\n  one\n  line\n\n  more", "one line\nmore"),
    ],
)
def test_a_scalar_that_all_readers_agree_on_is_read(text: str, expected: Any) -> None:
    scalar = value(text)
    assert (scalar, type(scalar)) == (expected, type(expected))


@pytest.mark.parametrize(
    "text",
    [
        "0777", "08", "0x1F", "0X1F", "0o17", "0O17", "0b11", "0B11", "1e3", "1E+3", "12e03", "1.5e-3", ".5", "5.", "1_000",
        "-_1", "+_1", ".inf", "-.INF", ".NaN", "12:30", "12:30:45", "0123456789abcdef", "2001:db8::1",
    ],
)  # fmt: skip
def test_a_scalar_that_some_readers_take_for_a_number_is_refused(text: str) -> None:
    error = refusal(f"x: 1\na: {text}")
    assert (error.file, error.key, error.remedy) == (
        "f.yaml:2",
        "a",
        f'write "{text}"; if a tool took the quotes off, `git diff` shows where',
    )


@pytest.mark.parametrize(
    "text", ["2026-01-01", "2026-1-1", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00", "2026-01-01t00:00:00.5+01:00"]
)
def test_an_unquoted_date_is_refused(text: str) -> None:
    assert str(refusal(f"a:\n  b: {text}")) == (
        f'f.yaml:2: a.b: an unquoted date ({text}), which Pulumi rewrites; write "{text}"'
        "; if a tool took the quotes off, `git diff` shows where"
    )


@pytest.mark.parametrize("text", ["1234567890123456", "-1234567890123456", "0.123456789012345", "9" * 5000])
def test_a_number_of_over_15_digits_is_refused(text: str) -> None:
    assert str(refusal(f"a: {text}")) == (
        "f.yaml:1: a: a number of over 15 digits, which Pulumi rewrites; quote it"
        "; if a tool took the quotes off, `git diff` shows where"
    )


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", 'a: 1\nb: 2\n"a": 3', "a: 1\nb: 2\n? a\n: 3"])
def test_a_key_that_appears_twice_is_refused(text: str) -> None:
    assert str(refusal(text)) == "f.yaml:3: a: the key appears twice (first on line 1); remove one of the two"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1", "anchors and aliases"),
        ("&x a: 1", "anchors and aliases"),
        ("a: &x {b: 1}\nc: *x", "anchors and aliases"),
        ("a: &x 1\nb: &x 2", "anchors and aliases"),
        ("a: *x", "undefined alias"),
        ("<<: {a: 1}", "merge keys"),
        ("a: !!str 123", "the tag"),
        ('a: !!int "5"', "the tag"),
        ("a: ! 12", "the tag"),
        ("a: !<tag:yaml.org,2002:str> 12", "the tag"),
        ("a: !foo {b: 1}", "the tag"),
        ("a: !!omap [b: 1]", "the tag"),
        ('!foo "a": 1', "the tag"),
        ("%YAML 1.1\n---\na: yes", "directives"),
        ("# c\n\n%TAG ! x\n---\na: 1", "directives"),
        ("1: 2", "a key must be a string"),
        ("true: 2", "a key must be a string"),
        ("? [a]\n: 2", "a key must be a string"),
        ("a: 1\n---\nb: 2", "a second document"),
        ("a: x\u2028y", "U+2028"),
        ("a: x\u0085y", "U+0085"),
        ("a: [get]  # \u202e ]tuo nekat :b", "U+202E"),
        ("a: x\u2066y", "U+2066"),
        ("a: \x01", "U+0001"),
        ('a: "\\uD800"', "half a character"),
        ('"\\uD800": 1', "half a character"),
        ('a: "\\U00110000"', "no Unicode character"),
        ("a: [1", "expected"),
        ("a:\tb", "cannot start any token"),
    ],
)
def test_what_means_more_than_it_shows_is_refused(text: str, problem: str) -> None:
    assert problem in refusal(text).problem


@pytest.mark.parametrize(
    ("text", "line", "key", "problem", "remedy"),
    [
        ("a:\n  b: [get_?]", 2, "a.b.0", "? inside braces or brackets", "quote it"),
        ("a: {b: {url: https://x.example/certs?p=1}}", 1, "a.b.url", "? inside braces or brackets", "quote it"),
        ("a: {what?: 1}", 1, "a", "? inside braces or brackets", "quote it"),
        ("a: {b: [c,\n  d e?]}", 2, "a.b.1", "? inside braces or brackets", "quote it"),
        ("a: [:b]", 1, "a.0", ": inside braces or brackets", "quote it"),
        ("a: {b\t:c d}", 1, "a", "a tab behind unquoted text", "remove the tab"),
        ('a: "\\\\ \\/"', 1, "a", "the escape \\/", "write / alone"),
        ("a: 1\nb: |\n  \tx", 3, None, "a tab before the first character", "in double quotes"),
        ("a: 1\n\ufeffb: 2", 2, None, "U+FEFF", "remove it"),
        ("|\na: 1", 1, None, "one text", "write keys and values"),
    ],
)
def test_what_pulumi_cannot_read_is_refused(text: str, line: int, key: str | None, problem: str, remedy: str) -> None:
    error = refusal(text)
    assert (error.file, error.key) == (f"f.yaml:{line}", key)
    assert problem in error.problem
    assert remedy in str(error.remedy)


def test_a_refused_address_is_not_repeated() -> None:
    assert "s3cret" not in str(refusal("a: {url: https://x.example/?key=s3cret}"))


def test_nesting_has_a_limit_that_no_stack_overflow_comes_before() -> None:
    for text in ("[" * 20_000, "a: " + "{b: " * 5_000, "- " * 5_000 + "x"):
        assert refusal(text).problem == f"is nested deeper than {MAX_DEPTH} levels"
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse(deep, FILE).value is not None


def test_every_key_has_its_line() -> None:
    document = parse("# c\na:\n  b:\n    - x\n    - {c: 1}\n", FILE)
    assert document.lines[("a", "b", 1, "c")] == 5
    assert document.line(("a", "b", 1, "c", "missing", "deeper")) == 5
    assert document.line(("nothing",)) == 2
    assert str(document.error(("a", "b", 0), "p", "r")) == "f.yaml:4: a.b.0: p; r"
    assert [dotted(path) for path, _ in walk(document.value)] == ["", "a", "a.b", "a.b.0", "a.b.1", "a.b.1.c"]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n"])
def test_an_empty_file_is_nothing(text: str) -> None:
    assert parse(text, FILE).value is None


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert parse("\ufeffa: 1", FILE).value == {"a": 1}


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"a: \xe5\n")
    with pytest.raises(InputError) as caught:
        read(file)
    assert str(caught.value) == f"{file}: is not UTF-8 (byte 3); save it as UTF-8"


def test_a_file_beyond_the_size_limit_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match="is larger than 4096 KiB"):
        read_text(file)


def test_a_file_that_is_not_there_or_a_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; correct the path"):
        read(tmp_path / "none.yaml")
    with pytest.raises(InputError, match=r"is a folder, not a file"):
        read(tmp_path)


json_text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | json_text,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(json_text.filter(lambda k: k != "<<"), inner, max_size=4)
    ),
    max_leaves=20,
)


def quoted(item: Any) -> Any:
    if isinstance(item, str):
        return DoubleQuotedScalarString(item)
    if isinstance(item, list):
        return [quoted(child) for child in item]
    if isinstance(item, dict):
        return {quoted(key): quoted(child) for key, child in item.items()}
    return item


@settings(deadline=None, max_examples=150)
@given(json_values)
def test_any_json_value_written_with_its_strings_quoted_reads_back_equal(item: Any) -> None:
    out = io.StringIO()
    yaml = YAML()
    yaml.width = 1_000_000
    yaml.representer.ignore_aliases = lambda _: True
    yaml.dump({"value": quoted(item)}, out)
    assert parse(out.getvalue(), FILE).value == {"value": item}


def test_text_read_again_is_composed_once_and_each_reader_gets_values_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts: list[str] = []

    def counted(text: str, max_depth: int) -> tuple[Any, dict[int, str]]:
        texts.append(text)
        return compose(text, max_depth)

    monkeypatch.setattr("model.composer.compose", counted)
    text = "once: [1, {a: null}]\n"
    first = parse(text, FILE)
    assert isinstance(first.value, dict)
    first.value["once"].append("changed")  # type: ignore[union-attr]  # the list above
    first.lines[("once",)] = 9
    again = parse(text, Path("other.yaml"))
    assert (again.value, again.line(("once",)), again.file) == ({"once": [1, {"a": None}]}, 1, Path("other.yaml"))
    assert texts == [text]
    assert parse(text + "# end\n", FILE).value == again.value
    assert len(texts) == 2


def test_refusal_of_a_text_read_again_names_the_file_it_is_in_now() -> None:
    for file in ("first.yaml", "second.yaml"):
        with pytest.raises(InputError) as refused:
            parse("a: 1\na: 2\n", Path(file))
        assert refused.value.file == f"{file}:2"


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from(list("a1:-?[]{}#&*!|>'\"%@`,.\n \t\\~<=_0xeT+\x01\u2028é")), max_size=40) | st.text())
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        parse(text, FILE)
        line = "f.yaml"
    except InputError as error:
        line = str(error)
    assert "\n" not in line
    assert line.startswith("f.yaml")


def test_a_character_that_reorders_a_line_is_named_by_its_line_and_passes_as_an_escape() -> None:
    error = refusal("a: 1\n# approved \u2067by nobody\nb: 2")
    assert error.file is not None
    assert error.file.endswith(":2")
    assert error.remedy == "remove it, or write it as an escape in double quotes"
    assert parse('a: "x\\u202ey"\n# \u200f\u05e2\u05d1\n', Path("f.yaml")).value == {"a": "x\u202ey"}


@pytest.mark.parametrize("subject", ["pipe", "device"])
def test_a_pipe_or_a_device_in_the_place_of_a_file_is_refused_at_once(tmp_path: Path, subject: str) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "f.yaml"
    os.mkfifo(pipe)
    file.symlink_to(pipe if subject == "pipe" else "/dev/zero")
    with pytest.raises(InputError, match="is a pipe or a device, not a file; put a file in its place"):
        read(file)
    file.unlink()
    (tmp_path / "elsewhere.yaml").write_text("a: 1\n", encoding="utf-8")
    file.symlink_to(tmp_path / "elsewhere.yaml")
    assert read(file).value == {"a": 1}, "a link to a file is read, as mounted configuration is one"
