"""Train a network in PyTorch with all images in memory, shuffling in each epoch and fused Adam."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional
from torch_network import convert

if TYPE_CHECKING:
    import keras

    from lineup.models.settings import Fit

TOLERANCE = 1e-4


def epoch_seconds(
    network: keras.Model, images: np.ndarray, labels: np.ndarray, fit: Fit, *, reconstructs: bool, compiled: bool
) -> list[float]:
    """Return the time of each epoch of a PyTorch training run. The first epoch includes the warm-up and compilation.

    Parameters
    ----------
    network : keras.Model
        Plain network. Its layers and weights are converted to PyTorch.
    images : ndarray of shape (n, 28, 28) or (n, 28, 28, 1), float32
        Scaled images, as the plain network takes them.
    labels : ndarray of shape (n,)
    fit : Fit
        Epochs, batch size and learning rate.
    reconstructs : bool
        Whether the network reconstructs its input (squared error) or classifies it (cross-entropy).
    compiled : bool
        Whether to compile the layers and the loss with ``torch.compile``. On a GPU, the mode ``reduce-overhead`` also
        records them as CUDA graphs.

    Notes
    -----
    The images have the channels first. Images with channels use the memory format ``channels_last``, in which 2-D
    convolutions were faster by a third on a CPU. The loss and the accuracy of each epoch are computed, as in the other
    variants. They stay on the device until the end of the epoch.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32, which TensorFlow uses by default
    module, inputs = convert(network), channels_first(network, images)
    check(network, module, images[:64])
    memory = torch.channels_last if inputs.ndim == 4 else torch.preserve_format
    module = module.train().to(device, memory_format=memory)
    inputs = inputs.to(device, memory_format=memory)
    targets = inputs if reconstructs else torch.from_numpy(labels.astype(np.int64)).to(device)
    adam = torch.optim.Adam(module.parameters(), fit.learning_rate, eps=1e-7, fused=True)

    def losses(batch: torch.Tensor, wanted: torch.Tensor) -> Any:
        outputs = module(batch)
        if reconstructs:
            return functional.mse_loss(outputs, wanted), torch.zeros((), device=device)
        return functional.cross_entropy(outputs, wanted), (outputs.argmax(1) == wanted).sum()

    mode = "reduce-overhead" if device == "cuda" else None
    step = torch.compile(losses, mode=mode) if compiled else losses
    return [_epoch(step, adam, inputs, targets, fit.batch_size) for _ in range(fit.epochs)]


def _epoch(step: Any, adam: torch.optim.Optimizer, inputs: Any, targets: Any, batch_size: int) -> float:
    """Train on each image once, and return the time in seconds."""
    started = time.perf_counter()
    loss, hits = torch.zeros((), device=inputs.device), torch.zeros((), device=inputs.device)
    for batch in torch.randperm(len(inputs), device=inputs.device).split(batch_size):
        adam.zero_grad()
        batch_loss, batch_hits = step(inputs[batch], targets[batch])
        batch_loss.backward()
        adam.step()
        loss += batch_loss.detach() * len(batch)
        hits += batch_hits
    if not np.isfinite(loss.item() + hits.item()):  # this also waits for a GPU
        raise SystemExit("the training in PyTorch diverges")
    return time.perf_counter() - started


def channels_first(network: keras.Model, images: np.ndarray) -> torch.Tensor:
    """Convert the images of the plain network to the format that `convert` requires."""
    if images.ndim == 4:
        return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    if any(type(layer).__name__ == "Conv1D" for layer in network.layers):
        return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 1)))
    return torch.from_numpy(images)


def check(network: keras.Model, module: torch.nn.Module, images: np.ndarray) -> None:
    """Raise an error unless both networks give the same predictions in inference mode."""
    wanted = network(images, training=False)
    with torch.no_grad():
        wanted = np.asarray(wanted.cpu() if isinstance(wanted, torch.Tensor) else wanted)
        found = module.eval()(channels_first(network, images))
        found = (found.permute(0, 2, 3, 1) if found.ndim == 4 else found.softmax(-1)).numpy()
    if (difference := float(np.abs(found - wanted).max())) > TOLERANCE:
        raise SystemExit(f"{network.name}: the network in PyTorch answers differently, by up to {difference}")
