"""Load the model of a record, which is a network, an estimator or a committee.

The loaded model accepts raw images without any preprocessing. Predictions do not require MLflow.

Examples
--------
>>> as_images([[0, 255], [128, 64]], shape=(2, 2, 1)).shape
(1, 2, 2)
>>> accepted_shapes((32, 32, 3))
'(n, 32, 32, 3) or (n, 3072)'
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineup.batches import NETWORK_BATCH, in_batches
from lineup.committee.model import COMMITTEE, read_committee
from lineup.errors import LineupError, shortened

if TYPE_CHECKING:
    from lineup.models.layers import Shape

MAX_IMAGES = 10_000
"""Largest number of images per call."""

Predictor = Callable[[np.ndarray], np.ndarray]
PredictorWithAgreement = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
PredictorWithMembers = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def accepted_shapes(shape: Shape) -> str:
    """List the array shapes that `as_images` accepts, for an error message."""
    height, width, channels = shape
    grey = [f"(n, {height}, {width})"] if channels == 1 else []
    *others, last = [*grey, f"(n, {height}, {width}, {channels})", f"(n, {math.prod(shape)})"]
    return f"{', '.join(others)} or {last}"


def as_images(values: Any, shape: Shape) -> np.ndarray:
    """Convert images to a uint8 array with the shape that the model expects.

    Parameters
    ----------
    values : array_like
        Pixels from 0 to 255 in one of the `accepted_shapes`, for at most `MAX_IMAGES` images. A single image without
        the first axis and an empty list are also accepted. Whole numbers of other types are accepted, because JSON has
        no uint8.
    shape : tuple of int
        Height, width and channels of the model's images.

    Returns
    -------
    ndarray of uint8
        Of shape (n, height, width) for one channel, otherwise (n, height, width, channels).

    Raises
    ------
    LineupError
        If there are too many images, the values are not an array of numbers, the shape is not accepted, or a value is
        not a whole number from 0 to 255.
    """
    if (count := _length(values)) > MAX_IMAGES:
        raise LineupError(f"images: expected at most {MAX_IMAGES:,} per request, found {count:,}; send them in parts")
    try:
        images = np.asarray(values)
    except ValueError as error:
        raise LineupError("images: expected an array of numbers, found lists of unequal lengths") from error
    if images.dtype.kind not in "biuf":
        raise LineupError(f"images: expected an array of numbers, found {shortened(images.dtype, 80)}")
    images = _in_shape(images, shape)
    if images.dtype == np.uint8:
        return images
    with np.errstate(invalid="ignore"):  # the next line rejects NaN and numbers that are too large
        whole = images.astype(np.uint8)
    if not np.array_equal(whole, images):
        raise LineupError("images: every pixel must be a whole number from 0 to 255")
    return whole


def _in_shape(images: np.ndarray, shape: Shape) -> np.ndarray:
    """Reshape images to the shape that the model expects. If the images have only one channel, the channel axis is
    removed.
    """
    stored = shape[:2] if shape[2] == 1 else shape
    if images.shape == (0,):
        return images.reshape(0, *stored)
    if images.shape in (stored, shape):
        return images.reshape(1, *stored)
    if images.shape[1:] in (stored, shape, (math.prod(shape),)):
        return images.reshape(len(images), *stored)
    raise LineupError(f"images of shape {images.shape}: expected {accepted_shapes(shape)}")


def _length(values: Any) -> int:
    try:
        return len(values)
    except TypeError:  # a number, or an array without dimensions
        return 1


def load_predictor(folder: Path, shape: Shape) -> Predictor:
    """Load the model from the ``model/`` folder of a record.

    Parameters
    ----------
    folder : Path
        Folder that contains ``network.keras``, ``estimator.skops``, or ``committee.json`` with the folders of the
        members.
    shape : tuple of int
        Height, width and channels of the images, as in the record.

    Returns
    -------
    callable
        Function that maps uint8 images, as returned by `as_images`, to float32 probabilities (n, classes). A committee
        evaluates only the members that are needed, see `lineup.committee.fitting.FittedRule.apply_lazily`.

    Raises
    ------
    LineupError
        If the folder contains none of these files, or the file is damaged or of another kind.
    """
    if (folder / COMMITTEE).is_file():
        predict = _load_committee(folder, shape, lazy=True)
        return lambda images: predict(images)[0]
    if (folder / "network.keras").is_file():
        return _load_network(folder / "network.keras")
    if (folder / "estimator.skops").is_file():
        return _load_estimator(folder / "estimator.skops", shape)
    raise LineupError(f"{folder}: no network.keras, estimator.skops or {COMMITTEE} here")


def load_with_agreement(folder: Path, shape: Shape) -> PredictorWithAgreement:
    """Load a model that returns class probabilities and the agreement of its members.

    Parameters
    ----------
    folder, shape
        See `load_predictor`.

    Returns
    -------
    callable
        Function that maps uint8 images to float32 probabilities (n, classes) and agreement (n,). The agreement is the
        share of members, from 0 to 1, with the same most probable class as the committee. It is 1 for a single model.
        A committee evaluates only the members that are needed. The agreement does not include the other members.
    """
    is_committee = (folder / COMMITTEE).is_file()
    with_members = _load_committee(folder, shape, lazy=True) if is_committee else load_with_members(folder, shape)

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probabilities, each = with_members(images)
        return probabilities, agreement(probabilities, each)

    return predict


def load_with_members(folder: Path, shape: Shape, members: Mapping[str, Path] | None = None) -> PredictorWithMembers:
    """Load a committee that also returns the class probabilities of each member.

    Parameters
    ----------
    folder, shape
        See `load_predictor`.
    members : mapping of str to Path, optional
        Folder of the model of each member of a committee, by the member's label. Default: ``members/<label>`` in
        ``folder``.

    Returns
    -------
    callable
        Function that maps uint8 images to float32 probabilities (n, classes), and to those of each member (members, n,
        classes). A single model is its only member. All members of a committee are evaluated.
    """
    if (folder / COMMITTEE).is_file():
        return _load_committee(folder, shape, members)
    single = load_predictor(folder, shape)

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probabilities = single(images)
        return probabilities, probabilities[None]

    return predict


def agreement(probabilities: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Compute the fraction of members that agree with the committee.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, classes)
        Of the committee.
    each : ndarray of float, shape (members, n, classes)
        Of each member. NaN where a member was not evaluated. The agreement does not include such members.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    evaluated = ~np.isnan(each[:, :, 0])
    same = (each.argmax(axis=2) == probabilities.argmax(axis=1)) & evaluated
    shares: np.ndarray = same.sum(axis=0) / evaluated.sum(axis=0)
    return shares


def _load_network(path: Path) -> Predictor:
    from lineup.training.network import load_network

    network = load_network(path)

    def predict(images: np.ndarray) -> np.ndarray:
        return in_batches(lambda batch: np.asarray(network(batch, training=False)), images, NETWORK_BATCH)

    return predict


def _load_estimator(path: Path, shape: Shape) -> Predictor:
    from lineup.training.estimator import predict_estimator
    from lineup.training.skops_file import load_estimator

    return partial(predict_estimator, load_estimator(path, math.prod(shape)))


def _load_committee(
    folder: Path, shape: Shape, members: Mapping[str, Path] | None = None, *, lazy: bool = False
) -> PredictorWithMembers:
    """Load a committee. If ``lazy`` is true, the committee skips members that are not needed (see `agreement`)."""
    names, fitted = read_committee(folder)
    places = {name: folder / "members" / name for name in names} if members is None else members
    if absent := [name for name in names if name not in places]:
        raise LineupError(f"{folder / COMMITTEE}: no model for the member {absent[0]}")
    predictors = [load_predictor(places[name], shape) for name in names]

    def predict(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if lazy:
            return fitted.apply_lazily(lambda member, rows: predictors[member](images[rows]), len(images))
        each = np.stack([predictor(images) for predictor in predictors])
        return fitted.apply(each), each

    return predict
