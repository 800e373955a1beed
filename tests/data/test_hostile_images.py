"""Unusual and hostile folders, tables and arrays are either read correctly or refused with one clear line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from lineup.data.dataset import Dataset, load_dataset
from lineup.data.idx import write_idx
from lineup.data.images import UNREADABLE, read_images
from lineup.data.sources.look import Found, look
from lineup.data.split import write_split
from lineup.errors import LineupError
from lineup.evaluation.metrics import classification_metrics
from tests.data.own_images import arrays, folder, picture, png_header, save, table

Build = Callable[[Path], Path]
SHAPE = (8, 8, 3)
GREY = np.random.default_rng(0).integers(0, 256, (20, 10, 12), np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (20, 10, 12, 3), np.uint8)
LABELS = np.arange(20) % 2
PARTS = ("test", "train", "train", "val")
ROWS = "".join(f"{index}.png,{'cat' if index % 2 else 'dog'}\n" for index in range(12))


def read_all(path: Path, work: Path) -> tuple[Found, Dataset]:
    """Look at the images, read them, split them, and load the result."""
    found = look(path)
    read_images("pets", path, work / "raw", SHAPE)
    write_split(work / "raw", work / "dataset.npz", seed=1)
    return found, load_dataset(work / "dataset.npz")


def with_file(name: str, content: bytes, images: int = 30) -> Build:
    """Return a function that writes a folder with a further file in the class ``cat``."""

    def build(root: Path) -> Path:
        folder(root, images=images)
        (root / "cat" / name).write_bytes(content)
        return root

    return build


def with_picture(name: str, image: Image.Image, **options: object) -> Build:
    """Return a function that writes a folder with a further picture in the class ``cat``."""

    def build(root: Path) -> Path:
        save(folder(root) / "cat" / name, image, **options)
        return root

    return build


def with_rows(text: str) -> Build:
    return lambda root: table(root, text)


def with_arrays(**values: object) -> Build:
    return lambda root: arrays(root, **values)


@dataclass(frozen=True)
class Right:
    """Expected result for images that are read correctly: class names, numbers of images and ignored files."""

    build: Build
    classes: Sequence[str] = ("cat", "dog")
    images: int = 12
    left_out: int = 0
    test: int | None = None
    said: Sequence[str] = field(default_factory=list)


def _linked(root: Path) -> Path:
    folder(root / "pets", images=30)
    (root / "pets" / "cat" / "again.png").symlink_to(root / "pets" / "cat" / "0.png")
    save(root / "secret.png")
    (root / "pets" / "dog" / "secret.png").symlink_to(root / "secret.png")
    (root / "pets" / "cat" / "circle").symlink_to(root / "pets", target_is_directory=True)
    return root / "pets"


def _directory(root: Path) -> Path:
    folder(root)
    (root / "cat" / "x.png").mkdir()
    return root


def _pipe(root: Path) -> Path:
    folder(root, images=30)
    os.mkfifo(root / "cat" / "x.png")
    return root


def _hidden(root: Path) -> Path:
    folder(root)
    for name in ("cat/.DS_Store", "cat/._1.png", "__MACOSX/x.png", ".git/y.png", "cat/Thumbs.db"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def _empty_class(root: Path) -> Path:
    (folder(root) / "cow").mkdir()
    return root


def _parts(root: Path) -> Path:
    for part, images in (("Train", 8), ("valid", 2), ("TEST", 3)):
        folder(root / part, images=images)
    (root / "docs").mkdir()
    return root


def _missing_in_test(root: Path) -> Path:
    folder(root / "train", images=8)
    folder(root / "test", ["cat"], images=3)
    return root


def _endings(root: Path) -> Path:
    for number, name in enumerate(("a.PNG", "b.JPG", "c.Jpeg", "d.bmp", "e.TIFF", "f.gif")):
        save(root / "cat" / name, picture(number))
        save(root / "dog" / name, picture(number + 100))
    return root


def _animation(root: Path) -> Path:
    frames = [picture(1), picture(2)]
    return with_picture("moving.gif", frames[0], save_all=True, append_images=frames[1:])(root)


def _idx(root: Path, before: str = "", images: np.ndarray = GREY) -> Path:
    write_idx(root / f"{before}train-images-idx3-ubyte.gz", images)
    write_idx(root / f"{before}train-labels-idx1-ubyte.gz", LABELS.astype(np.uint8))
    write_idx(root / f"{before}t10k-images-idx3-ubyte.gz", images[:4])
    write_idx(root / f"{before}t10k-labels-idx1-ubyte.gz", LABELS[:4].astype(np.uint8))
    return root


def _parquet(root: Path) -> Path:
    contents = [save(root / f"{index}.png", picture(index)).read_bytes() for index in range(12)]
    metadata = {b"huggingface": b'{"info": {"features": {"label": {"names": ["cat", "dog"]}}}}'}
    columns = {"image": [{"bytes": content, "path": None} for content in contents], "label": [0, 1] * 6}
    parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), root / "train-0.parquet")
    return root / "train-0.parquet"


RIGHT = {
    "an empty class": Right(_empty_class, said=["1 folder without pictures of a class ignored: 'cow'"]),
    "a text file named .png": Right(with_file("x.png", b"no picture"), images=60, left_out=1, said=["x.png: expected"]),
    "a 0-byte file": Right(with_file("x.png", b""), images=60, left_out=1),
    "a truncated file": Right(with_file("x.png", b"\x89PNG\r\n\x1a\n" + bytes(20)), images=60, left_out=1),
    "a bomb": Right(with_file("x.png", png_header(20_000, 20_000)), images=60, left_out=1, said=["50,000,000 pixels"]),
    "other files": Right(with_file("notes.txt", b"x"), images=60, said=["1 other file ignored"]),
    "a directory named x.png": Right(_directory),
    "a pipe": Right(_pipe, images=60, left_out=1, said=["not a regular file"]),
    "links": Right(_linked, images=61, left_out=1, said=["'dog/secret.png': a link to a file outside"]),
    "hidden files": Right(_hidden),
    "names with newlines and quotes": Right(lambda root: folder(root, ["a\nb", 'c"d\'']), ['a b', 'c"d\'']),
    "class names with the same slug": Right(lambda root: folder(root, ["A b", "a-b"]), ["A b", "a-b"]),
    "classes all, NaN and null": Right(lambda root: folder(root, ["NaN", "all", "null"]), ["NaN", "all", "null"], 18),
    "class names in other scripts": Right(lambda root: folder(root, ["猫", "собака"]), ["собака", "猫"]),
    "a class name of 200 letters": Right(lambda root: folder(root, ["a" * 200, "b"]), ["a" * 57 + "...", "b"]),
    "mathematics in names": Right(lambda root: folder(root, ["$\\frac$", "$x$"]), ["$\\frac$", "$x$"]),
    "numbers in order": Right(lambda root: folder(root, ["10", "9"]), ["9", "10"]),
    "only a folder of trains": Right(lambda root: folder(root, ["train", "ship"]), ["ship", "train"]),
    "parts in capitals": Right(_parts, images=26, test=6, said=["train 16, val 4, test 6"]),
    "a class missing from the test": Right(_missing_in_test, images=19, test=3),
    "upper-case endings": Right(_endings),
    "a palette": Right(with_picture("p.png", picture(5).quantize(8)), images=13),
    "transparency": Right(with_picture("t.png", Image.new("RGBA", (9, 9), (0, 0, 0, 0))), images=13),
    "16 bits": Right(with_picture("deep.png", Image.fromarray(np.full((9, 9), 40_000, np.uint16))), images=13),
    "CMYK": Right(with_picture("print.jpg", picture(5).convert("CMYK")), images=13),
    "an animation": Right(_animation, images=13),
    "one pixel": Right(with_picture("dot.png", Image.new("L", (1, 1))), images=13),
    "a thin line": Right(with_picture("line.png", Image.new("L", (900, 1))), images=13),
    "a table": Right(with_rows("file,label\n" + ROWS)),
    "a table with semicolons, capitals and a mark": Right(
        with_rows("\N{BYTE ORDER MARK}Label;Path;Other\n" + "".join(f"{i % 2}.0;{i}.png;x\n" for i in range(12))),
        ["0", "1"],
    ),
    "labels .. and empty-looking": Right(
        with_rows("file,label\n" + "".join(f"{i}.png,{'..' if i % 2 else 'nan'}\n" for i in range(12))), ["..", "nan"]
    ),
    "a table with parts": Right(
        with_rows("file,label,split\n" + "".join(f"{i}.png,{i % 2},{PARTS[i // 3]}\n" for i in range(12))),
        ["0", "1"],
        test=3,
    ),
    "arrays of Keras": Right(with_arrays(x_train=COLOURS, y_train=LABELS), ["0", "1"], 20),
    "arrays of MedMNIST": Right(
        with_arrays(
            train_images=GREY, train_labels=LABELS[:, None], test_images=GREY[:5], test_labels=LABELS[:5, None]
        ),
        ["0", "1"],
        25,
        test=5,
    ),
    "one-hot labels": Right(with_arrays(x_train=GREY, y_train=np.eye(2)[LABELS]), ["0", "1"], 20),
    "float labels": Right(with_arrays(x_train=GREY, y_train=LABELS.astype(float)), ["0", "1"], 20),
    "text labels": Right(with_arrays(x_train=GREY, y_train=np.array(["dog", "cat"])[LABELS]), images=20),
    "images in [0, 1]": Right(with_arrays(x_train=GREY / 255, y_train=LABELS), ["0", "1"], 20),
    "channels first": Right(with_arrays(x_train=np.moveaxis(COLOURS, 3, 1), y_train=LABELS), ["0", "1"], 20),
    "dark pixels": Right(with_arrays(x_train=GREY // 16, y_train=LABELS), ["0", "1"], 20, said=["pixel is 15"]),
    "IDX": Right(_idx, ["0", "1"], 24, test=4),
    "EMNIST": Right(lambda root: _idx(root, "emnist-digits-"), ["0", "1"], 24, test=4, said=["transposed"]),
    "Parquet": Right(_parquet),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_odd_images_are_read(tmp_path: Path, name: str) -> None:
    case = RIGHT[name]
    (tmp_path / "in").mkdir()
    found, dataset = read_all(case.build(tmp_path / "in"), tmp_path)
    assert dataset.classes == tuple(case.classes)
    assert len(dataset.train_labels) + len(dataset.test_labels) == case.images
    assert case.test in (None, len(dataset.test_labels))
    lines = found.lines()
    assert all(any(text in line for line in lines) for text in case.said)
    assert not any("\n" in line for line in lines)
    listed = tmp_path / "raw" / UNREADABLE
    assert (len(listed.read_text().splitlines()) if listed.exists() else 0) == case.left_out
    probabilities = np.full((len(dataset.test_labels), len(case.classes)), 1 / len(case.classes))
    classification_metrics(probabilities, dataset.test_labels, dataset.classes, "test_")


def _damaged(root: Path) -> Path:
    for name in ("cat", "dog"):
        (root / name).mkdir()
        (root / name / "x.png").write_bytes(b"")
    return root


def _many_classes(root: Path) -> Path:
    return folder(root, [f"class {number}" for number in range(257)], images=1)


def _two_files(root: Path) -> Path:
    write_idx(root / "train-images-idx3-ubyte.gz", GREY)
    return root


WRONG: dict[str, tuple[Build, str]] = {
    "nothing there": (lambda root: root / "none", "none: no such file or folder"),
    "an empty folder": (lambda root: root, "expected one sub-folder of pictures per class, found none"),
    "one class": (lambda root: folder(root, ["cat"]), "expected 2 to 256 classes, found 1: 'cat'"),
    "one image": (lambda root: save(root / "cat" / "1.png").parents[1], "expected 2 to 256 classes, found 1: 'cat'"),
    "too many classes": (_many_classes, "expected 2 to 256 classes, found 257"),
    "pictures without a class": (lambda root: save(root / "1.png").parent, "found 1 picture in the folder itself"),
    "few images": (lambda root: folder(root, images=4), "class 'cat' has 4 images for train, val, test, expected at l"),
    "many damaged files": (with_file("x.png", b"", images=6), r"more than 5\.0% of the 13 images cannot be read"),
    "only damaged files": (_damaged, "no image can be read: .*x.png: expected a picture in the format"),
    "another file": (lambda root: save(root / "1.png"), r"1\.png: expected a folder of pictures, or a file that ends"),
    "a part of the images with a part": (
        with_rows("file,label,split\n0.png,a,train\n1.png,b,\n"), "1 image without a part; expected train, val or test",
    ),
    "only test images": (with_rows("file,label,split\n0.png,a,test\n1.png,b,test\n"), "found no training images"),
    "an unknown part": (with_rows("file,label,split\n0.png,a,half\n"), "line 2: part 'half': expected train, val"),
    "a table without labels": (with_rows("file,name\n0.png,a\n"), "expected a column label or class or"),
    "an empty label": (with_rows("file,label\n0.png,\n"), "line 2: the label is empty"),
    "a short row": (with_rows("file,label\n0.png\n"), "line 2: expected 2 cells, found 1"),
    "an open quote": (with_rows('file,label\n"0.png,a\n'), "not a table"),
    "an empty table": (with_rows(""), "expected a column file or .*, found an empty file"),
    "files outside": (with_rows("file,label\n../x.png,a\n/etc/passwd,b\n"), "outside of the folder of the table"),
    "missing files": (with_rows("file,label\nnone.png,a\n"), "'none.png': no such file"),
    "object arrays": (with_arrays(x_train=np.array([{}], object), y_train=LABELS[:1]), "expected numbers, found"),
    "other arrays": (with_arrays(a=GREY), "expected one of x_train and y_train, .*; found the arrays a"),
    "NaN pixels": (with_arrays(x_train=np.full((20, 9, 9), np.nan), y_train=LABELS), "some pixels are NaN or infinite"),
    "pixels in [-1, 1]": (with_arrays(x_train=GREY / 127.5 - 1, y_train=LABELS), "pixels from 0 to 1 or from 0 to 255"),
    "flat images": (with_arrays(x_train=GREY.reshape(20, -1), y_train=LABELS), "expected images of n x height x width"),
    "two labels per image": (with_arrays(x_train=GREY, y_train=np.ones((20, 3))), "expected one-hot rows"),
    "half labels": (with_arrays(x_train=GREY, y_train=LABELS + 0.5), "expected integers or strings as labels"),
    "too few labels": (with_arrays(x_train=GREY, y_train=LABELS[:9]), "expected 20 labels, one per image, found 9"),
    "IDX without labels": (_two_files, "expected one file of images and one of labels, found only this one"),
    "no NPZ": (lambda root: table(root, "x").rename(root / "x.npz"), "expected an NPZ file of arrays, found a damaged"),
    "no Parquet": (lambda root: table(root, "x").rename(root / "x.parquet"), "expected a Parquet file"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_images_give_one_line(tmp_path: Path, name: str) -> None:
    build, message = WRONG[name]
    (tmp_path / "in").mkdir()
    with pytest.raises(LineupError, match=message) as caught:
        read_all(build(tmp_path / "in"), tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(tmp_path)) * 2 + 400
    assert not list(tmp_path.rglob("*.partial"))


def test_a_list_of_500_damaged_files_is_short(tmp_path: Path) -> None:
    folder(tmp_path)
    for number in range(500):
        (tmp_path / "dog" / f"x{number}.jpg").write_bytes(b"x")
    assert len(look(tmp_path).lines()) < 12
