"""Build classifiers from the networks of ``keras.applications``, with pretrained weights from a file.

lineup does not download weights. On a machine with internet access, save the weights with
``keras.applications.MobileNetV2(include_top=False).save_weights("mobilenet_v2.weights.h5")``. The files that Keras
downloads are also accepted, if their names end with ``_no_top.h5``.

Examples
--------
>>> from lineup.models.registry import architecture
>>> architecture("transfer", "mobilenet_v2").options
('weights', 'sha256', 'trainable', 'size', 'dropout')
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lineup.errors import shortened
from lineup.files import file_sha256
from lineup.models.layers import Layers, Shape
from lineup.models.registry import register_model
from lineup.paths import find_project

if TYPE_CHECKING:
    import keras

_SMALLEST = 32
"""Smallest height and width of the images for these networks, in pixels."""


@register_model(parameters=2_270_794)
def mobilenet_v2(
    shape: Shape,
    classes: int,
    weights: str = "",
    sha256: str = "",
    trainable: bool = True,
    size: int = 0,
    dropout: float = 0.2,
) -> Layers:
    """MobileNetV2 with global average pooling (Sandler et al., 2018). The options are described in
    `docs/parameters.md`.
    """
    from keras import applications, layers

    backbone = _backbone(applications.MobileNetV2, shape, size, weights, sha256, trainable)
    return [*_three_channels(shape, backbone), layers.Rescaling(2.0, -1.0), backbone, *_head(classes, dropout)]


@register_model(parameters=5_932_122)
def efficientnet_v2_b0(
    shape: Shape,
    classes: int,
    weights: str = "",
    sha256: str = "",
    trainable: bool = True,
    size: int = 0,
    dropout: float = 0.2,
) -> Layers:
    """EfficientNetV2-B0 with global average pooling (Tan and Le, 2021). The options are described in
    `docs/parameters.md`.
    """
    from keras import applications, layers

    # The network contains its own scaling, for pixels from 0 to 255.
    backbone = _backbone(applications.EfficientNetV2B0, shape, size, weights, sha256, trainable)
    return [*_three_channels(shape, backbone), layers.Rescaling(255.0), backbone, *_head(classes, dropout)]


def _backbone(
    build: Callable[..., keras.Model], shape: Shape, size: int, weights: str, sha256: str, trainable: bool
) -> keras.Model:
    """Return a network without its last layers. The network takes images of the given size.

    Parameters
    ----------
    build : callable
        Function of ``keras.applications``.
    shape : tuple of int
        Height, width and channels of the images.
    size : int
        Length of the shorter edge after resizing, or 0 to resize only images that are too small.
    weights, sha256 : str
        Weights file, relative to the project folder, and its SHA-256. An empty path means random weights.
    trainable : bool
        Whether the weights change in training.

    Raises
    ------
    ValueError
        If the file is missing, has another SHA-256 or does not fit the network, or a frozen network has no weights.
    """
    if not weights and not trainable:
        raise ValueError("weights: missing; a network with trainable: false requires pretrained weights")
    if size and size < _SMALLEST:
        raise ValueError(f"size: expected 0 or at least {_SMALLEST}, found {size}")
    height, width, _ = shape
    scale = max((size or _SMALLEST) / min(height, width), 0.0 if size else 1.0)
    edges = round(scale * height), round(scale * width)
    backbone = build(include_top=False, weights=None, input_shape=(*edges, 3))
    if weights:
        _load(backbone, weights, sha256)
    backbone.trainable = trainable
    return backbone


def _load(backbone: keras.Model, weights: str, sha256: str) -> None:
    """Load the weights of a network from a file. The settings of a model contain the SHA-256 of the file."""
    path = find_project().root / weights
    if not path.is_file():
        raise ValueError(f"weights: {path}: no such file")
    found = file_sha256(path)
    if found != sha256:
        expected = f"expected {shortened(sha256)}, found {found}" if sha256 else f"missing; add sha256: {found}"
        raise ValueError(f"sha256 of {path}: {expected}")
    try:
        with warnings.catch_warnings(action="error", category=UserWarning):  # Keras warns if it skips a layer
            backbone.load_weights(path)
    except Exception as error:  # damaged files cause many types of errors in zipfile, h5py and Keras
        raise ValueError(f"weights: {path}: expected weights of {backbone.name}: {shortened(error)}") from error


def _three_channels(shape: Shape, backbone: keras.Model) -> Layers:
    """Return layers that convert images to three channels and to the image size of a network."""
    from keras import layers

    height, width = backbone.input_shape[1:3]
    if shape[2] not in (1, 3):
        raise ValueError(f"expected images with 1 or 3 channels, found {shape[2]}")
    found: Layers = [] if shape[2] == 3 else [lambda tensor: layers.Concatenate()([tensor] * 3)]
    return found if shape[:2] == (height, width) else [*found, layers.Resizing(height, width)]


def _head(classes: int, dropout: float) -> list[Callable[[Any], Any]]:
    from keras import layers

    return [layers.GlobalAveragePooling2D(), layers.Dropout(dropout), layers.Dense(classes, activation="softmax")]
