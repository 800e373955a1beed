"""Define the settings in the section ``models`` of ``params.yaml``.

Examples
--------
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
class Augmentation:
    """Random changes of the training images. The changes are different in each epoch.

    Parameters
    ----------
    shift : int
        Maximum shift in each direction, in pixels. Default 0.
    mirror : bool
        Whether half of the images are mirrored left to right. Default False.
    cutout : int
        Side of a square that is set to zero, in pixels. The centre of the square is a random pixel (DeVries and Taylor,
        "Improved regularization of convolutional neural networks with cutout", 2017). Default 0: no square.
    """

    shift: Annotated[int, Field(ge=0, le=64)] = 0
    mirror: bool = False
    cutout: Annotated[int, Field(ge=0, le=256)] = 0


@dataclass(frozen=True, config=STRICT)
class Fit:
    """The settings of one fit.

    Parameters
    ----------
    epochs, batch_size : int
        At least 1.
    learning_rate : float
        Learning rate of the first step after the warmup.
    optimizer : {"adam", "sgd"}
        Adam, or stochastic gradient descent with Nesterov momentum. Default ``adam``.
    momentum : float, optional
        Momentum of ``sgd``. Default 0.9.
    weight_decay : float
        Decoupled weight decay (Loshchilov and Hutter, 2019): each step multiplies all weights except biases and batch
        normalisation by ``1 - learning_rate * weight_decay``. Default 0.
    schedule : {"constant", "cosine", "linear"}
        Learning-rate schedule: constant, or cosine or linear decay to 0. Default constant.
    warmup : float
        Share of the steps in which the learning rate increases linearly from 0, before the schedule. Default 0.
    l2 : float
        Factor of the L2 penalty, the sum of the squares of all weights except biases. Default 0.
    label_smoothing : float
        Share of the target probability that is distributed over all classes (Szegedy et al., 2016). Default 0. The
        losses in the history do not include label smoothing.
    augment : Augmentation, optional
        Default: the images are not changed.
    patience : int, optional
        Number of epochs without improvement of the validation loss after which training stops. The weights of the best
        epoch are restored. Default: no early stopping.
    average_epochs : int
        Number of last epochs whose weights are averaged. Default 0: use the weights of the last epoch.
    ema : float, optional
        Decay per step of an exponential moving average of the weights. Validation and the trained network use the
        average. Default: no average.
    snapshots : int, optional
        Number of equal parts of the training, each with a complete learning-rate schedule. The trained model averages
        the probabilities of the networks at the end of each part (Huang et al., "Snapshot ensembles: train 1, get M for
        free", 2017). The number of epochs must be a multiple. Default: no snapshots.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1, le=65_536)]
    learning_rate: LearningRate
    optimizer: Literal["adam", "sgd"] = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    l2: Annotated[float, Field(ge=0, le=1)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augment: Augmentation | None = None
    patience: Annotated[int, Field(ge=1)] | None = None
    average_epochs: Annotated[int, Field(ge=0)] = 0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    snapshots: Annotated[int, Field(ge=2, le=20)] | None = None

    @model_validator(mode="after")
    def _check_fit(self) -> Fit:
        final = {name: getattr(self, name) for name in ("average_epochs", "patience", "ema", "snapshots")}
        given = [name for name, value in final.items() if value]
        if len(given) > 1 and given != ["patience", "ema"]:
            raise ValueError(f"{given[0]} and {given[1]}: expected at most one of them; both set the final weights")
        if self.snapshots is not None and (self.schedule == "constant" or self.epochs % self.snapshots):
            raise ValueError(
                f"snapshots = {self.snapshots}: expected the schedule cosine or linear, and a number of epochs that is"
                f" a multiple of {self.snapshots}; found {self.schedule} and {self.epochs} epochs"
            )
        if self.momentum is not None and self.optimizer != "sgd":
            raise ValueError(f"momentum: only accepted for the optimizer sgd, found {self.optimizer!r}")
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
    precision : {"float32", "mixed_bfloat16"}
        Number format of the layers' inputs and outputs. The weights and the probabilities are always float32. Default
        ``float32``. ``mixed_bfloat16`` requires a processor or GPU with instructions for bfloat16; other machines print
        a warning and use ``float32``.
    mirror_predictions : bool
        Whether the trained network averages the probabilities of an image and its mirror image. Default False.
    pretrain : Fit, optional
        Settings for training the autoencoder. Required in the family ``autoencoder``, not accepted in other families.
    finetune : Fit, optional
        Settings for a last phase that trains encoder and head together. Only accepted in the family ``autoencoder``.
    """

    scaling: Literal["unit", "symmetric"] = "unit"
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    mirror_predictions: bool = False
    pretrain: Fit | None = None
    finetune: Fit | None = None

    @model_validator(mode="after")
    def _check_network(self) -> NetworkRecipe:
        if self.scaling != (expected := FAMILIES[self.family].scaling or self.scaling):
            raise ValueError(f"scaling = {self.scaling!r}: expected {expected!r} in the family {self.family}")
        if self.family == "autoencoder":
            if self.pretrain is None:
                raise ValueError("pretrain: missing; the family autoencoder requires it")
            if self.precision != "float32" or self.mirror_predictions:
                raise ValueError("precision and mirror_predictions: not supported in the family autoencoder")
            for phase, fit in (("pretrain", self.pretrain), ("classifier", self)):
                if fit.augment:
                    raise ValueError(f"augment: not supported in the phase {phase} of the family autoencoder")
            if any(fit and fit.snapshots for fit in (self.pretrain, self, self.finetune)):
                raise ValueError("snapshots: not supported in the family autoencoder")
            if self.pretrain.label_smoothing:
                raise ValueError(
                    "pretrain: label_smoothing is not accepted, because an autoencoder predicts no classes"
                )
        elif self.pretrain is not None or self.finetune is not None:
            raise ValueError("pretrain and finetune: only accepted in the family autoencoder")
        return self


def _kind(values: Any) -> str:
    family = values.get("family") if isinstance(values, Mapping) else getattr(values, "family", None)
    return FAMILIES[family].kind if family in FAMILIES else "network"


AnyRecipe = Annotated[
    Annotated[NetworkRecipe, Tag("network")] | Annotated[ClassicalRecipe, Tag("classical")], Discriminator(_kind)
]
