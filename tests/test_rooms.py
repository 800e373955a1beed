"""Packages of lineup import only packages before them in the order, and there are no circular imports."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "lineup"

ORDER = (
    (
        "errors",
        "settings",
        "terminal",
        "signals",
        "files",
        "tables",
        "schema",
        "npz",
        "paths",
        "batches",
        "remedies",
        "checkout",
    ),
    ("data", "evaluation", "published"),
    ("records",),
    ("models",),
    ("code",),
    ("training", "committee"),
    ("serving", "figures"),
    ("explain",),
    ("pages",),
    ("tracking",),
    ("tuning",),
    ("params",),
    ("execution",),
    ("cli", "__main__"),
)
"""Each package or module imports only from its own row and from the rows above it."""


def modules() -> dict[str, Path]:
    """Return the file of each module, by the module's name."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        if "template" in path.parts:  # files of a new project, see `lineup init`
            continue
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_of(name: str) -> set[str]:
    """Return the modules of lineup that a module imports, in functions and for type checking too."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {other for other in names if other in MODULES and other not in (name, "lineup")}


def row_of(name: str) -> int:
    room = name.removeprefix("lineup").lstrip(".").partition(".")[0]
    return next(number for number, row in enumerate(ORDER) if not room or room in row)


def test_every_module_has_a_place_in_the_order() -> None:
    rooms = {name.split(".")[1] for name in MODULES if "." in name}
    assert rooms == {room for row in ORDER for room in row}


def test_no_import_goes_up() -> None:
    upward = [
        f"{name} imports {other}" for name in MODULES for other in imports_of(name) if row_of(other) > row_of(name)
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    # A package's own file lists what it offers; importing a module of the package is no import of the list.
    graph = {name: imports_of(name) for name, path in MODULES.items() if path.name != "__init__.py"}
    TopologicalSorter({name: {other for other in others if other in graph} for name, others in graph.items()}).prepare()
