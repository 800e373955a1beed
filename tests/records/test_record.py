"""Write and read records, compute their keys, and reject damaged records with an error of one line."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineup.errors import LineupError
from lineup.files import TEXT_LIMIT
from lineup.npz import write_npz
from lineup.records.header import Header, Member, Weights, flatten
from lineup.records.history import Epoch, best_epoch, has_stopped
from lineup.records.record import (
    CONFUSION,
    HEADER,
    HISTORY,
    METRICS,
    PREDICTIONS,
    RUNTIME,
    Record,
    read_confusion,
    read_record,
)
from tests import make_records
from tests.make_records import CLASSES, TEST, change_json, make_record, random_predictions

FILES = (HEADER, HISTORY, METRICS, PREDICTIONS, CONFUSION, RUNTIME)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return make_record(tmp_path / "small", random_predictions(1))


def test_a_record_is_read_as_written(record: Record) -> None:
    predictions = random_predictions(1)
    assert record.header == make_records.HEADER
    assert record.runtime == make_records.RUNTIME
    assert [repr(row) for row in record.history] == [
        repr(row) for row in make_records.HISTORY
    ]  # NaN is not equal to NaN
    for name, array in record.predictions().arrays().items():
        np.testing.assert_array_equal(array, predictions.arrays()[name], strict=True)
    right = predictions.test.probabilities.argmax(axis=1) == predictions.test.labels
    assert record.metrics["test_accuracy"] == right.mean()
    confusion = read_confusion(record)
    assert confusion.sum() == TEST
    assert np.trace(confusion) == right.sum()
    assert [(confusion[i].sum()) for i in range(len(CLASSES))] == np.bincount(predictions.test.labels).tolist()


def test_a_value_that_a_phase_does_not_have_is_an_empty_cell(record: Record) -> None:
    rows = list(csv.reader((record.folder / HISTORY).read_text().splitlines()))
    assert rows[0] == [field.name for field in dataclasses.fields(Epoch)]
    assert rows[1] == ["autoencoder", "1", "0.25", "", "0.24", "", "0.01", "1.0", str(make_records.STARTED + 1000)]


def test_the_history_of_a_classical_model_is_empty(tmp_path: Path) -> None:
    assert make_record(tmp_path / "forest", random_predictions(1), kind="classical", history=[]).history == []


@pytest.mark.parametrize(
    ("losses", "best", "stopped"),
    [
        ([], 0, False),
        ([0.5, 0.4, 0.4], 2, False),
        ([math.nan, 0.5, 0.4, 0.3], 4, False),
        ([math.nan, 0.3, math.nan, 0.4], 2, True),
        ([0.3, math.nan, math.nan], 1, True),
        ([math.nan, math.nan, math.nan], 1, True),
        ([math.inf, 1e30], 2, False),
    ],
)
def test_the_best_epoch_of_losses_that_may_be_nan(losses: list[float], best: int, stopped: bool) -> None:
    history = [Epoch("classifier", number, 1, 1, loss, 1, 1, 1, 1) for number, loss in enumerate(losses, start=1)]
    assert best_epoch(history) == best
    assert has_stopped(history, patience=2) == stopped
    assert not has_stopped(history, patience=None)


def test_equal_records_have_equal_bytes(record: Record, tmp_path: Path) -> None:
    other = make_record(tmp_path / "again" / "small", random_predictions(1))
    for name in FILES:
        assert (record.folder / name).read_bytes() == (other.folder / name).read_bytes()
    assert record.digest() == other.digest()


INTEGERS = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    parameters=st.dictionaries(TEXT, INTEGERS | NUMBERS | TEXT | st.booleans() | st.none(), max_size=4),
    epochs=st.lists(st.tuples(NUMBERS, NUMBERS | st.just(math.nan)), min_size=1, max_size=4),
    text=TEXT,
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_values_are_read_as_written(
    tmp_path: Path, parameters: dict[str, Any], epochs: list[tuple[float, float]], text: str
) -> None:
    history = [
        Epoch("classifier", i, loss, value, loss, value, loss, loss, i)
        for i, (loss, value) in enumerate(epochs, start=1)
    ]
    parameters = {name: value for name, value in parameters.items() if name != "pretrain.epochs"}
    parameters["epochs"] = len(epochs)
    found = make_record(
        tmp_path / "small", random_predictions(1), history=history, parameters=parameters, architecture=text
    )
    assert found.header.parameters == parameters
    assert {name: type(value) for name, value in found.header.parameters.items()} == {
        name: type(value) for name, value in parameters.items()
    }
    assert found.header.architecture == text
    assert [repr(row) for row in found.history] == [repr(row) for row in history]
    assert found.header.key == dataclasses.replace(make_records.HEADER, parameters=parameters, architecture=text).key


def test_the_key_is_known_before_the_training(record: Record) -> None:
    trained = dataclasses.replace(make_records.HEADER, weights=Weights(1, 2, 3, "f" * 64))
    assert trained.key == dataclasses.replace(make_records.HEADER, weights=None).key == record.header.key
    assert len(record.header.key) == 16
    change_json(record.folder / METRICS, test_accuracy=0.5)
    assert read_record(record.folder).header.key == record.header.key


def test_the_key_of_existing_records_does_not_change(record: Record) -> None:
    """The key identifies the MLflow run of a record."""
    assert make_records.HEADER.key == "c4ad856b4c48b6ba"
    files = {"network.keras": "0" * 64}
    assert dataclasses.replace(make_records.HEADER, model_files=files).key == make_records.HEADER.key
    values = json.loads((record.folder / HEADER).read_text())
    del values["model_files"]
    (record.folder / HEADER).write_text(json.dumps(values))
    assert read_record(record.folder).header == record.header


def test_a_record_of_schema_1_is_read(record: Record) -> None:
    """In schema 1 the seed was part of the name, and all images had 28 by 28 pixels and one channel."""
    values = json.loads((record.folder / HEADER).read_text())
    del values["data"]["shape"]
    member = {"name": "one_seed3", "key": "0" * 16, "predictions_sha256": "0" * 64}
    values |= {"schema": 1, "name": "small_seed2", "seed": 2, "members": [member]}
    (record.folder / HEADER).write_text(json.dumps(values))
    header = read_record(record.folder).header
    assert (header.name, header.seed, header.label, header.data.shape) == ("small", 2, "small_seed2", [28, 28, 1])
    assert [(member.name, member.seed) for member in header.members] == [("one", 3)]
    values |= {"name": "pair_seed2", "kind": "committee", "seed": None, "parameters": {}}
    (record.folder / HEADER).write_text(json.dumps(values))
    (record.folder / HISTORY).write_text(",".join(field.name for field in dataclasses.fields(Epoch)) + "\n")
    assert read_record(record.folder).header.label == "pair_seed2"


@pytest.mark.parametrize("name", ["../network.keras", "a/b", ".hidden", "", "a\n"])
def test_a_model_file_with_an_unsafe_name_is_an_error(record: Record, name: str) -> None:
    change_json(record.folder / HEADER, model_files={name: "0" * 64})
    with pytest.raises(LineupError, match=r"model_files.*: .*pattern"):
        read_record(record.folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"parameters": {**make_records.HEADER.parameters, "learning_rate": 0.002}},
        {"parameters": {**make_records.HEADER.parameters, "extra": None}},
        {"seed": 2},
        {"threads": 1},
        {"device": dataclasses.replace(make_records.HEADER.device, kind="gpu")},
        {"device": dataclasses.replace(make_records.HEADER.device, name="Another processor")},
        {"onednn": False},
        {"libraries": {**make_records.HEADER.libraries, "keras": "3.12.1"}},
        {"data": dataclasses.replace(make_records.DATA, fingerprint="f" * 64)},
        {"data": dataclasses.replace(make_records.DATA, validation_images=3)},
        {"experiment": "0a1b2c3d"},
        {"members": [Member("one", 1, "0" * 16, "0" * 64)]},
    ],
    ids=lambda changes: ",".join(f"{name}={value}" for name, value in changes.items())[:60],
)
def test_the_key_changes_with_all_values_known_before_the_training(changes: dict[str, Any]) -> None:
    assert dataclasses.replace(make_records.HEADER, **changes).key != make_records.HEADER.key


def test_the_key_of_a_committee_depends_on_its_members_but_not_on_their_predictions() -> None:
    def committee(key: str, digest: str) -> Header:
        return dataclasses.replace(make_records.HEADER, kind="committee", members=[Member("one", 1, key, digest)])

    assert committee("a" * 16, "0" * 64).key == committee("a" * 16, "1" * 64).key
    assert committee("a" * 16, "0" * 64).key != committee("b" * 16, "0" * 64).key


def test_the_digest_changes_with_every_file(record: Record) -> None:
    digests = {record.digest()}
    make_record(record.folder, random_predictions(2))
    digests.add(record.digest())
    for name in (HEADER, HISTORY, METRICS, CONFUSION, RUNTIME):
        with (record.folder / name).open("a") as file:
            file.write("\n")
        digests.add(record.digest())
    assert len(digests) == 7


@pytest.mark.parametrize("name", FILES)
def test_the_error_of_a_digest_names_the_missing_file(record: Record, name: str) -> None:
    (record.folder / name).unlink()
    with pytest.raises(LineupError, match=rf"small.{name}: no such file; make it again"):
        record.digest()


def deep(path: Path) -> None:
    path.write_text("[" * 100_000 + "]" * 100_000)


def oversized(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(TEXT_LIMIT + 1)


def replaced(text: str, by: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = path.read_text()
        assert text in content
        path.write_text(content.replace(text, by))

    return damage


# A file, how it is damaged, and the error message after the name of the file.
DAMAGED: list[tuple[str, Callable[[Path], Any], str]] = [
    (HEADER, Path.unlink, "no record here; make it again"),
    *((name, Path.unlink, "no such file") for name in (HISTORY, METRICS, RUNTIME)),
    *((name, oversized, f"at most {TEXT_LIMIT:,}") for name in (HEADER, HISTORY, METRICS, RUNTIME)),
    *((name, lambda path: path.write_bytes(b"\xff\xfe"), "not a UTF-8 text") for name in (HEADER, HISTORY, METRICS)),
    *((name, lambda path: path.write_text("{"), "not JSON") for name in (HEADER, METRICS, RUNTIME)),
    *((name, deep, "nested too deeply|dictionary") for name in (HEADER, METRICS, RUNTIME)),
    (HEADER, lambda path: change_json(path, pickle="x"), "pickle: .*[Uu]nexpected"),
    (RUNTIME, lambda path: change_json(path, pickle="x"), "pickle: .*[Uu]nexpected"),
    (
        HEADER,
        lambda path: change_json(path, schema=3, new="x"),
        r"newer version of lineup \(schema 3, expected 2",
    ),
    (HEADER, lambda path: change_json(path, schema=0), "schema: .*greater than or equal to 2"),
    (HEADER, lambda path: change_json(path, seed="one"), "seed: .*integer"),
    (HEADER, lambda path: change_json(path, data={}), "data.name: .*required"),
    (HEADER, lambda path: path.write_text("[]"), "dictionary"),
    (METRICS, lambda path: change_json(path, test_loss="low"), "test_loss: .*number"),
    (METRICS, lambda path: change_json(path, test_loss=[1]), "test_loss: .*number"),
    (HEADER, replaced("0.001", "NaN"), "not JSON: NaN is not a JSON number"),
    (HEADER, replaced("0.001", "1e999"), "not JSON: the number 1e999 is too large"),
    (HEADER, replaced("0.001", "9" * 400), r"not JSON: the number 9+\.\.\. is too large"),
    (HEADER, replaced("0.001", "9" * 5000), r"not JSON: the number 9+\.\.\. is too large"),
    (HEADER, lambda path: change_json(path, kind="oracle"), "kind: .*pattern"),
    (RUNTIME, replaced(str(300 * 2**20), "9" * 400), r"not JSON: the number 9+\.\.\. is too large"),
    (RUNTIME, replaced(str(300 * 2**20), "-1"), "peak_memory_bytes: .*greater than or equal to 0"),
    (METRICS, replaced('"test_loss": ', '"test_loss": 1e999'), "not JSON: the number 1e999"),
    (HISTORY, replaced(str(make_records.STARTED + 1000), "9" * 400), "timestamp: .*less than"),
    (HISTORY, replaced("timestamp", "moment"), "timestamp"),
    (HISTORY, replaced("0.25", "low"), "loss: .*number"),
    (HISTORY, replaced("0.25", "0.25,0.25,0.25,0.25,0.25"), "line 2: expected 9 cells, found 13"),
    (HISTORY, replaced("0.25", '"0.25'), "line 4: not a table: unexpected end of data"),
    (HISTORY, replaced("0.25", "0" * 200_000), "line 2: not a table: field larger"),
    (HISTORY, replaced("phase,epoch", "epoch,phase"), "expected the columns phase, epoch, .*; found epoch, phase"),
    (HISTORY, replaced("autoencoder,1", "autoencoder,0"), "autoencoder: expected epochs 1 to 1, found 1 rows"),
    (HISTORY, replaced("classifier,2", "classifier,3"), "classifier: expected epochs 1 to 2, found 2 rows"),
    (HISTORY, replaced("classifier,1", "a" * 100_000 + ",1"), "expected the phases autoencoder, classifier; found"),
    (HISTORY, replaced("autoencoder,1", "classifier,1"), "phases autoencoder, classifier; found classifier"),
]


@pytest.mark.parametrize(
    ("name", "damage", "said"), DAMAGED, ids=[f"{name}-{said[:20]}-{i}" for i, (name, _, said) in enumerate(DAMAGED)]
)
def test_a_damaged_record_is_a_one_line_error_that_names_the_file(
    record: Record, name: str, damage: Callable[[Path], Any], said: str
) -> None:
    damage(record.folder / name)
    with pytest.raises(LineupError, match=f"(?s)small.*({said})") as caught:
        read_record(record.folder)
    assert str(record.folder if name == HEADER and "no record" in said else record.folder / name) in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", [HISTORY, CONFUSION, METRICS, RUNTIME, HEADER])
def test_an_incomplete_file_is_an_error(record: Record, name: str) -> None:
    content = (record.folder / name).read_bytes()
    read_confusion(read_record(record.folder))
    sizes = range(len(content)) if name.endswith(".csv") else range(0, len(content) - 1, 11)
    for size in sizes:
        (record.folder / name).write_bytes(content[:size])
        with pytest.raises(LineupError, match=re.escape(name)):
            read_confusion(read_record(record.folder))


def test_a_history_that_patience_stopped_is_complete_and_a_shorter_one_is_an_error(tmp_path: Path) -> None:
    losses = [math.nan, 0.5, 0.4, 0.45, 0.39, 0.5, math.nan, 0.4]
    whole = [Epoch("classifier", number, 1, 1, loss, 1, 1, 1, 1) for number, loss in enumerate(losses, start=1)]
    make = partial(make_record, tmp_path / "small", random_predictions(1))
    for epochs, ended in ((20, [8]), (8, [8]), (7, [7]), (2, [2])):
        for rows in range(len(whole) + 1):
            with nullcontext() if rows in ended else pytest.raises(LineupError, match=HISTORY):
                make(parameters={"epochs": epochs, "patience": 3}, history=whole[:rows])


@pytest.mark.parametrize("kind", ["classical", "committee"])
def test_a_history_of_a_classical_model_or_committee_is_an_error(tmp_path: Path, kind: str) -> None:
    with pytest.raises(LineupError, match="expected the phases none; found autoencoder, classifier"):
        make_record(tmp_path / "small", random_predictions(1), kind=kind, history=make_records.HISTORY)


def test_a_history_with_windows_line_ends_is_read(record: Record) -> None:
    for name in (HISTORY, CONFUSION):
        (record.folder / name).write_bytes((record.folder / name).read_bytes().replace(b"\n", b"\r\n"))
    assert read_confusion(read_record(record.folder)).sum() == TEST


@pytest.mark.parametrize("name", [HISTORY, METRICS, RUNTIME])
def test_a_pipe_instead_of_a_file_is_an_error(record: Record, name: str) -> None:
    (record.folder / name).unlink()
    os.mkfifo(record.folder / name)
    with pytest.raises(LineupError, match=f"{name}: cannot be read: not a regular file"):
        read_record(record.folder)


def test_an_invalid_number_of_epochs_is_a_short_error(record: Record) -> None:
    change_json(record.folder / HEADER, parameters={"epochs": "x" * 10**6, "pretrain.epochs": 1, "patience": "x"})
    with pytest.raises(LineupError, match=r"classifier: expected epochs 1 to x+\.\.\., found 2 rows") as caught:
        read_record(record.folder)
    assert len(str(caught.value)) < 600


def test_a_pipe_instead_of_predictions_or_confusion_matrix_is_an_error(record: Record) -> None:
    for name, read in ((PREDICTIONS, Record.predictions), (CONFUSION, read_confusion)):
        (record.folder / name).unlink()
        os.mkfifo(record.folder / name)
        with pytest.raises(LineupError, match=f"{name}: .*not a regular file"):
            read(record)


PIECES = st.binary(max_size=9) | st.sampled_from(
    [b"", b"1e999", b"NaN", b"9" * 400, b'"', b"[" * 2000, b",", b"\n", b"\xff", b"\x00", b"-1", b"{}"]
)


@given(name=st.sampled_from(FILES), place=st.floats(0, 1), removed=st.integers(0, 30), piece=PIECES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_record_is_read_or_a_short_error(
    record: Record, name: str, place: float, removed: int, piece: bytes
) -> None:
    whole = (record.folder / name).read_bytes()
    start = int(place * len(whole))
    said = ""
    try:
        (record.folder / name).write_bytes(whole[:start] + piece + whole[start + removed :])
        found = read_record(record.folder)
        found.predictions()
        read_confusion(found)
        assert len(found.header.key) == 16
        assert found.runtime.peak_memory_bytes / 2**20 >= 0
    except LineupError as error:
        said = str(error)
    finally:
        (record.folder / name).write_bytes(whole)
    assert len(said) < 600
    assert "\n" not in said


def arrays(**changes: np.ndarray) -> dict[str, np.ndarray]:
    return random_predictions(1).arrays() | changes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            arrays(test_labels=np.zeros(TEST + 1, np.uint8)),
            r"test_labels: expected shape \(9,\), .* found \(10,\)",
        ),
        (arrays(val_indices=np.zeros((6, 1), np.int32)), r"val_indices: expected .* found \(6, 1\)"),
        (arrays(test_probabilities=np.zeros((TEST, 2), np.float32)), r"test_probabilities: expected .* found \(9, 2\)"),
        (arrays(extra=np.zeros(1)), "expected the arrays .*'extra'"),
        ({"val_labels": np.zeros(6, np.uint8)}, r"expected the arrays .*, found \['val_labels'\]"),
    ],
    ids=["labels", "indices", "classes", "extra", "missing"],
)
def test_predictions_of_another_shape_are_an_error(record: Record, content: dict[str, np.ndarray], said: str) -> None:
    write_npz(record.folder / PREDICTIONS, content)
    with pytest.raises(LineupError, match=f"{PREDICTIONS}: {said}"):
        record.predictions()


def test_a_pickle_in_the_predictions_is_not_loaded(record: Record) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (record.folder / "opened",))

    pickled: dict[str, Any] = arrays(test_labels=np.array([Payload()] * TEST, dtype=object))
    np.savez(record.folder / PREDICTIONS, **pickled)
    with pytest.raises(LineupError, match=f"{PREDICTIONS}: array test_labels.npy: .*Python objects"):
        record.predictions()
    assert not (record.folder / "opened").exists()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"PK\x03\x04 no archive")])
def test_missing_or_damaged_predictions_are_an_error(record: Record, damage: Callable[[Path], Any]) -> None:
    damage(record.folder / PREDICTIONS)
    with pytest.raises(LineupError, match=PREDICTIONS):
        record.predictions()


@pytest.mark.parametrize(
    ("old", "new"),
    [("Trouser", "Skirt"), ("T-shirt/top,Trouser", "Trouser,T-shirt/top"), (",1\n", ",many\n"), (",0\n", ",1e3\n")],
    ids=["class", "twice", "text", "float"],
)
def test_a_confusion_matrix_that_does_not_match_the_header_is_an_error(record: Record, old: str, new: str) -> None:
    replaced(old, new)(record.folder / CONFUSION)
    with pytest.raises(LineupError, match=f"{CONFUSION}: not a confusion matrix of these classes"):
        read_confusion(record)


def test_an_infinite_parameter_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="should be a finite number"):
        make_record(tmp_path / "small", random_predictions(1), parameters={"learning_rate": math.inf})


def test_nested_parameters_are_flattened() -> None:
    values = {"epochs": 3, "options": {}, "pretrain": {"epochs": 2, "deep": {"x": None}}}
    assert flatten(values) == {"epochs": 3, "pretrain.epochs": 2, "pretrain.deep.x": None}


def test_the_files_have_the_documented_keys(record: Record) -> None:
    header = json.loads((record.folder / HEADER).read_text())
    assert header["schema"] == 2
    assert header["data"]["classes"] == CLASSES
    assert set(header) == {field.name for field in dataclasses.fields(Header)}
    with np.load(record.folder / PREDICTIONS) as arrays:
        assert list(arrays) == [
            f"{part}_{name}" for part in ("val", "test") for name in ("indices", "labels", "probabilities")
        ]
