"""Define the settings in the sections ``data`` and ``split`` of ``params.yaml``.

>>> Data(name="synthetic").train_images
3000
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from lineup.data.datasets import DATASETS
from lineup.data.synthetic import SHAPE
from lineup.settings import STRICT, Seed, unknown


@dataclass(frozen=True, config=STRICT)
class Data:
    """The dataset and its source.

    Parameters
    ----------
    name : str
        ``fashion_mnist`` or ``synthetic``.
    folder : str, optional
        A local folder with the four files, used instead of the hosts. Default: the variable ``FASHION_MNIST_DIR``.
    train_images, test_images : int
        Number of generated images. Defaults 3,000 and 1,000.
    shape : list of int
        Height, width and channels of generated images. Default 28 by 28 pixels with one channel.
    seed : int
        Seed of the generated images. Default 1.
    """

    name: str
    folder: str | None = None
    train_images: Annotated[int, Field(ge=100, le=1_000_000)] = 3_000
    test_images: Annotated[int, Field(ge=10, le=1_000_000)] = 1_000
    shape: Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(min_length=3, max_length=3)] = field(
        default_factory=lambda: list(SHAPE)
    )
    seed: Seed = 1

    @model_validator(mode="after")
    def _check(self) -> Data:
        if self.name not in DATASETS:
            raise ValueError(unknown("name", self.name, DATASETS))
        if min(self.shape[:2]) < 8:
            raise ValueError(f"shape = {self.shape}: expected a height and a width of at least 8 pixels")
        return self


@dataclass(frozen=True, config=STRICT)
class Split:
    """Settings of the train-validation split that all models share."""

    seed: Seed
