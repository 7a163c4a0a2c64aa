"""An error's parts are fields; its text is made of them and is read by people only."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from model.errors import EngineFailed, InputError, InputErrors, NoProject, NoSuchStack, RingwallError, Unreachable
from model.project import find_project

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", [RingwallError, InputError, EngineFailed, Unreachable])
def test_every_error_is_one_line_of_place_problem_and_remedy(kind: type[RingwallError]) -> None:
    error = kind("is wrong", file=Path("f.yaml"), key="a.b", remedy="correct it")
    assert str(error) == "f.yaml: a.b: is wrong; correct it"
    assert (error.summary, error.problem, error.file, error.key, error.remedy) == (
        "f.yaml: a.b: is wrong", "is wrong", "f.yaml", "a.b", "correct it",
    )  # fmt: skip
    assert error.each == [error]
    assert str(kind("is wrong; twice")) == "is wrong; twice"
    assert kind("is wrong; twice").remedy is None


def test_what_a_stranger_wrote_into_a_file_moves_no_cursor_and_makes_no_line_of_its_own() -> None:
    error = InputError("has \x1b[8mthis\u202e", file="a\x1b.yaml", key="b\x1b[2J\nerror: c", remedy="take \x07 out")
    assert str(error) == (
        "a<U+001B>.yaml: b<U+001B>[2J<U+000A>error: c: has <U+001B>[8mthis<U+202E>; take <U+0007> out"
    )
    assert error.file == "a\x1b.yaml", "the path that there is"


def test_several_problems_are_one_line_each_and_survive_a_worker_process() -> None:
    problems = [InputError("one", key="a", remedy="b"), InputError("two", file="c")]
    error = pickle.loads(pickle.dumps(InputErrors(problems)))  # noqa: S301 - made above
    assert str(error) == "a: one; b\nc: two"
    assert [(each.summary, each.remedy) for each in error.each] == [("a: one", "b"), ("c: two", None)]


def test_no_project_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NoProject, match=r"no Pulumi\.yaml here or above"):
        find_project(tmp_path)


def test_an_error_keeps_its_parts_through_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(NoSuchStack("gone", remedy="run it")))  # noqa: S301 - made above
    assert (str(error), error.problem, error.remedy) == ("gone; run it", "gone", "run it")


def test_no_error_of_our_own_is_read_back_as_text() -> None:
    """The engine's and the TLS library's errors have their text only; two modules read those."""
    as_text = re.compile(r'" (not )?in str\(error\)|\.r?partition\("; "\)|\.problem\.(startswith|endswith)\(')
    folders = ("cli", "components", "engine", "guard", "operations", "package", "plan", "policy_pack", "wire")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert sorted(
        str(file.relative_to(ROOT)) for file in files if as_text.search(file.read_text(encoding="utf-8"))
    ) == [
        "components/contract.py",
        "operations/scan/contact.py",
    ]
