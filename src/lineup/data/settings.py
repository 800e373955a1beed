"""Define the settings in the sections ``data`` and ``split`` of ``params.yaml``.

Examples
--------
>>> Data(name="synthetic").train_images
3000
>>> Data(name="pets", images="/data/pets", size=64, channels=3).image_shape
(64, 64, 3)
"""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from lineup.data.datasets import DATASETS
from lineup.data.synthetic import SHAPE
from lineup.settings import STRICT, Seed, shown, unknown


def _height_and_width(size: object) -> object:
    """Convert the edge length of a square to a height and a width. Other values are returned unchanged."""
    return [size, size] if isinstance(size, int) and not isinstance(size, bool) else size


Edge = Annotated[int, Field(ge=8, le=1024)]
Size = Annotated[list[Edge], BeforeValidator(_height_and_width), Field(min_length=2, max_length=2)]
"""Height and width of the images in pixels. One number gives square images."""
Share = Annotated[float, Field(ge=0, le=1)]
Copies = Literal["keep", "drop", "move"]
"""What to do with a training image that is a copy of a test image: keep it, drop it, or use it as a test image."""


@dataclass(frozen=True, config=STRICT)
class Data:
    """The dataset and its source.

    Parameters
    ----------
    name : str
        ``fashion_mnist``, ``synthetic``, or with ``images`` any other name of lower-case letters, digits and ``_``.
    folder : str, optional
        A local folder with the four files, used instead of the hosts. Default: the variable ``FASHION_MNIST_DIR``.
    train_images, test_images : int
        Number of generated images. Defaults 3,000 and 1,000.
    shape : list of int
        Height, width and channels of generated images. Default 28 by 28 pixels with one channel.
    seed : int
        Seed of the generated images. Default 1.
    images : str, optional
        The user's own images: a folder or a file, see `lineup.data.sources.look.open_source`. The path is absolute or
        relative to the project folder. Default: none.
    size : int or list of int, optional
        Required with ``images``: edge of the square images in pixels, or height and width.
    channels : {1, 3}, optional
        Required with ``images``: 1 for grey, 3 for colours.
    group : str, optional
        Column or array with the group of each image, such as a person or an object. With ``folder``, each folder inside
        of a class is a group. All images of a group are in the same part. Default: no groups.
    unreadable : float
        Share of the images that may be unreadable. Default 0.05.
    """

    name: str
    folder: str | None = None
    train_images: Annotated[int, Field(ge=100, le=1_000_000)] = 3_000
    test_images: Annotated[int, Field(ge=10, le=1_000_000)] = 1_000
    shape: Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(min_length=3, max_length=3)] = field(
        default_factory=lambda: list(SHAPE)
    )
    seed: Seed = 1
    images: str | None = None
    size: Size | None = None
    channels: Literal[1, 3] | None = None
    group: str | None = None
    unreadable: Share = 0.05

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the user's own images."""
        height, width = self.size or (0, 0)
        return height, width, self.channels or 1

    def images_path(self, root: Path) -> Path:
        """Return the path of the user's own images. If ``images`` is a relative path, it is joined to ``root``."""
        return root / Path(self.images or "").expanduser()

    @model_validator(mode="after")
    def _check(self) -> Data:
        if self.images is not None:
            self._check_images()
            return self
        if self.name not in DATASETS:
            raise ValueError(f"{unknown('name', self.name, DATASETS)}, or set images for your own images")
        if min(self.shape[:2]) < 8:
            raise ValueError(f"shape = {self.shape}: expected a height and a width of at least 8 pixels")
        for key in ("size", "channels", "group"):
            if getattr(self, key) is not None:
                raise ValueError(f"{key}: only accepted with images")
        return self

    def _check_images(self) -> None:
        if self.name in DATASETS or not re.fullmatch("[a-z][a-z0-9_]{0,63}", self.name):
            raise ValueError(
                f"name = {shown(self.name)}: with images, expected a name of lower-case letters, digits and _, other"
                f" than {' and '.join(DATASETS)}"
            )
        if self.folder is not None:
            raise ValueError("folder: not accepted with images")
        for key in ("size", "channels"):
            if getattr(self, key) is None:
                raise ValueError(f"{key} is missing; images require it, for example size: 64 and channels: 3")


@dataclass(frozen=True, config=STRICT)
class Split:
    """Settings of the split that all models share.

    Parameters
    ----------
    seed : int
        Seed of the order of the training images.
    test : float
        Share of the user's own images for testing, if the dataset contains no test images. Default 0.2.
    duplicates : {"keep", "drop", "move"}
        What to do with training images that have the same pixels as a test image. Default keep.
    near_duplicates : {"keep", "drop", "move"}
        What to do with training images that look nearly the same as a test image. Default keep.
    """

    seed: Seed
    test: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    duplicates: Copies = "keep"
    near_duplicates: Copies = "keep"
