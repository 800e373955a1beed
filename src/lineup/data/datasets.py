"""Define the supported datasets, with their classes, files and checksums.

Examples
--------
>>> find_dataset("synthetic").generated
True
>>> class_slug("T-shirt/top")
't_shirt_top'
>>> class_slugs(["cat", "Cat!", "\N{CJK UNIFIED IDEOGRAPH-732B}"])
['cat', 'cat_2', 'class_3']
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lineup.errors import LineupError, expected_one_of

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"
FILE_NAMES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
DESCRIPTION = "dataset.json"
"""The file that `lineup.data.download` writes in addition to the four IDX files."""


@dataclass(frozen=True)
class RemoteFile:
    """One published file of a dataset.

    Parameters
    ----------
    name : str
        File name, the same on every host.
    size_bytes : int
        Size of the file in bytes.
    sha256 : str
        Checksum, 64 lower-case hexadecimal digits.
    shape : tuple of int
        Shape of the array in the file.
    content_sha256 : str
        Checksum of the unpacked IDX file, which does not depend on the compression.
    """

    name: str
    size_bytes: int
    sha256: str
    shape: tuple[int, ...]
    content_sha256: str


@dataclass(frozen=True)
class DatasetSpec:
    """One dataset.

    Parameters
    ----------
    name : str
        Key in `DATASETS` and value of ``data.name`` in ``params.yaml``.
    title : str
        Name shown to users.
    classes : tuple of str
        Class names; the label of an image is an index into them.
    files : tuple of RemoteFile
        The files to download; empty for a generated dataset.
    hosts : tuple of str
        Base URLs that provide all files, each ending with a slash. They are tried in this order.
    generated : bool
        Whether `lineup.data.synthetic` generates the images.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    hosts: tuple[str, ...]
    generated: bool


_GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# The deduplicated release of 2017-08-31, which all libraries download today. The publisher provides MD5 checksums. The
# SHA-256 checksums were computed from files with these MD5 checksums.
_FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    title="Fashion-MNIST",
    classes=_GARMENTS,
    files=(
        RemoteFile(
            TRAIN_IMAGES,
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            (60_000, 28, 28),
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        RemoteFile(
            TRAIN_LABELS,
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            (60_000,),
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        RemoteFile(
            TEST_IMAGES,
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            (10_000, 28, 28),
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        RemoteFile(
            TEST_LABELS,
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            (10_000,),
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    hosts=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # the publisher
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",  # the publisher
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",  # Keras
    ),
    generated=False,
)

_SYNTHETIC = DatasetSpec(
    name="synthetic",
    title="Synthetic garments",
    classes=_GARMENTS,
    files=(),
    hosts=(),
    generated=True,
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in (_FASHION_MNIST, _SYNTHETIC)}


def find_dataset(name: str) -> DatasetSpec:
    """Return a dataset by its name.

    Raises
    ------
    LineupError
        If there is no dataset of this name.
    """
    if name not in DATASETS:
        raise LineupError(f"data.name: unknown dataset {name!r}; {expected_one_of(name, DATASETS)}")
    return DATASETS[name]


def class_slug(name: str) -> str:
    """Convert a class name to a string that is valid in metric names and file names."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def class_slugs(names: Sequence[str]) -> list[str]:
    """Return a slug for each class name. All slugs are different.

    If a slug is empty or equals an earlier slug, the number of the class is added. Classes are numbered from 1.
    """
    slugs: list[str] = []
    for number, name in enumerate(names, 1):
        slug = class_slug(name) or "class"
        if slug == "class" or slug in slugs:
            slug = f"{slug}_{number}"
        while slug in slugs:
            slug += "_"
        slugs.append(slug)
    return slugs
