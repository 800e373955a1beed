"""Forged estimator files are rejected: unexpected types, very large files, and indices outside of an array."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer

from lineup.errors import LineupError
from lineup.training import skops_file
from lineup.training.skops_file import load_estimator, save_estimator

RANDOM = np.random.default_rng(1)
INPUTS = RANDOM.integers(0, 256, (60, 784)).astype(np.float32)
LABELS = np.arange(60) % 3

Content = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file of a test goes."""
    return tmp_path / "estimator.skops"


def refused(path: Path, message: str) -> None:
    """Check that a file is refused with one line that names it."""
    with pytest.raises(LineupError, match=message) as error:
        load_estimator(path, 784)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))


def forge(path: Path, change: Callable[[Any, dict[str, bytes]], None]) -> None:
    """Change the tree of types and the arrays of a file."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    change(schema, files)
    files["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def objects(tree: Any, kind: str) -> list[Content]:
    """Return the nodes of one class."""
    return [node for node in skops_file._nodes(tree) if node["__class__"] == kind]


def change_array(files: dict[str, bytes], node: Content, change: Callable[[Any], None]) -> None:
    """Change the values of an array that a node names."""
    array = np.load(io.BytesIO(files[node["file"]]))
    change(array)
    stream = io.BytesIO()
    np.save(stream, array)
    files[node["file"]] = stream.getvalue()


def test_other_types_are_not_saved(path: Path) -> None:
    with pytest.raises(
        LineupError, match=r"sklearn\.naive_bayes\.GaussianNB \(ObjectNode\): not a type of a lineup model"
    ):
        save_estimator(path, GaussianNB().fit(INPUTS, LABELS))
    assert not path.exists()


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (GaussianNB().fit(INPUTS, LABELS), "sklearn.naive_bayes.GaussianNB"),  # skops itself would trust it
        (FunctionTransformer(np.exp), "sklearn.preprocessing._function_transformer.FunctionTransformer"),
        (Path("/"), "pathlib.PosixPath"),
        ([print], "builtins.print"),
    ],
)
def test_other_types_are_not_loaded(path: Path, estimator: Any, name: str) -> None:
    skops.io.dump(estimator, path)
    refused(path, name)


def test_a_type_with_another_loader_is_not_loaded(path: Path) -> None:
    save_estimator(path, KNeighborsClassifier().fit(INPUTS, LABELS))

    def call(schema: Any, files: dict[str, bytes]) -> None:
        schema["__loader__"] = "ConstructorFromReduceNode"

    forge(path, call)
    refused(path, "KNeighborsClassifier (.ConstructorFromReduceNode.)")


def test_an_object_cannot_replace_another(path: Path) -> None:
    """The replaced object is not the checked one."""
    skops.io.dump(KNeighborsClassifier().fit(INPUTS, LABELS), path)
    refused(path, "identifiers of objects are not allowed")


def test_large_files_are_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_estimator(path, KNeighborsClassifier().fit(INPUTS, LABELS))
    monkeypatch.setattr(skops_file, "MAX_BYTES", path.stat().st_size - 1)
    refused(path, "too large: expected at most")


def test_bombs_are_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_estimator(path, KNeighborsClassifier().fit(np.zeros_like(INPUTS), LABELS))
    assert path.stat().st_size < 10_000
    load_estimator(path, 784)
    monkeypatch.setattr(skops_file, "MAX_UNPACKED", INPUTS.nbytes)
    refused(path, "bytes unpacked, found 18")


def test_bombs_of_a_repeated_array_are_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_estimator(path, KNeighborsClassifier().fit(INPUTS, LABELS))
    monkeypatch.setattr(skops_file, "MAX_UNPACKED", 10 * INPUTS.nbytes)
    load_estimator(path, 784)

    def repeat(schema: Any, files: dict[str, bytes]) -> None:
        attributes = schema["content"]["content"]
        attributes |= {f"copy_{number}": attributes["_fit_X"] for number in range(10)}

    forge(path, repeat)
    refused(path, "too large")


def test_bombs_of_types_are_not_unpacked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_estimator(path, KNeighborsClassifier().fit(INPUTS, LABELS))
    monkeypatch.setattr(skops_file, "MAX_SCHEMA", 1000)
    refused(path, r"too large: schema\.json")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_damaged_files_raise_a_one_line_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "expected a skops file of lineup")


def test_a_truncated_file_raises_a_one_line_error(path: Path) -> None:
    save_estimator(path, KNeighborsClassifier().fit(INPUTS, LABELS))
    path.write_bytes(path.read_bytes()[:-100])
    refused(path, "expected a skops file of lineup")


def test_a_deep_tree_raises_a_one_line_error(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", '{"a":' * 100_000 + "1" + "}" * 100_000)
    refused(path, "expected a skops file of lineup")


def test_a_missing_file_raises_a_one_line_error(path: Path) -> None:
    refused(path, "no such file")


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 10**6), ("right_child", 0), ("feature", 784), ("feature", -3)]
)
def test_forged_trees_are_not_loaded(path: Path, field: str, value: int) -> None:
    save_estimator(path, RandomForestClassifier(2, random_state=1).fit(INPUTS, LABELS))
    load_estimator(path, 784)

    def change(schema: Any, files: dict[str, bytes]) -> None:
        node = objects(schema, "Tree")[1]["content"]["content"]["nodes"]
        change_array(files, node, lambda nodes: nodes[field].__setitem__(0, value))

    forge(path, change)
    refused(path, "Tree: a number is out of range")


def test_trees_with_a_wrong_number_of_nodes_are_not_loaded(path: Path) -> None:
    save_estimator(path, RandomForestClassifier(2, random_state=1).fit(INPUTS, LABELS))

    def change(schema: Any, files: dict[str, bytes]) -> None:
        objects(schema, "Tree")[0]["content"]["content"]["node_count"]["content"] = "1000000"

    forge(path, change)
    refused(path, "Tree: a number is out of range")


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", 784), ("is_categorical", 1)]
)
def test_forged_boosted_trees_are_not_loaded(path: Path, field: str, value: int) -> None:
    boosting = HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=3, min_samples_leaf=5, early_stopping=False)
    save_estimator(path, boosting.fit(INPUTS, LABELS))
    load_estimator(path, 784)

    def change(schema: Any, files: dict[str, bytes]) -> None:
        node = objects(schema, "TreePredictor")[2]["content"]["content"]["nodes"]
        change_array(files, node, lambda nodes: nodes[field].__setitem__(0, value))

    forge(path, change)
    refused(path, "TreePredictor: a number is out of range")


def test_forged_categories_are_not_loaded(path: Path) -> None:
    boosting = HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=3, min_samples_leaf=5, early_stopping=False)
    save_estimator(path, boosting.fit(INPUTS, LABELS))

    def change(schema: Any, files: dict[str, bytes]) -> None:
        node = objects(schema, "_BinMapper")[0]["content"]["content"]["is_categorical_"]
        change_array(files, node, lambda flags: flags.__setitem__(0, 1))

    forge(path, change)
    refused(path, "_BinMapper: a number is out of range")


def test_forged_neighbours_are_not_loaded(path: Path) -> None:
    def change_label(schema: Any, files: dict[str, bytes]) -> None:
        change_array(files, schema["content"]["content"]["_y"], lambda labels: labels.__setitem__(7, 1000))

    def change_count(schema: Any, files: dict[str, bytes]) -> None:
        schema["content"]["content"]["n_neighbors"]["content"] = "61"

    for change in (change_label, change_count):
        save_estimator(path, KNeighborsClassifier().fit(INPUTS, LABELS))
        forge(path, change)
        refused(path, "KNeighborsClassifier: a number is out of range")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.skops")
    with pytest.raises(LineupError, match=r"a\.skops: .*not a regular file"):
        load_estimator(tmp_path / "a.skops", 784)


def test_the_long_name_of_a_type_is_shortened(tmp_path: Path) -> None:
    schema = {"__module__": "m" * 10**6, "__class__": "C", "__loader__": "L" * 10**6}
    with zipfile.ZipFile(tmp_path / "a.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    with pytest.raises(LineupError, match="not a type of a lineup model") as error:
        load_estimator(tmp_path / "a.skops", 784)
    assert len(str(error.value)) < 600
