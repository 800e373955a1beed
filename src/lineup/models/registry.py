"""The registry of architectures: a name, what it is, and the function that builds it.

A family is a module of this package. Importing one registers its architectures and does not import TensorFlow: the
builders import Keras when they are called. ``architecture("cnn", "basic_cnn")`` imports the module ``cnn`` alone, so
that training one family runs no code of another.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lineup.errors import LineupError, expected_one_of

# A builder returns a `lineup.models.layers.Stack` from scaled images to class probabilities. For the family
# ``autoencoder`` it returns the parts that are trained one after another, for ``classical`` an estimator.
Builder = Callable[..., Any]


@dataclass(frozen=True)
class Family:
    """Architectures of one module that are trained in the same way.

    Parameters
    ----------
    name : str
        Its module is ``lineup.models.<name>``.
    kind : {"network", "classical"}
        A Keras network or a scikit-learn estimator.
    trainer : {"classifier", "autoencoder", "estimator"}
        Its training is in the module ``lineup.training.<trainer>``.
    channels : bool
        Whether its networks take images with a channel axis, (28, 28, 1); the others take rows of pixels, (28, 28).
    """

    name: str
    kind: str
    trainer: str
    channels: bool = False


FAMILIES = {
    family.name: family
    for family in (
        Family("dense", "network", "classifier"),
        Family("wide_deep", "network", "classifier"),
        Family("conv1d", "network", "classifier"),
        Family("cnn", "network", "classifier", channels=True),
        Family("residual", "network", "classifier", channels=True),
        Family("autoencoder", "network", "autoencoder", channels=True),
        Family("classical", "classical", "estimator"),
    )
}


@dataclass(frozen=True)
class Architecture:
    """One registered architecture.

    Parameters
    ----------
    name, family : str
        The builder's name and the module that holds it.
    report : str
        Letter of the published report that describes it.
    parameters : int
        Number of parameters, batch-normalisation statistics included; a test builds the network and counts. 0 for a
        classical model, whose size depends on its training.
    build : Callable
        The builder; its keyword arguments are the architecture's ``options`` in ``params.yaml``.
    """

    name: str
    family: str
    report: str
    parameters: int
    build: Builder

    def make(self, options: Mapping[str, Any]) -> Any:
        """Call the builder.

        Raises
        ------
        LineupError
            If it does not take these options, or not these values.
        """
        try:
            return self.build(**options)
        except (TypeError, ValueError) as error:
            given = ", ".join(f"{name}={value!r}" for name, value in options.items())
            raise LineupError(f"options of {self.name} ({given}): {' '.join(str(error).split())}") from error

    @property
    def kind(self) -> str:
        """``network`` or ``classical``."""
        return FAMILIES[self.family].kind

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one scaled image that its network takes."""
        return (28, 28, 1) if FAMILIES[self.family].channels else (28, 28)

    @property
    def summary(self) -> str:
        """First line of the builder's docstring."""
        return (inspect.getdoc(self.build) or "").split("\n", 1)[0]

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that the builder accepts."""
        return tuple(inspect.signature(self.build).parameters)


_ARCHITECTURES: dict[tuple[str, str], Architecture] = {}


def register_model(*, report: str, parameters: int) -> Callable[[Builder], Builder]:
    """Return a decorator that registers a builder under its own name, in the family of its module.

    Raises
    ------
    ValueError
        If the family has the name already: a second one would silently replace the first.
    """

    def register(build: Builder) -> Builder:
        family = build.__module__.rpartition(".")[2]
        name = build.__name__
        if (family, name) in _ARCHITECTURES:
            raise ValueError(f"architecture {name!r} is registered twice in family {family!r}")
        _ARCHITECTURES[family, name] = Architecture(name, family, report, parameters, build)
        return build

    return register


def list_architectures(family: str | None = None) -> list[Architecture]:
    """Return the registered architectures of one family, or of all, in the order of their definition.

    Raises
    ------
    LineupError
        If there is no such family.
    """
    for name in (family,) if family else FAMILIES:
        if name not in FAMILIES:
            raise LineupError(f"unknown family {name!r}; {expected_one_of(name, FAMILIES)}")
        importlib.import_module(f"lineup.models.{name}")
    return [entry for entry in _ARCHITECTURES.values() if family in (None, entry.family)]


def architecture(family: str, name: str) -> Architecture:
    """Return one architecture.

    Raises
    ------
    LineupError
        If there is no such family, or no such name in it; the message lists what there is.
    """
    found = {entry.name: entry for entry in list_architectures(family)}
    if name not in found:
        raise LineupError(f"unknown architecture {name!r} in family {family!r}; {expected_one_of(name, found)}")
    return found[name]
