"""Define the settings in the section ``models`` of ``params.yaml``.

>>> ClassicalRecipe(family="classical", architecture="knn", validation=0.2).seeds
[1]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic.dataclasses import dataclass

from lineup.errors import expected_one_of, shortened
from lineup.models.registry import FAMILIES, list_architectures
from lineup.settings import SHOWN, STRICT, Seeds, unknown

Share = Annotated[float, Field(gt=0, le=0.5)]
LearningRate = Annotated[float, Field(gt=0, le=10.0)]
Option = int | float | str | bool


@dataclass(frozen=True, config=STRICT)
class Fit:
    """The settings of one fit with Adam.

    Parameters
    ----------
    epochs, batch_size : int
        At least 1.
    learning_rate : float
        Learning rate of the first step.
    schedule : {"constant", "cosine"}
        Learning-rate schedule: constant, or cosine decay to 0. Default constant.
    l2 : float
        Factor of the L2 penalty, the sum of the squares of all weights except biases. Default 0.
    augment : bool
        Whether images are shifted by up to 2 pixels and mirrored at random in each epoch. Default False.
    patience : int, optional
        Number of epochs without improvement of the validation loss after which training stops. The weights of the best
        epoch are restored. Default: no early stopping.
    average_epochs : int
        Number of last epochs whose weights are averaged. Default 0: use the weights of the last epoch.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1, le=65_536)]
    learning_rate: LearningRate
    schedule: Literal["constant", "cosine"] = "constant"
    l2: Annotated[float, Field(ge=0, le=1)] = 0.0
    augment: bool = False
    patience: Annotated[int, Field(ge=1)] | None = None
    average_epochs: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _check_fit(self) -> Fit:
        if self.patience is not None and self.average_epochs:
            raise ValueError("average_epochs and patience: expected at most one of them; both choose the final weights")
        if self.average_epochs > self.epochs:
            raise ValueError(f"average_epochs = {self.average_epochs}: expected at most epochs = {self.epochs}")
        return self


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """The settings of a model of any kind.

    Parameters
    ----------
    family, architecture : str
        Family of the model, and the name of a registered builder in this family.
    validation : float
        Fraction of the training images for validation, above 0 and at most 0.5. The reports use 0.2 or 0.1.
    seeds : int or list of int
        Seeds of the random numbers in training, for example for initial weights, dropout and the order of the images.
        The number 3 means the seeds 1, 2 and 3. Each seed is a separate training and run. Default 1.
    options : dict
        Additional arguments of the builder. Default none.
    class_weight : {"balanced"}, optional
        Give all classes the same total weight in training, although their numbers of images differ. Default: all images
        have the same weight.
    """

    family: str
    architecture: str
    validation: Share
    seeds: Seeds = dataclasses.field(default_factory=lambda: [1], kw_only=True)
    options: dict[str, Option] = dataclasses.field(default_factory=dict, kw_only=True)
    class_weight: Literal["balanced"] | None = dataclasses.field(default=None, kw_only=True)

    @model_validator(mode="after")
    def _check_recipe(self) -> Recipe:
        if self.family not in FAMILIES:
            raise ValueError(unknown("family", self.family, FAMILIES))
        known = {entry.name: entry for entry in list_architectures(self.family)}
        if self.architecture not in known:
            raise ValueError(unknown("architecture", self.architecture, known))
        entry = known[self.architecture]
        for option in self.options:
            if option not in entry.options:
                raise ValueError(
                    f"options.{shortened(option, SHOWN)}: unknown option; {expected_one_of(option, entry.options)}"
                )
        if len(set(self.seeds)) < len(self.seeds):
            twice = next(seed for seed in self.seeds if self.seeds.count(seed) > 1)
            raise ValueError(f"seeds: {twice} is listed twice; expected each seed once")
        return self

    @property
    def seed(self) -> int:
        """The first seed of the recipe."""
        return self.seeds[0]

    def for_seed(self, seed: int) -> Self:
        """Return a copy of the settings that contains only the given seed."""
        return dataclasses.replace(self, seeds=[seed])


@dataclass(frozen=True, config=STRICT)
class ClassicalRecipe(Recipe):
    """Settings of a classical model. The hyperparameters of a classical model are given in ``options``."""


@dataclass(frozen=True, config=STRICT)
class NetworkRecipe(Fit, Recipe):
    """Settings of a Keras network and its training.

    Parameters
    ----------
    scaling : {"unit", "symmetric"}
        Scale pixels to [0, 1] or to [-1, 1]. Default ``unit``.
    pretrain : Fit, optional
        Settings for training the autoencoder. Required in the family ``autoencoder``, not accepted in other families.
    finetune : Fit, optional
        Settings for a last phase that trains encoder and head together. Only accepted in the family ``autoencoder``.
    """

    scaling: Literal["unit", "symmetric"] = "unit"
    pretrain: Fit | None = None
    finetune: Fit | None = None

    @model_validator(mode="after")
    def _check_network(self) -> NetworkRecipe:
        if self.family == "autoencoder":
            if self.scaling != "unit":
                raise ValueError(
                    f"scaling = {self.scaling!r}: the autoencoder reconstructs pixels in [0, 1]; expected 'unit'"
                )
            if self.pretrain is None:
                raise ValueError("pretrain: missing; the family autoencoder requires it")
            for phase, fit in (("pretrain", self.pretrain), ("classifier", self)):
                if fit.augment:
                    raise ValueError(f"augment = True: not supported in the phase {phase} of the family autoencoder")
        elif self.pretrain is not None or self.finetune is not None:
            raise ValueError("pretrain and finetune: only accepted in the family autoencoder")
        return self


def _kind(values: Any) -> str:
    family = values.get("family") if isinstance(values, Mapping) else getattr(values, "family", None)
    return FAMILIES[family].kind if family in FAMILIES else "network"


AnyRecipe = Annotated[
    Annotated[NetworkRecipe, Tag("network")] | Annotated[ClassicalRecipe, Tag("classical")], Discriminator(_kind)
]
