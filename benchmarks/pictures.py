"""Compare the preparation of pictures in ``lineup predict`` with plain resizing.

The pictures are made from test images. The images are enlarged, inverted and coloured. They are placed on white, black,
coloured, shaded, busy or transparent backgrounds, or saved with an EXIF orientation. The pictures are saved as JPEG or
PNG files and read again. Each picture is prepared in three ways: as in ``lineup predict``, resized, and resized and
inverted.

    python benchmarks/pictures.py --model basic_cnn
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lineup.cli.named_records import label_of, member_records, named_record
from lineup.data.pictures import read_picture
from lineup.data.preparation import prepare as prepare_picture
from lineup.data.preparation import resize
from lineup.params import load_params
from lineup.paths import find_project
from lineup.records.record import MODEL, Record
from lineup.serving.novelty import novelty_detector
from lineup.serving.predictor import load_with_members
from lineup.training.devices import prepare

Pixels = NDArray[np.uint8]
Background = Callable[[np.random.Generator], NDArray[np.float64]]
GARMENT, HEIGHT, WIDTH = 224, 320, 400
"""Edge of the enlarged garment, and the size of the pictures."""
ORIENTATION = 0x0112


def plain(low: int, high: int) -> Background:
    """Return backgrounds of one colour, whose red, green and blue are in a range."""
    return lambda random: np.full((HEIGHT, WIDTH, 3), random.integers(low, high + 1, 3), np.float64)


def shaded(random: np.random.Generator) -> NDArray[np.float64]:
    """Return a light background that becomes darker to one side."""
    return np.linspace(random.uniform(180, 215), 250, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 3))


def squares(random: np.random.Generator) -> NDArray[np.float64]:
    """Return squares in two colours."""
    colours = random.integers(0, 256, (2, 3)).astype(np.float64)
    rows, columns = np.indices((HEIGHT, WIDTH)) // int(random.integers(8, 40))
    drawn: NDArray[np.float64] = colours[(rows + columns) % 2]
    return drawn


def blotches(random: np.random.Generator) -> NDArray[np.float64]:
    """Return soft blotches in many colours."""
    coarse = Image.fromarray(random.integers(0, 256, (8, 10, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.float64)


BACKGROUNDS: dict[str, Background] = {
    "white": plain(250, 255),
    "black": plain(0, 10),
    "one colour": plain(20, 235),
    "shaded": shaded,
    "two colours": squares,
    "many colours": blotches,
}
OTHERS = ("transparent", "on its side")


def draw(kind: str, image: Pixels, random: np.random.Generator, path: Path) -> Path:
    """Save a picture of a garment to a file, and return the path with its suffix."""
    size, bicubic = (GARMENT, GARMENT), Image.Resampling.BICUBIC
    garment = np.asarray(Image.fromarray(255 - image).resize(size, bicubic)).astype(np.float64)
    shape = Image.fromarray(((image > 8) * 255).astype(np.uint8)).resize(size, bicubic)
    opacity = np.clip((np.asarray(shape)[..., None] - 96.0) / 64, 0, 1)
    coloured = garment[..., None] * random.uniform(0.6, 1, 3)
    if kind == "transparent":
        pixels = np.concatenate([coloured, 255 * opacity], axis=2)
        return _saved(pixels, path.with_suffix(".png"))
    canvas = BACKGROUNDS.get(kind, plain(250, 255))(random)
    top, left = random.integers(0, HEIGHT - GARMENT), random.integers(0, WIDTH - GARMENT)
    part = canvas[top : top + GARMENT, left : left + GARMENT]
    part[:] = opacity * coloured + (1 - opacity) * part
    if kind != "on its side":
        return _saved(canvas, path.with_suffix(".jpg"), quality=90)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned clockwise by 90 degrees
    return _saved(np.rot90(canvas), path.with_suffix(".jpg"), quality=90, exif=exif)


def _saved(pixels: NDArray[np.float64], path: Path, **options: Any) -> Path:
    Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8)).save(path, **options)
    return path


def seen(kind: str, images: Pixels, folder: Path) -> dict[str, Pixels]:
    """Return the images that a model receives for pictures of one kind, by the way of preparation."""
    random, shape = np.random.default_rng(1), common.dataset().shape
    pictures = [read_picture(draw(kind, image, random, folder / "picture")) for image in images]
    resized = np.stack([resize(picture, shape) for picture in pictures])
    prepared = np.stack([prepare_picture(common.dataset().name, picture, shape) for picture in pictures])
    return {"prepared": prepared, "resized": resized, "negated": 255 - resized}


def measure(record: Record, members: list[Record], count: int) -> list[dict[str, Any]]:
    """Return the accuracies for each kind of picture, and the fraction of prepared pictures that are flagged."""
    data = common.dataset()
    detector = novelty_detector(data, record, members)
    folders = {member.header.label: member.folder / MODEL for member in members}
    predict = load_with_members(record.folder / MODEL, data.shape, folders)
    images, labels = data.test_images[:count], data.test_labels[:count]
    originals, rows = predict(images)[0].argmax(axis=1) == labels, []
    with tempfile.TemporaryDirectory() as folder:
        for kind in (*BACKGROUNDS, *OTHERS):
            row: dict[str, Any] = {"background": kind, "test images": float(originals.mean())}
            for way, pixels in seen(kind, images, Path(folder)).items():
                probabilities, each = predict(pixels)
                row[way] = float(np.mean(probabilities.argmax(axis=1) == labels))
                if way == "prepared":
                    flagged = float(detector.is_novel(pixels, each).mean())
            rows.append(row | {"flagged": flagged})
            print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Parse the arguments, measure the accuracies, and print and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="basic_cnn", help="model in params.yaml; default: basic_cnn")
    parser.add_argument("--count", type=int, default=300, help="pictures of each kind; default: 300")
    parser.add_argument("--threads", type=int, default=1, help="number of threads; default: 1")
    arguments = parser.parse_args()
    prepare("network", arguments.threads, seed=1)
    project = find_project()
    record = named_record(project, load_params(project.params), arguments.model)
    rows = measure(record, member_records(project, record), arguments.count)
    settings = {"model": label_of(record), "count": arguments.count, "threads": arguments.threads}
    common.write_results("pictures", common.dataset(), rows, settings=settings)
    common.print_table(rows)


if __name__ == "__main__":
    main()
