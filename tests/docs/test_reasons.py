"""Code, enumeration and page know the same reasons."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from guard.decide.reasons import Decision, Reason, TokenFault

ROOT = Path(__file__).parents[2]
HOME = ROOT / "guard" / "decide" / "reasons.py"


def nodes() -> Iterator[ast.AST]:
    for file in sorted((ROOT / "guard").rglob("*.py")):
        if file != HOME:
            yield from ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def test_the_page_is_what_the_enumerations_say() -> None:
    file = ROOT / "docs" / "generate_reasons.py"
    spec = importlib.util.spec_from_file_location("docs_generate_reasons", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert file.with_name("reasons.md").read_text(encoding="utf-8") == module.reasons_reference()


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
