"""Registry of all architectures and their builders.

A family is a module of this package. A module registers its architectures when it is imported. Builders import Keras
only when they are called, so the registry does not import TensorFlow. ``architecture("cnn", "basic_cnn")`` imports only
the module ``cnn``, so training one family runs no code of another family.

Examples
--------
>>> from lineup.models.registry import architecture
>>> architecture("cnn", "basic_cnn").parameters
693962
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lineup.errors import LineupError, expected_one_of
from lineup.models import own
from lineup.paths import find_project

if TYPE_CHECKING:
    from lineup.models.layers import Shape

Builder = Callable[..., Any]
"""Called as ``build(shape, classes, **options)``: height, width and channels of an image, and the number of classes.

It returns `lineup.models.layers.Layers` from scaled images to class probabilities. In the family ``autoencoder`` it
returns `lineup.models.autoencoder.Parts`, in ``classical`` a scikit-learn estimator.
"""

_GIVEN = ("shape", "classes")


@dataclass(frozen=True)
class Family:
    """Group of architectures that are defined in the same module and use the same trainer.

    Parameters
    ----------
    name : str
        Name of the family. Its module is ``lineup.models.<name>``.
    kind : {"network", "classical"}
        Whether its models are Keras networks or scikit-learn estimators.
    trainer : {"classifier", "autoencoder", "estimator"}
        Name of its trainer, the module ``lineup.training.<trainer>``.
    channels : bool
        Whether its networks take images (height, width, channels) instead of rows of pixels (height, width * channels).
        Default False.
    scaling : str, optional
        The only scaling of the images that its networks accept. Default: any.
    """

    name: str
    kind: str
    trainer: str
    channels: bool = False
    scaling: str | None = None


FAMILIES = {
    family.name: family
    for family in (
        Family("dense", "network", "classifier"),
        Family("wide_deep", "network", "classifier"),
        Family("conv1d", "network", "classifier"),
        Family("cnn", "network", "classifier", channels=True),
        Family("residual", "network", "classifier", channels=True),
        Family("transfer", "network", "classifier", channels=True, scaling="unit"),
        Family("autoencoder", "network", "autoencoder", channels=True, scaling="unit"),
        Family("classical", "classical", "estimator"),
        Family("project", "network", "classifier", channels=True),
    )
}
"""All families by name. ``project`` is the user's ``models.py``; see `lineup.models.own`."""

PROJECT = "project"


@dataclass(frozen=True)
class Architecture:
    """One registered architecture.

    Parameters
    ----------
    name, family : str
        Name of the builder, and the family whose module contains it.
    report : str
        Letter of the published report that describes the architecture, or an empty string.
    parameters : int
        Number of parameters for images of 28 by 28 pixels with one channel and ten classes, including
        batch-normalisation statistics. A test compares it with the network. It is 0 for classical models, whose size
        depends on the training, and if it is unknown.
    build : Callable
        The `Builder`; its other arguments are the architecture's ``options`` in ``params.yaml``.
    """

    name: str
    family: str
    report: str
    parameters: int
    build: Builder

    def make(self, shape: Shape, classes: int, options: Mapping[str, Any]) -> Any:
        """Call the builder.

        Parameters
        ----------
        shape : tuple of int
            Height, width and channels of the images.
        classes : int
            Number of classes.
        options : mapping of str to object
            The other arguments of the builder.

        Raises
        ------
        LineupError
            If the builder does not accept the options or their values, or the images are too small. In the family
            ``project``, any exception of the builder is reported as this error.
        """
        if self.family == PROJECT:
            return own.call_builder(self.build, shape, classes, options)
        try:
            return self.build(shape, classes, **options)
        except (TypeError, ValueError) as error:
            given = ", ".join(f"{name}={value!r}" for name, value in options.items())
            where = f"options of {self.name} ({given})" if given else self.name
            raise LineupError(f"{where}: {' '.join(str(error).split())}") from error

    @property
    def kind(self) -> str:
        """``network`` or ``classical``."""
        return FAMILIES[self.family].kind

    @property
    def channels(self) -> bool:
        """Return whether the network takes images with a channel axis."""
        return FAMILIES[self.family].channels

    @property
    def summary(self) -> str:
        """First line of the builder's docstring."""
        return (inspect.getdoc(self.build) or "").split("\n", 1)[0]

    @property
    def options(self) -> tuple[str, ...]:
        """Return the names of all arguments of the builder except ``shape`` and ``classes``."""
        return tuple(inspect.signature(self.build).parameters)[len(_GIVEN) :]


_ARCHITECTURES: dict[tuple[str, str], Architecture] = {}


def register_model(*, report: str = "", parameters: int = 0) -> Callable[[Builder], Builder]:
    """Return a decorator that registers the builder of an architecture.

    The module of the builder determines the family of the architecture.

    Parameters
    ----------
    report, parameters
        See `Architecture`. Default: none and unknown.

    Raises
    ------
    ValueError
        If the name is already registered in the family, or the first arguments are not ``shape`` and ``classes``.
    """

    def register(build: Builder) -> Builder:
        family = build.__module__.rpartition(".")[2]
        name = build.__name__
        if (family, name) in _ARCHITECTURES:
            raise ValueError(f"architecture {name!r} is registered twice in family {family!r}")
        found = tuple(inspect.signature(build).parameters)[: len(_GIVEN)]
        if found != _GIVEN:
            raise ValueError(
                f"{name}: expected the arguments shape and classes first, found {', '.join(found) or 'none'}"
            )
        _ARCHITECTURES[family, name] = Architecture(name, family, report, parameters, build)
        return build

    return register


def list_architectures(family: str | None = None) -> list[Architecture]:
    """Return the registered architectures of one family or of all families.

    Raises
    ------
    LineupError
        If the family does not exist, or ``models.py`` of the current project has an error.
    """
    for name in (family,) if family else FAMILIES:
        if name not in FAMILIES:
            raise LineupError(f"unknown family {name!r}; {expected_one_of(name, FAMILIES)}")
        _load(name, required=family is not None)
    return [entry for entry in _ARCHITECTURES.values() if family in (None, entry.family)]


def _load(family: str, *, required: bool) -> None:
    """Import the module of a family, which registers its architectures."""
    if family != PROJECT:
        importlib.import_module(f"lineup.models.{family}")
        return
    path = own.models_file()
    if path and own.is_loaded(path):
        return
    for key in [key for key in _ARCHITECTURES if key[0] == PROJECT]:
        del _ARCHITECTURES[key]  # registered by another project
    if required or (path and path.is_file()):
        own.load_models(path or find_project().root / own.FILE)


def architecture(family: str, name: str) -> Architecture:
    """Return one architecture.

    Raises
    ------
    LineupError
        If the family or the architecture does not exist. The message lists the known names.
    """
    found = {entry.name: entry for entry in list_architectures(family)}
    if name not in found:
        raise LineupError(f"unknown architecture {name!r} in family {family!r}; {expected_one_of(name, found)}")
    return found[name]
