"""Find all files that a module runs: the modules of this package and of the user's project that it imports.

Modules that are imported with `importlib.import_module` do not count. A training therefore does not depend on families
and trainers that it does not use.

Examples
--------
>>> list(closure(["lineup.data.idx"]))
['lineup/data/idx.py']
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from lineup.code.meaning import is_type_checking, meaning, tree_meaning
from lineup.errors import LineupError, shortened
from lineup.files import read_text

SOURCE = Path(__file__).parents[2]
"""The folder of the package that is running."""

DIGITS = 12

EMPTY = meaning("")

_HOLD_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)
"""Nodes in which an import can be."""

NEUTRAL = (
    # Messages for the user, and the paths of files.
    "lineup/errors.py",
    "lineup/paths.py",
    "lineup/remedies.py",
    "lineup/signals.py",
    "lineup/terminal.py",
    # These write whole files and check files that they read. They refuse a value or return it unchanged.
    "lineup/files.py",
    "lineup/schema.py",
    "lineup/tables.py",
    # It copies finished trainings and changes nothing in them.
    "lineup/training/finished.py",
    # It loads a project's models.py, which counts itself.
    "lineup/models/own.py",
    # The version number, and the code that makes these hashes.
    "lineup/__init__.py",
    "lineup/code/",
)
"""Files and folders of the package that change no result. No stage runs again because of them."""


def closure(modules: Iterable[str], project: Path | None = None) -> dict[str, str]:
    """Return every file that modules run, with a hash of its meaning.

    Parameters
    ----------
    modules : iterable of str
        Full names, such as ``lineup.models.cnn``; with a project also names of modules in its folder.
    project : Path, optional
        Folder of a project whose own modules count too. Default: only this package.

    Returns
    -------
    dict of str to str
        12 hexadecimal digits by path, sorted. Paths are relative to the folder that holds the package, or to the
        project. A YAML file beside a module of the same name counts as part of it.

    Raises
    ------
    LineupError
        If a module is missing, or a file cannot be read or is not Python.
    """
    found: dict[str, str] = {}
    todo: list[tuple[Path, str]] = []
    for module in modules:
        files = _files_of(module, project)
        if not files:
            raise LineupError(f"no module {module} in {SOURCE / 'lineup'}{f' or {project}' if project else ''}")
        todo.extend(files)
    while todo:
        base, name = todo.pop()
        if name in found or (base == SOURCE and name.startswith(NEUTRAL)):
            continue
        found[name], imports = _read(base, name)
        for module in imports:
            todo.extend(_files_of(module, None if base == SOURCE else base))
    return {name: digest for name, digest in sorted(found.items()) if digest}


def _files_of(module: str, project: Path | None) -> list[tuple[Path, str]]:
    """Return the files that an import runs: the module, the packages around it, and a YAML file of the same name.

    Each file is the folder that Python imports it from and the path below that folder. The list is empty for a module
    of another library and for a name inside a module.
    """
    parts = module.split(".")
    base = SOURCE if parts[0] == "lineup" else project
    if base is None:
        return []
    path = base.joinpath(*parts)
    own = [path.with_name(f"{parts[-1]}.py"), path / "__init__.py"]
    if not any(file.is_file() for file in own):
        return []
    packages = [base.joinpath(*parts[:length], "__init__.py") for length in range(1, len(parts))]
    files = [*packages, *own, path.with_name(f"{parts[-1]}.yaml")]
    return [(base, file.relative_to(base).as_posix()) for file in files if file.is_file()]


def _read(base: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """Return the hash of a file, empty if nothing is left of it but a docstring, and the modules that it imports."""
    source = read_text(base / name)
    if not name.endswith(".py"):
        return _sha256(source), ()
    try:
        return _parsed(source, name)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f": line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise LineupError(f"{base / name}{line}: not Python code: {shortened(error)}") from error


@cache
def _parsed(source: str, name: str) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(source)
    text = tree_meaning(tree)
    return ("" if text == EMPTY else _sha256(text)), tuple(dict.fromkeys(_imports(tree, name)))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _imports(tree: ast.AST, name: str) -> Iterator[str]:
    """Yield the modules that a file imports when it runs, inside of functions too, and the names it takes from them."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and is_type_checking(node):
            nodes.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = name.split("/")[: -node.level] if node.level else []
            module = ".".join([*around, *filter(None, [node.module])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        nodes.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, _HOLD_STATEMENTS))
