"""Find all files that a module imports from this package and from the user's project.

Imports with `importlib.import_module` are ignored. The code hash of a model therefore includes only the code of its own
family and trainer.

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

from lineup.code.builders import only_builder
from lineup.code.meaning import is_type_checking, meaning, tree_meaning
from lineup.errors import LineupError, shortened
from lineup.files import read_text

SOURCE = Path(__file__).parents[2]
"""Folder that contains the running package."""

DIGITS = 12

EMPTY = meaning("")

DATA = (".yaml", ".html", ".css", ".js")
"""Suffixes of files that are part of the module with the same name."""

_HOLD_STATEMENTS = (ast.stmt, ast.ExceptHandler, ast.match_case)
"""Types of nodes that can contain an import."""

NEUTRAL = (
    # These contain messages for the user and paths of files.
    "lineup/errors.py",
    "lineup/paths.py",
    "lineup/remedies.py",
    "lineup/signals.py",
    "lineup/terminal.py",
    # These write complete files and check files that they read. They reject a value or return it unchanged.
    "lineup/files.py",
    "lineup/schema.py",
    "lineup/tables.py",
    # This module copies finished training runs without changes.
    "lineup/training/finished.py",
    # This module loads a project's models.py, which has its own hash.
    "lineup/models/own.py",
    # These contain the version number and the code that computes the hashes.
    "lineup/__init__.py",
    "lineup/code/",
)
"""Files and folders of the package that do not affect results. Changes in them do not rerun any stage."""


class SourceFiles:
    """Files of this package and of a project.

    Each file is read only once. Create a new instance of this class after a source file has changed.
    """

    def __init__(self) -> None:
        self._files_of = cache(_files_of)
        self._read = cache(_read)

    def closure(
        self, modules: Iterable[str], project: Path | None = None, builder: str | None = None
    ) -> dict[str, str]:
        """Return the hashes of all files that run when the given modules are imported. See `closure`."""
        found = self._run_by(modules, project, builder, NEUTRAL)
        return {name: digest for name, digest in sorted(found.items()) if digest}

    def names(self, modules: Iterable[str]) -> list[str]:
        """Return the paths of all files that run when the given modules are imported. See `source_files`."""
        return sorted(self._run_by(modules, None, None, ()))

    def _run_by(
        self, modules: Iterable[str], project: Path | None, builder: str | None, left_out: tuple[str, ...]
    ) -> dict[str, str]:
        """Return the hash of each file that Python runs for the given modules. Some files of this package are
        left out.
        """
        found: dict[str, str] = {}
        todo: list[tuple[Path, str]] = []
        reduced: set[tuple[Path, str]] = set()
        for module in modules:
            files = self._files_of(module, project)
            if not files:
                raise LineupError(f"no module {module} in {SOURCE / 'lineup'}{f' or {project}' if project else ''}")
            todo.extend(files)
            reduced.update(files)
        while todo:
            base, name = todo.pop()
            if name in found or (base == SOURCE and left_out and name.startswith(left_out)):
                continue
            found[name], imports = self._read(base, name, builder if (base, name) in reduced else None)
            for module in imports:
                todo.extend(self._files_of(module, None if base == SOURCE else base))
        return found


def closure(modules: Iterable[str], project: Path | None = None, builder: str | None = None) -> dict[str, str]:
    """Return the hashes of all files that Python runs when the given modules are imported.

    Parameters
    ----------
    modules : iterable of str
        Full names such as ``lineup.models.cnn``. If a project is given, modules in its folder are also accepted.
    project : Path, optional
        Folder of a project whose modules are included. Default: only modules of this package.
    builder : str, optional
        Name of an architecture. The other architectures that the given modules register are left out, together with
        the files that only they import. Default: nothing is left out.

    Returns
    -------
    dict of str to str
        Hashes of 12 hexadecimal digits by path, sorted. Paths are relative to the folder that contains the package, or
        to the project. A file with the name of a module and a suffix in `DATA` is part of the module.

    Raises
    ------
    LineupError
        If a module is missing, or a file cannot be read or parsed.
    """
    return SourceFiles().closure(modules, project, builder)


def source_files(modules: Iterable[str]) -> list[str]:
    """Return which files of this package Python runs when it imports the given modules.

    Parameters
    ----------
    modules : iterable of str
        Full names such as ``lineup.models.cnn``.

    Returns
    -------
    list of str
        Sorted paths relative to `SOURCE`.

    Raises
    ------
    LineupError
        If a module is missing, or a file cannot be read or parsed.

    Examples
    --------
    >>> source_files(["lineup.npz"])
    ['lineup/__init__.py', 'lineup/errors.py', 'lineup/files.py', 'lineup/npz.py', 'lineup/remedies.py']
    """
    return SourceFiles().names(modules)


def _files_of(module: str, project: Path | None) -> list[tuple[Path, str]]:
    """Return the files that Python runs when a module is imported.

    The list contains the module's own file and its data files (see `DATA`), and the files of its parent packages. Each
    tuple contains a folder on Python's search path and a path relative to this folder. The list is empty if the name is
    not a module, or if the module belongs to another library.
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
    files = [*packages, *own, *(path.with_name(f"{parts[-1]}{suffix}") for suffix in DATA)]
    return [(base, file.relative_to(base).as_posix()) for file in files if file.is_file()]


def _read(base: Path, name: str, builder: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the code hash of a file and the names that the file imports. If a builder is given, other builders are
    ignored.

    If the file contains only a docstring, the hash is empty.
    """
    source = read_text(base / name)
    if not name.endswith(".py"):
        return _sha256(source), ()
    try:
        return _parsed(source, name, builder)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f": line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise LineupError(f"{base / name}{line}: not Python code: {shortened(error)}") from error


@cache
def _parsed(source: str, name: str, builder: str | None) -> tuple[str, tuple[str, ...]]:
    tree = ast.parse(source)
    if builder is not None:
        tree = only_builder(tree, builder)
    text = tree_meaning(tree)
    return ("" if text == EMPTY else _sha256(text)), tuple(dict.fromkeys(_imports(tree, name)))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _imports(tree: ast.AST, name: str) -> Iterator[str]:
    """Yield the names of all modules and objects that a file imports.

    Imports inside functions are included.
    """
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
