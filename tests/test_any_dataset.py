"""No code outside of ``data/`` contains the name, the image size or the number of classes of a dataset."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "lineup"
ABOUT_ONE_DATASET = ("data", "published")
OLD_RECORDS = PACKAGE / "records" / "header.py"
"""Records of schema 1 do not contain the image size; when one is read, 28 by 28 pixels are added."""


def files(*rooms: str) -> Iterator[Path]:
    """Yield the source files of the given packages, or of all packages that must not depend on a dataset."""
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0]
        if room in rooms if rooms else room not in ABOUT_ONE_DATASET:
            yield path


def integers(path: Path) -> set[int]:
    """Return the integers in the code of a file; those in comments and docstrings do not count."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and type(node.value) is int}


def test_no_file_names_the_dataset() -> None:
    assert [path for path in files() if "fashion" in path.read_text(encoding="utf-8").lower()] == []


def test_no_code_has_the_image_size() -> None:
    assert [path for path in files() if integers(path) & {28, 784}] == [OLD_RECORDS]


def test_models_and_serving_do_not_have_the_number_of_classes() -> None:
    assert [path for path in files("models", "serving") if 10 in integers(path)] == []
