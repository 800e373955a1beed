"""Load user-defined architectures from ``models.py`` in the project folder.

Examples
--------
>>> error = ValueError("images are too small")
>>> print(located(error, Path("models.py")))
models.py: ValueError: images are too small
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lineup.errors import LineupError, shortened
from lineup.paths import find_project

FILE = "models.py"
MODULE = "lineup.models.project"
"""The name of the user's module. Every family is a module of `lineup.models`."""

PACKAGE = Path(__file__).parents[1]


def models_file() -> Path | None:
    """Return the path of ``models.py`` in the current project, or None if there is no project."""
    try:
        return find_project().root / FILE
    except LineupError:
        return None


def is_loaded(path: Path) -> bool:
    """Return whether the architectures in a file are already registered."""
    module = sys.modules.get(MODULE)
    return module is not None and module.__file__ == str(path)


def load_models(path: Path) -> None:
    """Run the ``models.py`` of a project, so that its architectures are registered.

    The file can import other modules from the project folder. If an installed package has the same name, Python imports
    the package instead.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    LineupError
        If the file is missing or cannot be run. The message names the file and the line.
    """
    if not path.is_file():
        raise LineupError(f"{path}: no such file; this file defines the architectures of the family project")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None  # the name ends with .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    sys.modules[MODULE] = module
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # byte code can be out of date for one second
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[MODULE]
        raise located(error, path) from error
    finally:
        sys.dont_write_bytecode = writes


def call_builder(build: Callable[..., Any], shape: Any, classes: int, options: Mapping[str, Any]) -> list[Any]:
    """Call a builder that is defined in the ``models.py`` of a project.

    The arguments are described in `lineup.models.registry.Architecture.make`.

    Raises
    ------
    LineupError
        If the builder raises any exception, or does not return a list.
    """
    path = Path(build.__code__.co_filename)
    try:
        layers = build(shape, classes, **options)
    except Exception as error:
        raise located(error, path) from error
    if not isinstance(layers, list):
        kind = type(layers).__name__
        raise LineupError(f"{path}: {build.__name__}: expected a list of Keras layers, found {kind}")
    return layers


def located(error: Exception, path: Path) -> LineupError:
    """Convert an exception in a user's code to an error with the file name and the line number.

    Parameters
    ----------
    error : Exception
        Exception raised by ``models.py`` or by a module that it imports.
    path : Path
        Path of ``models.py``, which is named if the traceback contains no line of the project.
    """
    where = str(path)
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}, line {error.lineno}"
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            file = Path(frame.filename)
            if (
                file.is_relative_to(path.parent)
                and not file.is_relative_to(PACKAGE)
                and "site-packages" not in file.parts
            ):
                where = f"{file}, line {frame.lineno}"
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return LineupError(f"{where}: {type(error).__name__}: {shortened(text)}")
