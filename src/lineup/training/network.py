"""Save, load and hash trained Keras networks.

Examples
--------
>>> _numbered(b'{"shared_object_id": 140235}')
b'{"shared_object_id": 0}'
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineup.errors import LineupError, shortened
from lineup.files import open_regular, replacing_file
from lineup.records.header import Weights
from lineup.training.loop import predict

if TYPE_CHECKING:
    import keras

NETWORK = "network.keras"
_MIRRORED = "_mirrored"
_SNAPSHOTS = "_snapshots"


@dataclass(frozen=True)
class Network:
    """A Keras network as a `Model`."""

    keras_model: keras.Model

    def predict(self, images: np.ndarray) -> np.ndarray:
        """See `Model`."""
        return predict(self.keras_model, images)

    def save(self, folder: Path) -> None:
        """See `Model`."""
        path = folder / NETWORK
        self.keras_model.save(path)
        _reproducible(path)

    @cached_property
    def weights(self) -> Weights:
        """Return the number of parameters and a hash of the parameter values.

        Parameters count as frozen if they are not trained in the last phase of the training. The statistics of batch
        normalisation also count as frozen.
        """
        network = self.keras_model
        count = network.count_params()
        trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
        return Weights(count, trainable, count - trainable, weights_sha256(network))


def _reproducible(path: Path) -> None:
    """Remove dates and memory addresses from a ``.keras`` archive, so that equal networks give equal files."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["metadata.json"] = json.dumps(json.loads(parts["metadata.json"]) | {"date_saved": ""}).encode()
    parts["config.json"] = _numbered(parts["config.json"])
    with replacing_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # with the earliest date of the ZIP format


def _numbered(config: bytes) -> bytes:
    """Replace the memory addresses in a Keras configuration with consecutive numbers."""
    numbers: dict[int, int] = {}

    def number(part: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in part:
            part["shared_object_id"] = numbers.setdefault(part["shared_object_id"], len(numbers))
        return part

    return json.dumps(json.loads(config, object_hook=number)).encode()


def load_network(path: Path) -> keras.Model:
    """Load a network that `Network.save` wrote. Code in the file is not executed.

    Raises
    ------
    LineupError
        If the file is missing, damaged or of another kind.
    """
    from lineup.training.devices import quiet_stderr

    with quiet_stderr():
        import keras
    try:
        open_regular(path).close()
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # damaged files cause many types of errors in zipfile, json, h5py and Keras
        reason = shortened(error) or type(error).__name__
        raise LineupError(f"{path}: expected a Keras network, found a damaged or different file: {reason}") from error


def with_mirrored_images(network: keras.Model) -> keras.Model:
    """Return a network that averages two predictions: one for the image and one for its mirror image.

    See `inner_network` for the reverse.
    """
    import keras

    images = keras.Input(network.input_shape[1:], dtype="uint8", name="images")
    mirrored = keras.ops.flip(images, axis=2)
    mean = keras.layers.Average(name="mean", dtype="float32")([network(images), network(mirrored)])
    return keras.Model(images, mean, name=f"{network.name}{_MIRRORED}")


def average_of_snapshots(network: keras.Model, snapshots: Sequence[Sequence[np.ndarray]]) -> keras.Model:
    """Return a network that averages the probabilities from several snapshots of one network.

    Parameters
    ----------
    network : keras.Model
    snapshots : sequence of sequence of ndarray
        The weights of each copy.

    See `inner_network` for the reverse.
    """
    import keras

    images = keras.Input(network.input_shape[1:], dtype="uint8", name="images")
    copies = []
    for number, weights in enumerate(snapshots, start=1):
        copy = keras.models.clone_model(network)
        copy.name = f"{network.name}_{number}"
        copy.set_weights(weights)
        copies.append(copy)
    mean = keras.layers.Average(name="mean", dtype="float32")([copy(images) for copy in copies])
    return keras.Model(images, mean, name=f"{network.name}{_SNAPSHOTS}")


def inner_network(network: keras.Model) -> keras.Model:
    """Return the inner network, which uses no mirrored images and only the last snapshot."""
    if network.name.endswith(_MIRRORED):
        network = network.get_layer(network.name.removesuffix(_MIRRORED))
    if network.name.endswith(_SNAPSHOTS):
        copies = len(network.layers) - 2  # without the input and the mean
        network = network.get_layer(f"{network.name.removesuffix(_SNAPSHOTS)}_{copies}")
    return network


def weights_sha256(network: keras.Model) -> str:
    """Return a hash that identifies the weights of a network."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(str((weight.dtype, weight.shape)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
