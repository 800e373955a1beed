"""The sections ``data`` and ``split`` of ``params.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from lineup.data.datasets import DATASETS
from lineup.settings import STRICT, Seed, unknown


@dataclass(frozen=True, config=STRICT)
class Data:
    """Which dataset, and where from.

    Parameters
    ----------
    name : str
        ``fashion_mnist`` or ``synthetic``.
    folder : str, optional
        A local folder with the four files, used before the network. Default: the variable ``FASHION_MNIST_DIR``.
    train_images, test_images : int
        How many images to draw, for generated data only. Defaults 3,000 and 1,000.
    seed : int
        Seed of the generated images. Default 1.
    """

    name: str
    folder: str | None = None
    train_images: Annotated[int, Field(ge=100, le=1_000_000)] = 3_000
    test_images: Annotated[int, Field(ge=10, le=1_000_000)] = 1_000
    seed: Seed = 1

    @model_validator(mode="after")
    def _check(self) -> Data:
        if self.name not in DATASETS:
            raise ValueError(unknown("name", self.name, DATASETS))
        return self


@dataclass(frozen=True, config=STRICT)
class Split:
    """The one split that every model shares; ``seed`` orders the training images."""

    seed: Seed
