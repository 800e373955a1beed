"""The speedrun: a changed recipe has new seeds, and only five seeds with a high interval reach a target."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from speedrun import RECIPES, Entry, check_committed, load_recipes, table

SETTINGS: dict[str, Any] = {"family": "dense", "architecture": "shallow_nn", "epochs": 1, "batch_size": 32}
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
SETTINGS |= {"learning_rate": 0.001, "augment": {"shift": 2}}


def test_the_recipes_are_valid() -> None:
    """All settings of the committed recipes exist."""
    load_recipes(RECIPES)
    assert Entry("nested", SETTINGS).recipe(seed=3).seeds == [3]


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    """The error contains the name of the setting."""
    path = tmp_path / "recipes.yaml"
    path.write_text("fast: {change: none, settings: {family: dense, architecture: shallow_nn, epoch: 1}}")
    with pytest.raises(SystemExit, match="epoch"):
        load_recipes(path)


def test_the_seeds_depend_on_the_settings_only() -> None:
    """The order of the settings and the description have no influence, and validation has other seeds."""
    seeds = Entry("one", SETTINGS).seeds(5)
    assert len(set(seeds)) == 5
    assert Entry("other", dict(reversed(SETTINGS.items()))).seeds(6)[:5] == seeds
    assert not set(Entry("one", SETTINGS | {"epochs": 2}).seeds(5)) & set(seeds)
    assert not set(Entry("one", SETTINGS).seeds(5, "validation")) & set(seeds)


@pytest.mark.parametrize(
    ("accuracies", "target"),
    [
        ([0.941, 0.942, 0.943, 0.942, 0.941], "94%"),
        ([0.941, 0.942, 0.943, 0.942], "-"),  # too few seeds
        ([0.960, 0.920, 0.943, 0.942, 0.941], "-"),  # the mean is high enough, but not the interval
        ([0.9301] * 5, "93%"),
    ],
)
def test_a_target_needs_five_seeds_and_a_high_interval(accuracies: list[float], target: str) -> None:
    """The highest target below the interval counts."""
    same = {"recipe": "fast", "settings": SETTINGS, "hardware": "A CPU, threads: 2", "seconds": 10.0}
    runs: list[dict[str, Any]] = [same | {"accuracy": accuracy} for accuracy in accuracies]
    others = [runs[0] | {"settings": {}}, runs[0] | {"hardware": "A GPU"}]
    row, other = table({"fast": Entry("none", SETTINGS)}, [*runs, *others])
    assert (row["target"], row["seeds"]) == (target, len(accuracies))
    assert (other["target"], other["seeds"]) == ("-", 1)


def test_a_recipe_is_committed_before_it_is_measured(tmp_path: Path) -> None:
    """The error names the file."""
    path = tmp_path / "recipes.yaml"
    path.touch()
    with pytest.raises(SystemExit, match="not committed"):
        check_committed(path)
    for command in (["init", "--quiet"], ["add", "."], [*IDENTITY, "commit", "--quiet", "--message", "Add recipes"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    check_committed(path)
    path.write_text("{}")
    with pytest.raises(SystemExit, match="not committed"):
        check_committed(path)
