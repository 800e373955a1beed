"""Write the best settings as a block of YAML, and add this block to ``params.yaml``.

Examples
--------
>>> print(block("net_tuned", {"family": "dense", "options": {"units": 8}}), end="")
  net_tuned:
    family: dense
    options:
      units: 8
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from lineup.errors import LineupError
from lineup.files import read_text, replacing_file

_INDENT = "  "


def block(name: str, recipe: Mapping[str, Any], indent: str = _INDENT) -> str:
    """Return the settings of a model as text for the section ``models`` of ``params.yaml``."""
    text = yaml.safe_dump({name: dict(recipe)}, sort_keys=False, allow_unicode=True, width=100)
    return textwrap.indent(text, indent)


def add_model(path: Path, after: str, name: str, recipe: Mapping[str, Any], check: Callable[[Path], object]) -> None:
    """Add a model to ``params.yaml``, after another model. The comments and all other lines of the file stay the same.

    Parameters
    ----------
    path : Path
        The file.
    after : str
        Name of the model before the new one.
    name : str
        Name of the new model.
    recipe : mapping
        Its settings.
    check : callable
        Called with the path of the new file before the new file replaces the old file. It raises an error if the new
        file is invalid.

    Raises
    ------
    LineupError
        If the settings of the model ``after`` are not on separate, indented lines.
    """
    text = read_text(path).rstrip("\n") + "\n"
    lines = text.splitlines(keepends=True)
    key, value = _entry(path, text, after)
    last = value.end_mark.line
    while last > value.start_mark.line and _is_empty(lines[last - 1]):
        last -= 1  # comments and empty lines belong to the next model
    lines[last:last] = [block(name, recipe, " " * key.start_mark.column)]
    with replacing_file(path) as partial:
        partial.write_text("".join(lines), encoding="utf-8")
        check(partial)


def _entry(path: Path, text: str, model: str) -> tuple[yaml.Node, yaml.Node]:
    """Return the YAML node of a model's name and the YAML node of its settings."""
    root = yaml.compose(text, yaml.SafeLoader)
    models = next((value for key, value in _pairs(root) if key.value == "models"), None)
    found = next(((key, value) for key, value in _pairs(models) if key.value == model), None)
    is_block = found and isinstance(found[1], yaml.MappingNode) and not found[1].flow_style
    # The settings of a YAML alias are on an earlier line than the name of the model.
    if not found or not is_block or found[1].start_mark.line < found[0].start_mark.line:
        raise LineupError(f"{path}: the settings of {model} are not on separate lines; add the new model by hand")
    return found


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _is_empty(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")
