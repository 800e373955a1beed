"""Adding the best settings to `params.yaml` without changing anything else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from lineup.errors import LineupError
from lineup.tuning.params_file import add_model

TEXT = """\
# A comment.
models:
  first: &first
    family: dense   # plain
    seeds: 2

  # About the second.
  second:
    <<: *first
    options: {units: 3}
# The end.
champion:
  metric: loss
"""
RECIPE = {"family": "dense", "seeds": [1, 2]}
ADDED = "  {}_tuned:\n    family: dense\n    seeds:\n    - 1\n    - 2\n"


def refuse(path: Path) -> None:
    raise LineupError("no")


@pytest.mark.parametrize(("model", "before"), [("first", "    seeds: 2\n"), ("second", "    options: {units: 3}\n")])
def test_the_block_follows_its_model(model: str, before: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    add_model(path, model, f"{model}_tuned", RECIPE, lambda _: None)
    assert path.read_text() == TEXT.replace(before, before + ADDED.format(model))
    assert yaml.safe_load(path.read_text())["models"][f"{model}_tuned"] == RECIPE


def test_a_file_without_a_last_line_break(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("models:\n  first:\n    seeds: 2")
    add_model(path, "first", "first_tuned", RECIPE, lambda _: None)
    assert path.read_text() == "models:\n  first:\n    seeds: 2\n" + ADDED.format("first")


@pytest.mark.parametrize(
    "text",
    [
        "models: {first: {seeds: 2}}\n",
        "models:\n  first: {seeds: 2}\n",
        "models:\n  other: &a\n    seeds: 2\n  first: *a\n",
        "models: 3\n",
    ],
)
def test_settings_in_one_line_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(LineupError, match="the settings of first are not on separate lines; add"):
        add_model(path, "first", "first_tuned", RECIPE, lambda _: None)
    assert path.read_text() == text


def test_an_invalid_result_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    with pytest.raises(LineupError, match=r"^no$"):
        add_model(path, "first", "first_tuned", RECIPE, refuse)
    assert path.read_text() == TEXT
    assert [one.name for one in tmp_path.iterdir()] == ["params.yaml"]
