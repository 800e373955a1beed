"""Convert a Keras network to the PyTorch network that a user would write by hand.

The PyTorch network does not scale the pixels, as in the plain Keras script. It takes scaled images with the channels
first. It has no softmax, because the cross-entropy of PyTorch takes logits. `torch.fx` generates the ``forward``
method, with one line per layer.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    import keras


def convert(network: keras.Model) -> torch.fx.GraphModule:
    """Return a PyTorch module with the layers and the weights of a Keras network.

    Parameters
    ----------
    network : keras.Model
        Network of any backend that contains only layers that lineup's networks use.

    Returns
    -------
    torch.fx.GraphModule
        Module that maps scaled images to logits or to reconstructed images. The images are float32 arrays. Their shape
        is (n, 1, 28, 28) for 2-D convolutions, (n, 28 columns, 28 rows) for 1-D convolutions, and (n, 28, 28)
        otherwise.

    Raises
    ------
    ValueError
        If the network contains a layer of another type.
    """
    convolves = any(type(layer).__name__ in ("Conv1D", "Conv2D") for layer in network.layers)
    graph = torch.fx.Graph()
    modules: dict[str, nn.Module] = {}
    nodes: dict[int, Any] = {id(network.input): graph.placeholder("images")}
    for layer in network.layers[1:]:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        arguments = [nodes[id(tensor)] for tensor in inputs]
        match type(layer).__name__:
            case "Add":
                node = graph.call_function(operator.add, tuple(arguments))
            case "Concatenate":
                node = graph.call_function(torch.cat, (arguments, -1))
            case _:
                (node,) = arguments
                for number, module in enumerate([*_modules(layer, convolves), *_activation(layer)]):
                    modules[f"{layer.name}_{number}"] = module
                    node = graph.call_module(f"{layer.name}_{number}", (node,))
        nodes[id(layer.output)] = node
    graph.output(nodes[id(network.output)])
    return torch.fx.GraphModule(modules, graph)


class Permuted(nn.Module):  # type: ignore[misc]
    """Layer that permutes the axes without copying the data."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a view of the input."""
        return tensor.permute(self.axes)


class RowNorm(nn.BatchNorm1d):  # type: ignore[misc]
    """Batch normalisation of the last axis of an array of shape (n, rows, features)."""

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the normalised features."""
        return super().forward(tensor.flatten(0, 1)).view_as(tensor)


class Cropped(nn.Module):  # type: ignore[misc]
    """Layer that removes the last row and the last column of an image."""

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a view of the images."""
        return tensor[:, :, :-1, :-1]


def _modules(layer: keras.Layer, convolves: bool) -> list[nn.Module]:
    """Return the PyTorch modules for a layer with one input, without its activation. The list may be empty."""
    shape = layer.input.shape[1:]
    match type(layer).__name__:
        case "Rescaling":
            return []
        case "Reshape":
            # PyTorch's images already have the channel axis. In a decoder, the channels become the last axis.
            return [] if layer.name == "channels" else [nn.Unflatten(1, layer.target_shape), Permuted(0, 3, 1, 2)]
        case "Dense":
            return [_linear(layer)]
        case "Conv1D":
            return [_conv1d(layer)]
        case "Conv2D":
            return _conv2d(layer)
        case "BatchNormalization":
            rows = RowNorm if not convolves else nn.BatchNorm1d
            return [_batch_norm(layer, rows if len(shape) == 2 else nn.BatchNorm2d)]
        case "MaxPooling1D":
            return [nn.MaxPool1d(2)]
        case "MaxPooling2D":
            return [nn.MaxPool2d(2)]
        case "GlobalAveragePooling2D":
            return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        case "UpSampling2D":
            return [nn.Upsample(scale_factor=2)]
        case "Cropping2D" if layer.cropping == ((0, 1), (0, 1)):
            return [Cropped()]
        case "Flatten":
            # Keras flattens with the channels last, and the weights of the next layer have this order.
            channels_last = [Permuted(0, *range(2, len(shape) + 1), 1)] if convolves else []
            return [*channels_last, nn.Flatten()]
        case "Dropout":
            return [nn.Dropout(layer.rate)]
        case "ReLU":
            return [nn.ReLU(inplace=True)]
        case kind:
            raise ValueError(f"layer {layer.name}: no PyTorch module is known for {kind}")


def _activation(layer: keras.Layer) -> list[nn.Module]:
    name = layer.activation.__name__ if hasattr(layer, "activation") else "linear"
    return {"relu": [nn.ReLU(inplace=True)], "sigmoid": [nn.Sigmoid()], "softmax": [], "linear": []}[name]


def _linear(layer: keras.Layer) -> nn.Module:
    kernel, bias = layer.get_weights()
    return _with_weights(nn.Linear(*kernel.shape), weight=kernel.T, bias=bias)


def _conv1d(layer: keras.Layer) -> nn.Module:
    kernel, bias = layer.get_weights()
    size, before, filters = kernel.shape
    return _with_weights(nn.Conv1d(before, filters, size), weight=kernel.transpose(2, 1, 0), bias=bias)


def _conv2d(layer: keras.Layer) -> list[nn.Module]:
    kernel, *bias = layer.get_weights()
    size, _, before, filters = kernel.shape
    first, last = _padding(layer, size)
    padding = first if first == last else 0
    module = nn.Conv2d(before, filters, size, layer.strides, padding, bias=bool(bias))
    _with_weights(module, weight=kernel.transpose(3, 2, 0, 1), **({"bias": bias[0]} if bias else {}))
    return [module] if first == last else [nn.ZeroPad2d((first, last, first, last)), module]


def _padding(layer: keras.Layer, size: int) -> tuple[int, int]:
    """Return the number of pixels that Keras adds before and after each axis of a square image."""
    if layer.padding == "valid":
        return 0, 0
    width, stride = layer.input.shape[1], layer.strides[0]
    total = max((math.ceil(width / stride) - 1) * stride + size - width, 0)
    return total // 2, total - total // 2


def _batch_norm(layer: keras.Layer, kind: type[nn.Module]) -> nn.Module:
    gamma, beta, mean, variance = layer.get_weights()
    # In Keras, `momentum` is the weight of the old statistics. In PyTorch, it is the weight of the new ones.
    module = kind(len(gamma), eps=layer.epsilon, momentum=1 - layer.momentum)
    return _with_weights(module, weight=gamma, bias=beta, running_mean=mean, running_var=variance)


def _with_weights(module: nn.Module, **weights: np.ndarray) -> nn.Module:
    """Copy weights into a module and return it."""
    state = {name: torch.tensor(np.ascontiguousarray(value)) for name, value in weights.items()}
    module.load_state_dict(state, strict=False)
    return module
