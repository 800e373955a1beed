"""Reduce Python code to the parts that can change its results.

Changes in comments, docstrings, annotations and error messages are ignored. Unlike the output of `ast.dump`, the result
is the same in all supported versions of Python.

Examples
--------
>>> meaning("x: int = 1_000  # a comment") == meaning("x = 1000")
True
>>> meaning("x = 1") == meaning("x = 2")
False
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_LEFT_OUT = frozenset({"annotation", "returns", "type_params", "ctx", "kind", "type_comment"})
"""Fields of syntax trees that do not affect results."""

_STATEMENTS = frozenset({"body", "orelse", "finalbody"})
"""Fields that contain lists of statements. The field ``body`` of a lambda or of ``a if b else c`` is one expression."""

_TYPING = frozenset({"__future__", "collections.abc", "typing"})
"""Modules that are only used in annotations and as base classes."""


def meaning(source: str) -> str:
    """Convert a module to text, without the parts that do not affect results.

    Parameters
    ----------
    source : str
        Code of a module.

    Raises
    ------
    SyntaxError
        If the code is not valid Python.
    """
    return tree_meaning(ast.parse(source))


def tree_meaning(tree: ast.AST) -> str:
    """Convert a syntax tree to text, without the parts that do not affect results."""
    pieces: list[str] = []
    _write(tree, pieces)
    return "".join(pieces)


def is_type_checking(node: ast.AST) -> bool:
    """Return whether a statement begins with ``if TYPE_CHECKING:``. Its body is never executed."""
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _write(value: object, pieces: list[str]) -> None:
    """Convert a node, a list of nodes or a constant to text, and append this text."""
    if isinstance(value, ast.AST):
        pieces.append(f"{type(value).__name__}(")
        for name, child in _fields(value):
            # Depending on the version of Python, an empty field is None, an empty list or missing.
            if child is not None and child != []:
                pieces.append(f"{name}=")
                _write(child, pieces)
        pieces.append(")")
    elif isinstance(value, list):
        pieces.append("[")
        for item in value:
            _write(item, pieces)
        pieces.append("]")
    else:
        pieces.append(f"{value!a},")  # repr depends on the characters that a version of Python prints


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    """From a syntax node, yield the fields that can change the results of the code."""
    if isinstance(node, ast.Raise):
        yield "exc", node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        yield "cause", node.cause
    elif isinstance(node, ast.Assert):
        yield "test", node.test
    elif isinstance(node, ast.JoinedStr):
        yield "values", _joined(node.values)
    else:
        for name in node._fields:
            child = getattr(node, name, None)
            if name in _STATEMENTS and isinstance(child, list):
                yield name, list(_statements(child, in_class=isinstance(node, ast.ClassDef)))
            elif name not in _LEFT_OUT:
                yield name, child


def _statements(body: list[ast.stmt], *, in_class: bool) -> Iterator[ast.stmt]:
    """From a list of statements, yield the statements that can change the results of the code.

    In a dataclass, only variables with an annotation are fields. Annotations in the body of a class are therefore kept,
    but without their types.
    """
    for statement in body:
        if isinstance(statement, ast.Pass) or _is_constant(statement) or _is_typing_import(statement):
            continue
        if isinstance(statement, ast.If) and is_type_checking(statement):
            yield from _statements(statement.orelse, in_class=in_class)
        elif isinstance(statement, ast.AnnAssign) and not in_class:
            if statement.value is not None:
                yield ast.Assign(targets=[statement.target], value=statement.value)
        else:
            yield statement


def _is_constant(statement: ast.stmt) -> bool:
    """Return whether a statement consists only of a constant, such as a docstring or ``...``."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_typing_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and not statement.level and statement.module in _TYPING


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """Join adjacent strings in an f-string and remove empty strings.

    Different versions of Python split the strings in an f-string in different ways.
    """
    joined: list[ast.expr] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            joined[-1] = ast.Constant(f"{last.value!s}{part.value!s}")
        elif not (isinstance(part, ast.Constant) and part.value == ""):
            joined.append(part)
    return joined
