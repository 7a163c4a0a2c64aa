"""Code, enumeration and page know the same reasons."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from guard.decide import answers
from guard.decide.reasons import Decision, Reason, TokenFault

ROOT = Path(__file__).parents[2]
HOME = ROOT / "guard" / "decide" / "reasons.py"


def nodes() -> Iterator[ast.AST]:
    for file in sorted((ROOT / "guard").rglob("*.py")):
        if file != HOME:
            yield from ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate_reasons", ROOT / "docs" / "generate_reasons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_enumerations_say() -> None:
    page = ROOT / "docs" / "reference" / "errors.md"
    assert page.read_text(encoding="utf-8") == generator().reasons_reference()


def test_every_exit_code_and_every_code_of_the_guard_is_on_the_page() -> None:
    module = generator()
    assert set(module.EXIT_CODES) == {*module.exit_codes(), 1, 130}
    codes = {name: value for name, value in vars(answers).items() if isinstance(value, int) and value < 0}
    assert set(module.CODE_MEANINGS) == set(codes)


def test_every_reason_is_given_somewhere_and_every_decision_taken() -> None:
    used = {ast.unparse(node) for node in nodes() if isinstance(node, ast.Attribute)}
    for kind in (Reason, TokenFault, Decision):
        assert [member.name for member in kind if f"{kind.__name__}.{member.name}" not in used] == []


def test_no_reason_is_written_as_a_bare_word() -> None:
    words = {*Reason, *TokenFault}
    takers = "Refused BadToken Unauthenticated Forbidden IdentityUnavailable record refuse refuse_call refuse_silently"
    bare = [
        ast.unparse(node)
        for node in nodes()
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in takers.split()
        if any(isinstance(value, ast.Constant) and value.value in words for value in node.args)
    ]
    assert bare == []


def test_every_reason_and_fault_says_what_it_means_in_a_sentence() -> None:
    for member in [*Reason, *TokenFault]:
        assert member.meaning.endswith("."), member
        assert "|" not in member.meaning, member
