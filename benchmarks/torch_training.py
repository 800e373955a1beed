"""A network trained in PyTorch: the images in memory, a new order for each epoch, a fused Adam."""

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
    """Return the seconds of each epoch of a training in PyTorch, the first of which warms up and compiles.

    Parameters
    ----------
    network : keras.Model
        The plain network, whose layers and weights are taken.
    images : ndarray of shape (n, 28, 28) or (n, 28, 28, 1), float32
        As the plain network takes them.
    labels : ndarray of shape (n,)
    fit : Fit
        Epochs, batch size, learning rate.
    reconstructs : bool
        Whether it learns to reconstruct its input, by the squared error, or to classify, by the cross-entropy.
    compiled : bool
        Whether layers and loss go through ``torch.compile``.

    Notes
    -----
    Images lie in memory as PyTorch wants them, channels first; in the format ``channels_last`` if they have channels,
    in which 2-D convolutions were quicker by a third on a processor. Each epoch tells loss and accuracy, as the other
    trainings do; they stay on the device until its end.
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

    step = torch.compile(losses) if compiled else losses
    return [_epoch(step, adam, inputs, targets, fit.batch_size) for _ in range(fit.epochs)]


def _epoch(step: Any, adam: torch.optim.Optimizer, inputs: Any, targets: Any, batch_size: int) -> float:
    """Train on every image once and return the seconds."""
    started = time.perf_counter()
    loss, hits = torch.zeros((), device=inputs.device), torch.zeros((), device=inputs.device)
    for batch in torch.randperm(len(inputs), device=inputs.device).split(batch_size):
        adam.zero_grad()
        batch_loss, batch_hits = step(inputs[batch], targets[batch])
        batch_loss.backward()
        adam.step()
        loss += batch_loss.detach() * len(batch)
        hits += batch_hits
    if not np.isfinite(loss.item() + hits.item()):  # which also waits for a GPU
        raise SystemExit("the training in PyTorch diverges")
    return time.perf_counter() - started


def channels_first(network: keras.Model, images: np.ndarray) -> torch.Tensor:
    """Return the plain network's images as `convert` takes them."""
    if images.ndim == 4:
        return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    if any(type(layer).__name__ == "Conv1D" for layer in network.layers):
        return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 1)))
    return torch.from_numpy(images)


def check(network: keras.Model, module: torch.nn.Module, images: np.ndarray) -> None:
    """Stop unless both networks answer the same for the same images, in inference mode."""
    wanted = network(images, training=False)
    with torch.no_grad():
        wanted = np.asarray(wanted.cpu() if isinstance(wanted, torch.Tensor) else wanted)
        found = module.eval()(channels_first(network, images))
        found = (found.permute(0, 2, 3, 1) if found.ndim == 4 else found.softmax(-1)).numpy()
    if (difference := float(np.abs(found - wanted).max())) > TOLERANCE:
        raise SystemExit(f"{network.name}: the network in PyTorch answers differently, by up to {difference}")
