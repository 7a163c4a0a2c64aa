"""Texts out of Python sources that are read and never run: the packages of the public sets are other people's code."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Names = dict[str, Any]


class Unreadable(Exception):
    """An expression that has to be run to be known."""


def constants(path: Path) -> Names:
    """What a module assigns to its own names, where literals alone make it."""
    return assigned(ast.parse(path.read_text(encoding="utf-8")), {})


def classes(path: Path) -> dict[str, Names]:
    """The attributes of each class of a module that literals alone make, with those of its bases in the same module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = assigned(tree, {})
    attributes: dict[str, Names] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            inherited: Names = {}
            for base in reversed(node.bases):
                inherited |= attributes.get(base.id if isinstance(base, ast.Name) else "", {})
            attributes[node.name] = inherited | assigned(node, module | attributes_by_path(attributes))
    return attributes


def attributes_by_path(attributes: Mapping[str, Names]) -> Names:
    """`Class.attribute` of the classes read so far, as a class body names them."""
    return {f"{name}.{key}": value for name, members in attributes.items() for key, value in members.items()}


def assigned(node: ast.Module | ast.ClassDef, scope: Names) -> Names:
    """What a body assigns to names, where that is known without running it."""
    values: Names = {}
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        try:
            values[name] = literal(value, scope | values)
        except Unreadable:
            continue
    return values


def first_strings(path: Path, function: str) -> list[str]:
    """The first argument of each call of `function` in a module, where that is a literal string."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    values = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if name == function:
                try:
                    value = literal(first, {})
                except Unreadable:
                    continue
                if isinstance(value, str):
                    values.append(value)
    return values


def literal(node: ast.expr, scope: Names) -> Any:
    """The value of an expression of literals and names of `scope`."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name) if name in scope:
            return scope[name]
        case ast.Attribute(value=ast.Name(id=holder), attr=name) if f"{holder}.{name}" in scope:
            return scope[f"{holder}.{name}"]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [literal(item, scope) for item in items]
        case ast.Dict(keys=keys, values=items):
            if None in keys:
                raise Unreadable
            return {
                literal(key, scope): literal(item, scope)
                for key, item in zip(keys, items, strict=True)
                if key is not None
            }
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return literal(left, scope) + literal(right, scope)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return literal(left, scope) * literal(right, scope)
        case ast.JoinedStr(values=parts):
            return "".join(_part(part, scope) for part in parts)
    raise Unreadable


def _part(node: ast.expr, scope: Names) -> str:
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.FormattedValue(value=value, format_spec=None):
            return str(literal(value, scope))
    raise Unreadable
