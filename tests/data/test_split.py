"""The nested, stratified split, and the file that contains it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineup.data.dataset import Dataset, load_dataset
from lineup.data.datasets import DESCRIPTION, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from lineup.data.download import download
from lineup.data.idx import write_idx
from lineup.data.local import LocalFolder
from lineup.data.split import stratified_order, write_split
from lineup.errors import LineupError
from lineup.files import file_sha256
from lineup.npz import read_npz, write_npz


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    download("synthetic", folder, folder=None, train_images=200, test_images=50, seed=1)
    return folder


@pytest.fixture
def raw(generated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(generated, tmp_path / "raw"))


@pytest.fixture
def dataset(generated: Path, tmp_path: Path) -> Dataset:
    return write_split(generated, tmp_path / "dataset.npz", seed=5)


def _redescribe(raw: Path, **changes: Any) -> None:
    """Change ``dataset.json``, and give it the checksums of the files as they are."""
    described = json.loads((raw / DESCRIPTION).read_text())
    described["files"] = {name: file_sha256(raw / name) for name in described["files"]}
    (raw / DESCRIPTION).write_text(json.dumps(described | changes))


@given(st.lists(st.integers(0, 4), max_size=80), st.integers(0, 1000))
def test_the_first_images_of_the_order_have_the_proportions_of_the_classes(labels: list[int], seed: int) -> None:
    array = np.array(labels, np.uint8)
    order = stratified_order(array, seed)
    assert order.dtype == np.int32
    assert sorted(order.tolist()) == list(range(len(labels)))
    assert np.array_equal(order, stratified_order(array, seed))
    classes, sizes = np.unique(array, return_counts=True)
    for length in range(len(labels) + 1):
        for label, size in zip(classes, sizes, strict=True):
            share = size * length / len(labels)
            assert abs((array[order[:length]] == label).sum() - share) < len(classes)


@given(st.integers(1, 10), st.integers(1, 12), st.integers(0, 1000))
def test_classes_of_equal_size_differ_by_one_at_most(classes: int, size: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.arange(classes * size) % classes)
    order = stratified_order(labels, seed)
    for length in range(len(labels) + 1):
        counts = np.bincount(labels[order[:length]], minlength=classes)
        assert counts.max() - counts.min() <= 1


def test_the_order_is_random_inside_and_between_classes() -> None:
    labels = np.repeat(np.arange(10), 100)
    one, other = stratified_order(labels, 1), stratified_order(labels, 2)
    assert (one == other).mean() < 0.05
    assert (labels[one] == labels[other]).mean() < 0.2
    first = one[labels[one] == 0]
    assert abs(np.corrcoef(first, np.arange(100))[0, 1]) < 0.4


def test_shares_are_nested_and_complementary(dataset: Dataset) -> None:
    small, large = dataset.validation_indices(0.1), dataset.validation_indices(0.2)
    assert len(small) == 20
    assert len(large) == 40
    assert np.array_equal(large[:20], small)
    assert np.bincount(dataset.train_labels[small]).tolist() == [2] * 10
    for share in (0.1, 0.2, 0.5):
        both = np.concatenate([dataset.validation_indices(share), dataset.training_indices(share)])
        assert sorted(both.tolist()) == list(range(200))


def test_colour_images_are_split_and_loaded(tmp_path: Path) -> None:
    download("synthetic", tmp_path / "raw", folder=None, train_images=40, test_images=20, seed=1, shape=(20, 24, 3))
    written = write_split(tmp_path / "raw", tmp_path / "dataset.npz", seed=5)
    assert written.shape == load_dataset(tmp_path / "dataset.npz").shape == (20, 24, 3)
    assert written.train_images.shape == (40, 20, 24, 3)


def test_grey_images_have_one_channel(dataset: Dataset) -> None:
    assert dataset.shape == (28, 28, 1)


@pytest.mark.parametrize("share", [0, -0.1, 0.51, 1.5, float("nan"), float("inf")])
def test_a_share_out_of_range_is_an_error(dataset: Dataset, share: float) -> None:
    with pytest.raises(LineupError, match=r"validation: expected a share above 0 and at most 0\.5, found"):
        dataset.validation_indices(share)


def test_a_share_without_images_of_a_class_is_an_error(dataset: Dataset) -> None:
    with pytest.raises(LineupError, match=r"share of 0\.02 gives 4 images for validation, but none of class"):
        dataset.training_indices(0.02)


def test_the_file_is_loaded_as_written(generated: Path, dataset: Dataset, tmp_path: Path) -> None:
    loaded = load_dataset(tmp_path / "dataset.npz")
    for name, value in vars(dataset).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(loaded, name), value, strict=True)
        else:
            assert getattr(loaded, name) == value
    assert loaded.name == "synthetic"
    assert loaded.generated
    assert len(loaded.classes) == 10
    assert len(loaded.fingerprint) == 64


def test_equal_content_gives_equal_bytes_and_another_seed_another_fingerprint(generated: Path, tmp_path: Path) -> None:
    one, again, other = (write_split(generated, tmp_path / f"{i}.npz", seed) for i, seed in enumerate((5, 5, 6)))
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes()
    assert one.fingerprint == again.fingerprint != other.fingerprint
    assert not np.array_equal(one.order, other.order)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: (raw / DESCRIPTION).unlink(), r"dataset\.json: no such file; run lineup download first"),
        (lambda raw: (raw / TEST_LABELS).unlink(), "t10k-labels-idx1-ubyte.gz: no such file; run lineup download"),
        (lambda raw: (raw / DESCRIPTION).write_text("{"), "expected JSON"),
        (lambda raw: (raw / DESCRIPTION).write_text("[" * 100_000), "expected JSON"),
        (lambda raw: (raw / DESCRIPTION).write_bytes(b"\xff\xfe"), "expected JSON"),
        (lambda raw: (raw / DESCRIPTION).write_text("[]"), "expected a JSON object, found list"),
        (lambda raw: _redescribe(raw, name=3), "name: expected a str, found 3"),
        (lambda raw: _redescribe(raw, generated="no"), "generated: expected a bool, found 'no'"),
        (lambda raw: _redescribe(raw, classes=["a", 1]), "classes: expected 2 to 256 names"),
        (lambda raw: _redescribe(raw, generated="no" * 10_000), "generated: expected a bool, found 'nono"),
        (lambda raw: _redescribe(raw, files={TRAIN_IMAGES: "0" * 10_000}), "expects SHA-256 000"),
        (lambda raw: _redescribe(raw, files=None), "expects SHA-256 None, found"),
        (lambda raw: _redescribe(raw, classes=["a", "b"]), "expected labels 0 to 1, found 9"),
        (
            lambda raw: _redescribe(raw, classes=[str(i) for i in range(11)]),
            "train-labels-idx1-ubyte.gz: expected images of every class, found none of '10'",
        ),
    ],
)
def test_a_wrong_description_is_named(raw: Path, change: Callable[[Path], None], message: str) -> None:
    change(raw)
    with pytest.raises(LineupError, match=message) as caught:
        write_split(raw, raw / "out.npz", seed=0)
    assert len(str(caught.value)) < len(str(raw)) + 300
    assert not (raw / "out.npz").exists()


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (TRAIN_LABELS, np.zeros(199, np.uint8), "expected 200 labels, one per image, found 199"),
        (TRAIN_LABELS, np.zeros((200, 1), np.uint8), "expected 200 labels, one per image, found 200 x 1"),
        (TEST_IMAGES, np.zeros((50, 32, 32), np.uint8), "expected images of 28 x 28, as in training, found 32 x 32"),
        (TEST_IMAGES, np.zeros((50, 784), np.uint8), r"expected images of n x height x width \(x .*, found 50 x 784"),
        (TRAIN_IMAGES, np.zeros((200, 8, 8, 1), np.uint8), "found 200 x 8 x 8 x 1"),
        (TEST_LABELS, np.full(50, 10, np.uint8), "expected labels 0 to 9, found 10"),
    ],
)
def test_files_that_do_not_fit_together_are_named(raw: Path, name: str, array: np.ndarray, message: str) -> None:
    write_idx(raw / name, array)
    with pytest.raises(LineupError, match=f"{name}: dataset.json expects SHA-256 .*; download again"):
        write_split(raw, raw / "out.npz", seed=0)
    _redescribe(raw)
    with pytest.raises(LineupError, match=message):
        write_split(raw, raw / "out.npz", seed=0)


def test_a_negative_seed_is_named(raw: Path) -> None:
    with pytest.raises(LineupError, match=r"split\.seed: expected 0 or above, found -1"):
        write_split(raw, raw / "out.npz", seed=-1)


def _shifted(array: np.ndarray) -> np.ndarray:
    return np.roll(array, 1, axis=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": None}, "expected the arrays metadata uint8, .*, order int32; found"),
        ({"order": lambda order: order.astype(np.int64)}, "order int32; found .*order int64"),
        ({"order": lambda order: np.zeros_like(order)}, "order: expected a permutation of 0 to 199"),
        ({"order": lambda order: order[:-1]}, "order: expected a permutation of 0 to 199"),
        ({"order": _shifted}, "expected the fingerprint [0-9a-f]{64}, found"),
        ({"train_images": _shifted}, "expected the fingerprint"),
        ({"train_images": lambda images: images[:, :20]}, "expected images of 20 x 28, as in training, found 28 x 28"),
        ({"test_labels": lambda labels: labels[:-1]}, "test_labels: expected 50 labels"),
        ({"metadata": lambda text: text[:-1]}, "expected JSON"),
        ({"metadata": lambda text: text[:0]}, "expected JSON"),
        ({"metadata": lambda text: np.frombuffer(text.tobytes().replace(b'"schema": 1', b'"schema": 2'), np.uint8)},
         "expected schema 1, found 2; run lineup split again"),
    ],
)  # fmt: skip
def test_a_changed_file_is_refused(
    dataset: Dataset, tmp_path: Path, changes: dict[str, Callable[[np.ndarray], np.ndarray] | None], message: str
) -> None:
    path = tmp_path / "dataset.npz"
    arrays = read_npz(path, max_bytes=1 << 24)
    for name, change in changes.items():
        array = arrays.pop(name)
        if change is not None:
            arrays[name] = change(array)
    in_order = {name: arrays[name] for name in ("metadata", *vars(dataset)) if name in arrays}
    write_npz(path, in_order)
    with pytest.raises(LineupError, match=message) as caught:
        load_dataset(path)
    assert "\n" not in str(caught.value)


def test_the_error_of_a_missing_file_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"dataset\.npz: no images yet; run dvc repro split"):
        load_dataset(tmp_path / "dataset.npz")


def test_the_split_of_the_real_files_is_even_and_independent_of_the_compression(tmp_path: Path) -> None:
    folder = os.environ.get("FASHION_MNIST_DIR")
    if not folder:
        pytest.skip("FASHION_MNIST_DIR is not set: no folder with the real files")
    published, other = LocalFolder(Path(folder), "a test"), LocalFolder(tmp_path / "other", "a test")
    download("fashion_mnist", tmp_path / "a", folder=published, train_images=0, test_images=0, seed=0)
    dataset = write_split(tmp_path / "a", tmp_path / "a.npz", seed=42)
    assert not dataset.generated
    assert np.bincount(dataset.train_labels[dataset.validation_indices(0.1)]).tolist() == [600] * 10
    assert load_dataset(tmp_path / "a.npz").fingerprint == dataset.fingerprint

    shutil.copytree(tmp_path / "a", other.path)
    for name in (TRAIN_LABELS, TEST_LABELS):
        plain = other.path / name.removesuffix(".gz").replace("-idx", ".idx")
        plain.write_bytes(gzip.decompress((other.path / name).read_bytes()))
        (other.path / name).unlink()
    download("fashion_mnist", tmp_path / "b", folder=other, train_images=0, test_images=0, seed=0)
    write_split(tmp_path / "b", tmp_path / "b.npz", seed=42)
    assert (tmp_path / "b" / DESCRIPTION).read_bytes() != (tmp_path / "a" / DESCRIPTION).read_bytes()
    assert file_sha256(tmp_path / "b.npz") == file_sha256(tmp_path / "a.npz")
