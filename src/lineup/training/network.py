"""A trained Keras network: predict, save reproducibly, load without running code, hash its weights."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lineup.errors import LineupError, shortened
from lineup.files import open_regular, replacing_file
from lineup.records.record import Weights
from lineup.training.loop import predict

if TYPE_CHECKING:
    import keras

NETWORK = "network.keras"


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
        """Frozen is what the optimiser did not change last, the running statistics of batch normalisation included."""
        network = self.keras_model
        count = network.count_params()
        trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
        return Weights(count, trainable, count - trainable, weights_sha256(network))


def _reproducible(path: Path) -> None:
    """Write a ``.keras`` archive anew without date and addresses in memory, so that equal networks are equal files."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["metadata.json"] = json.dumps(json.loads(parts["metadata.json"]) | {"date_saved": ""}).encode()
    parts["config.json"] = _numbered(parts["config.json"])
    with replacing_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # whose date is the earliest that an archive can hold


def _numbered(config: bytes) -> bytes:
    """Return a configuration whose shared objects are numbered as they come; Keras writes their addresses in memory."""
    numbers: dict[int, int] = {}

    def number(part: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in part:
            part["shared_object_id"] = numbers.setdefault(part["shared_object_id"], len(numbers))
        return part

    return json.dumps(json.loads(config, object_hook=number)).encode()


def load_network(path: Path) -> keras.Model:
    """Read a network that `Network.save` wrote; no code in the file is run.

    Raises
    ------
    LineupError
        If the file is missing, damaged or something else.
    """
    from lineup.training.devices import quiet_stderr

    with quiet_stderr():
        import keras
    try:
        open_regular(path).close()
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # damage surfaces as any of a dozen types, out of zipfile, json, h5py, Keras
        reason = shortened(error) or type(error).__name__
        raise LineupError(
            f"{path}: expected a network of Keras, found a damaged or different file: {reason}"
        ) from error


def weights_sha256(network: keras.Model) -> str:
    """Return a hash of all weights: the identity of a trained network."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(str((weight.dtype, weight.shape)).encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()
