"""The section ``models`` of ``params.yaml``: a recipe for each model."""

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
    """How one network is fitted: Adam, with these settings.

    Parameters
    ----------
    epochs, batch_size : int
        At least 1.
    learning_rate : float
        Of the first step.
    schedule : {"constant", "cosine"}
        Whether the learning rate stays, or falls to 0 at the last step along half a cosine. Default constant.
    l2 : float
        This times the sum of the squares of all weights but biases is added to the loss. Default 0.
    augment : bool
        Whether images are moved by up to 2 pixels and mirrored at random, anew in each epoch. Default no.
    patience : int, optional
        Stop when the validation loss has not improved for so many epochs, and take the weights of the best one.
        Default: go on to the last epoch.
    average_epochs : int
        Take the mean of the weights at the end of the last so many epochs. Default 0: the last weights.
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
            raise ValueError("average_epochs: not together with patience; each names the weights to take in the end")
        if self.average_epochs > self.epochs:
            raise ValueError(f"average_epochs = {self.average_epochs}: expected at most epochs, {self.epochs}")
        return self


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """One model of the line-up: an architecture and what the training of any model depends on.

    Parameters
    ----------
    family, architecture : str
        Module of ``lineup.models`` and the builder registered there.
    validation : float
        Share of the training images that is held out, in (0, 0.5]: 0.2 or 0.1 in the reports.
    seeds : int or list of int
        Seeds of the trainings: of the initial weights, dropout, the order of the batches, the trees of a forest. The
        number 3 stands for the seeds 1, 2 and 3. Each seed is a training and a run of its own. Default 1.
    options : dict
        Keyword arguments of the builder. Default none.
    """

    family: str
    architecture: str
    validation: Share
    seeds: Seeds = dataclasses.field(default_factory=lambda: [1], kw_only=True)
    options: dict[str, Option] = dataclasses.field(default_factory=dict, kw_only=True)

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
        """The seed of a training; a recipe of several seeds is trained once for each of them, see `for_seed`."""
        return self.seeds[0]

    def for_seed(self, seed: int) -> Self:
        """Return the recipe of one training."""
        return dataclasses.replace(self, seeds=[seed])


@dataclass(frozen=True, config=STRICT)
class ClassicalRecipe(Recipe):
    """A model of the family ``classical``: all that can be set about its fit are the builder's ``options``."""


@dataclass(frozen=True, config=STRICT)
class NetworkRecipe(Fit, Recipe):
    """A Keras network: the settings of a model and those of its fit.

    Parameters
    ----------
    scaling : {"unit", "symmetric"}
        Pixels to [0, 1] or to [-1, 1]. Default ``unit``.
    pretrain : Fit, optional
        The autoencoder's own fit; the family ``autoencoder`` needs it, the others refuse it.
    finetune : Fit, optional
        A last phase in which encoder and head are trained together; for the family ``autoencoder``.
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
                raise ValueError("pretrain: missing; the family autoencoder needs it")
            for phase, fit in (("pretrain", self.pretrain), ("classifier", self)):
                if fit.augment:
                    raise ValueError(f"augment = True: not for the phase {phase} of the family autoencoder")
        elif self.pretrain is not None or self.finetune is not None:
            raise ValueError("pretrain and finetune: only the family autoencoder has them")
        return self


def _kind(values: Any) -> str:
    family = values.get("family") if isinstance(values, Mapping) else getattr(values, "family", None)
    return FAMILIES[family].kind if family in FAMILIES else "network"


AnyRecipe = Annotated[
    Annotated[NetworkRecipe, Tag("network")] | Annotated[ClassicalRecipe, Tag("classical")], Discriminator(_kind)
]
