"""The split of a user's own images: stratified, with groups, with given parts, and without copies of test images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lineup.data.dataset import load_dataset
from lineup.data.duplicates import DUPLICATES, difference_hash, read_duplicates
from lineup.data.image_split import ImageSplit, choose_test, split_images
from lineup.data.images import RawImages, load_images, read_images
from lineup.data.sources.source import PARTS
from lineup.data.split import write_split
from lineup.errors import LineupError
from tests.data.own_images import folder, picture, save

RANDOM = np.random.default_rng(3)


def raw_images(labels: list[int], parts: list[str] | None = None, groups: list[int] | None = None) -> RawImages:
    """Return images of noise."""
    numbers = [PARTS.index(part) for part in parts or [""] * len(labels)]
    images = RANDOM.integers(0, 256, (len(labels), 9, 10), np.uint8)
    grouped = None if groups is None else np.array(groups, np.int32)
    return RawImages(images, np.array(labels, np.uint8), np.array(numbers, np.uint8), grouped)


def divided(raw: RawImages, duplicates: str = "keep", near_duplicates: str = "keep") -> ImageSplit:
    """Split the images of two classes."""
    return split_images(raw, ["a", "b"], 1, test=0.2, duplicates=duplicates, near_duplicates=near_duplicates)


@given(st.lists(st.integers(5, 40), min_size=2, max_size=4), st.integers(0, 100))
def test_each_class_has_its_share_of_test_images(sizes: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    chosen = choose_test(labels, None, 0.2, seed)
    assert np.bincount(labels[chosen]).tolist() == [max(1, round(0.2 * size)) for size in sizes]
    assert np.array_equal(chosen, choose_test(labels, None, 0.2, seed))


@pytest.mark.parametrize("seed", range(6))
def test_each_class_has_test_images_with_groups(seed: int) -> None:
    labels = np.repeat([0, 1], [90, 9])
    groups = np.repeat(np.arange(6), [30, 30, 30, 3, 3, 3])
    chosen = choose_test(labels, groups, 0.2, seed)
    assert np.unique(labels[chosen]).tolist() == [0, 1]
    assert np.unique(np.delete(labels, chosen)).tolist() == [0, 1]
    assert not set(groups[chosen].tolist()) & set(np.delete(groups, chosen).tolist())


def test_a_class_in_one_group_cannot_be_divided() -> None:
    with pytest.raises(LineupError, match=r"^data\.group: .*; expected at least two groups for each class$"):
        choose_test(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2]), 0.5, 1)


def test_all_images_of_a_group_are_in_the_same_part(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        for person in range(12):
            for index in range(3):
                save(tmp_path / "in" / label / f"person {person}" / f"{index}.png")
    read_images("pets", tmp_path / "in", tmp_path / "raw", (8, 8, 1), group="folder")
    dataset = write_split(tmp_path / "raw", tmp_path / "dataset.npz", 1)
    assert load_dataset(tmp_path / "dataset.npz").fingerprint == dataset.fingerprint
    assert dataset.groups is not None
    raw = load_images(tmp_path / "raw", load_fingerprint(tmp_path / "raw"))
    assert raw.groups is not None
    tested = set(raw.groups.tolist()) - set(dataset.groups.tolist())
    assert len(dataset.test_labels) == 3 * len(tested)
    assert set(np.bincount(dataset.test_labels).tolist()) <= {6, 9}
    for share in (0.1, 0.2, 0.5):
        parts = [dataset.groups[part(share)] for part in (dataset.validation_indices, dataset.training_indices)]
        assert not set(parts[0]) & set(parts[1])
        assert len(parts[0]) + len(parts[1]) == len(dataset.order)
        assert abs(len(parts[0]) - share * len(dataset.order)) <= 3
    smaller, larger = dataset.validation_indices(0.1), dataset.validation_indices(0.5)
    assert np.array_equal(larger[: len(smaller)], smaller)


def load_fingerprint(raw: Path) -> object:
    return json.loads((raw / "dataset.json").read_text())["fingerprint"]


def test_given_validation_and_test_images_are_used_as_they_are(tmp_path: Path) -> None:
    for part, images in (("train", 8), ("val", 3), ("test", 2)):
        for label, colour in (("a", 50), ("b", 200)):
            for index in range(images):
                save(tmp_path / "in" / part / label / f"{index}.png", Image.new("L", (9, 9), colour + images))
    read_images("pets", tmp_path / "in", tmp_path / "raw", (9, 9, 1))
    write_split(tmp_path / "raw", tmp_path / "dataset.npz", 1)
    dataset = load_dataset(tmp_path / "dataset.npz")
    assert dataset.title == "Pets"
    for share in (0.1, 0.5):
        validation, training = dataset.validation_indices(share), dataset.training_indices(share)
        assert set(dataset.train_images[validation][:, 0, 0].tolist()) == {53, 203}
        assert set(dataset.train_images[training][:, 0, 0].tolist()) == {58, 208}
    assert set(dataset.test_images[:, 0, 0].tolist()) == {52, 202}


@pytest.mark.parametrize(("setting", "train", "test"), [("keep", 16, 4), ("drop", 13, 4), ("move", 13, 7)])
def test_copies_of_test_images_are_kept_dropped_or_moved(setting: str, train: int, test: int) -> None:
    raw = raw_images([0, 1] * 10, ["test"] * 4 + ["train"] * 16)
    raw.images[[4, 6, 8]] = raw.images[[0, 0, 2]]
    found = divided(raw, setting)
    assert (len(found.train), len(found.test)) == (train, test)
    counts = found.duplicates
    assert (counts.exact, counts.near, counts.within, counts.conflicting) == (3, 0, 1, 0)
    assert (counts.dropped, counts.moved) == (3 * (setting == "drop"), 3 * (setting == "move"))


def test_the_group_of_a_moved_copy_is_moved_too() -> None:
    raw = raw_images([0, 1] * 10, ["test"] * 4 + ["train"] * 16, [0] * 4 + [1] * 4 + list(range(2, 14)))
    raw.images[4] = raw.images[0]
    found = divided(raw, "move")
    assert set(found.test.tolist()) == {0, 1, 2, 3, 4, 5, 6, 7}


def test_nearly_equal_images_are_found_and_different_ones_are_not() -> None:
    raw = raw_images([0, 1] * 10, ["test"] * 4 + ["train"] * 16)
    raw.images[:] = raw.images.clip(10, 240)
    raw.images[4] = raw.images[0] + 3
    raw.images[6] = raw.images[2] // 2  # the same difference hash, but much darker
    found = divided(raw, near_duplicates="drop")
    assert (found.duplicates.exact, found.duplicates.near, found.duplicates.dropped) == (0, 1, 1)
    assert 4 not in found.train
    assert len(np.unique(difference_hash(raw.images[[0, 4]]))) == 1
    assert len(np.unique(difference_hash(raw.images[:4]))) == 4


def test_equal_images_of_different_classes_are_counted() -> None:
    raw = raw_images([0, 1] * 10)
    raw.images[1] = raw.images[0]
    assert divided(raw).duplicates.conflicting == 2


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (raw_images([0] * 9 + [1] * 3), "class 'b' has 3 images for train, val, test, expected at least 5; add images"),
        (raw_images([0] * 9 + [1] * 3, ["test", *["train"] * 11]), "3 images for train, val, expected at least 4"),
        (raw_images([0] * 9 + [1] * 9, None, [0] * 9 + list(range(1, 10))), "class 'a' has images of 1 group, "),
    ],
)  # fmt: skip
def test_too_few_images_or_groups_give_one_line(raw: RawImages, message: str) -> None:
    with pytest.raises(LineupError, match=message):
        divided(raw)


def test_the_numbers_of_copies_are_written(tmp_path: Path) -> None:
    folder(tmp_path / "in", images=8)
    for name in ("again", "twice"):
        save(tmp_path / "in" / "cat" / f"{name}.png", picture(0))
    read_images("pets", tmp_path / "in", tmp_path / "raw", (8, 8, 3))
    write_split(tmp_path / "raw", tmp_path / "splits" / "dataset.npz", 1, duplicates="drop")
    counts = read_duplicates(tmp_path / "splits" / DUPLICATES)
    assert counts.dropped == counts.exact
    assert counts.exact + counts.within >= 2


def test_the_fingerprint_does_not_depend_on_the_file_format(tmp_path: Path) -> None:
    one = folder(tmp_path / "one")
    for path in one.rglob("*.png"):
        save(tmp_path / "two" / path.parent.name / f"{path.stem}.BMP", Image.open(path), format="BMP")
    for name in ("one", "two"):
        read_images("pets", tmp_path / name, tmp_path / f"raw {name}", (8, 8, 3))
    assert load_fingerprint(tmp_path / "raw one") == load_fingerprint(tmp_path / "raw two")
    with pytest.raises(LineupError, match=r"images\.npz: dataset\.json expects the fingerprint abc, found"):
        load_images(tmp_path / "raw one", "abc")
