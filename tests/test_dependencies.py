"""Each stage of dvc.yaml depends on the code that it runs: no less, or results go stale; no more, or they rerun."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from lineup.params import Params

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

# Where each stage enters below the command line, which parses and calls and is no dependency; `config` only checks
# params.yaml, whose values are dependencies themselves. publish runs always and needs no code
# dependencies; check writes always the same.
TRAINING = ["lineup.data.dataset", "lineup.training.train", "lineup.training.progress"]
ENTRIES = {
    "download": ["lineup.data.download"],
    "split": ["lineup.data.split"],
    "train@dense": [*TRAINING, "lineup.models.dense"],
    "train@cnn": [*TRAINING, "lineup.models.cnn"],
    "train@autoencoder": [*TRAINING, "lineup.models.autoencoder"],
    "train@classical": [*TRAINING, "lineup.models.classical"],
    "train@conv1d": [*TRAINING, "lineup.models.conv1d"],
    "train@residual": [*TRAINING, "lineup.models.residual"],
    "train@wide_deep": [*TRAINING, "lineup.models.wide_deep"],
    "select": ["lineup.committee.select"],
    "committee": ["lineup.committee.build", "lineup.committee.select"],
    "champion": ["lineup.committee.champion"],
    "evaluate": ["lineup.pages.evaluate"],
    "reproduce": ["lineup.pages.reproduce"],
}
# Paths, the writing of files and the error class decide on no result.
NEUTRAL_MODULES = ("errors", "files", "paths", "pipeline", "schema", "skops_file", "tables")
NEUTRAL = {f"src/lineup/{name}.py" for name in NEUTRAL_MODULES}


def module_file(module: str) -> Path | None:
    """Return the file of a module of this package, or None for a name inside a module or another package."""
    path = SOURCE / Path(*module.split("."))
    if path.is_dir():
        return path / "__init__.py"
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None


def imports_of(tree: ast.AST) -> set[str]:
    """Return the modules that a file imports when it runs, inside functions too, but not for type checking."""
    names: set[str] = set()
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        nodes.extend(ast.iter_child_nodes(node))
    return names


def closure(entries: list[str]) -> set[str]:
    """Return the source files that the entry modules import, directly and indirectly, with the YAML beside them."""
    found: set[Path] = set()
    todo = [file for entry in entries if (file := module_file(entry))]
    assert len(todo) == len(entries), f"one of {entries} does not exist"
    while todo:
        file = todo.pop()
        if file in found:
            continue
        found.add(file)
        modules = imports_of(ast.parse(file.read_text(encoding="utf-8")))
        todo.extend(path for module in modules if (path := module_file(module)))
    found |= {data for path in found if (data := path.with_suffix(".yaml")).is_file()}
    names = {path.relative_to(ROOT).as_posix() for path in found if path.name != "__init__.py"}
    return names - NEUTRAL


def declared(stage: dict[str, Any], family: str) -> set[str]:
    """Return the source files that a stage depends on, folders expanded."""
    files: set[str] = set()
    for dep in stage["deps"]:
        path = dep.replace("${item.family}", family)
        if not path.startswith("src/"):
            continue
        assert (ROOT / path).exists(), f"{path} does not exist"
        inside = (ROOT / path).rglob("*.py") if (ROOT / path).is_dir() else [ROOT / path]
        files.update(file.relative_to(ROOT).as_posix() for file in inside if file.name != "__init__.py")
    return files


@pytest.mark.parametrize("name", ENTRIES)
def test_code_dependencies_are_the_import_closure(name: str) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    stage, _, family = name.partition("@")
    definition = stages[stage].get("do", stages[stage])
    assert declared(definition, family) == closure(ENTRIES[name])


def test_check_runs_again_with_every_change_of_params_yaml() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert stages["check"]["params"] == [section.name for section in dataclasses.fields(Params)]
    assert stages["check"]["outs"] == ["data/checked"]
    assert stages["download"]["deps"][0] == "data/checked"


@pytest.mark.parametrize("name", ["train", "committee"])
def test_no_name_from_params_yaml_is_part_of_a_command(name: str) -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert stages[name]["do"]["cmd"] == f'python -m lineup {name} "$DVC_STAGE"'


def test_every_stage_is_held_against_its_closure() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert {name.partition("@")[0] for name in ENTRIES} == set(stages) - {"check", "publish"}
