"""Extract the code of one architecture from a module that defines several architectures.

If a builder is added to a module, DVC trains only the models that use this builder.

Examples
--------
>>> tree = ast.parse(chr(10).join(f"@register_model(){chr(10)}def {name}(): ..." for name in "ab"))
>>> [node.name for node in only_builder(tree, "b").body]
['b']
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

_DECORATOR = "register_model"


def only_builder(tree: ast.Module, name: str) -> ast.Module:
    """Copy a module without the builders that an architecture does not use.

    Parameters
    ----------
    tree : ast.Module
        Syntax tree of a module that registers architectures with `lineup.models.registry.register_model`.
    name : str
        Name of the architecture. If the module does not define a builder with this name, all builders are removed
        except those that other code of the module mentions.
    """
    builders = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef) and _is_builder(node)}
    kept = {name} & builders.keys()
    mentioned = _names(node for node in tree.body if node not in builders.values())
    todo = kept | (mentioned & builders.keys())
    while todo:
        kept |= todo
        todo = (_names(builders[builder] for builder in todo) & builders.keys()) - kept
    left_out = [node for key, node in builders.items() if key not in kept]
    return ast.Module([node for node in tree.body if node not in left_out], tree.type_ignores)


def _is_builder(function: ast.FunctionDef) -> bool:
    """Return whether a function has the decorator ``register_model``."""
    return any(_DECORATOR in _names([decorator]) for decorator in function.decorator_list)


def _names(nodes: Iterable[ast.AST]) -> set[str]:
    """Return all names, attributes and strings in the given nodes of a syntax tree. Strings are included, because code
    can contain the name of a builder as a string.
    """
    found: set[str] = set()
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                found.add(part.id)
            elif isinstance(part, ast.Attribute):
                found.add(part.attr)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                found.add(part.value)
    return found
