"""The PyTorch networks and the Keras networks give the same predictions, and the operations are counted correctly."""

from __future__ import annotations

from typing import Any

import common
import numpy as np
import pytest
from operations import training_operations
from training import NETWORKS


def with_random_weights(name: str) -> Any:
    """Return a plain network with random biases and statistics instead of zeros and ones."""
    random = np.random.default_rng(1)
    network = common.plain_network(name)
    network.set_weights([weight + random.uniform(0, 0.2, weight.shape) for weight in network.get_weights()])
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_torch_network_is_the_same(name: str) -> None:
    """Equal weights give equal predictions, and the number of operations equals PyTorch's count."""
    pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode
    from torch_network import convert
    from torch_training import channels_first, check

    network = with_random_weights(name)
    pixels = np.random.default_rng(2).integers(0, 256, (8, 28, 28), dtype=np.uint8)
    images = common.scaled(name, pixels)
    module = convert(network)
    check(network, module, images)
    with FlopCounterMode(display=False) as counted:
        module.train()(channels_first(network, images)).sum().backward()
    assert training_operations(network) == counted.get_total_flops() / len(images)


def test_operations_of_two_networks_counted_by_hand() -> None:
    """The factor is two for the first layer, and three for layers that also need the gradient of their input."""
    hidden, output = 784 * 128, 128 * 10
    assert training_operations(common.plain_network("shallow_nn")) == 2 * (2 * hidden + 3 * output)
    convolution, hidden, output = 26 * 26 * 32 * 9, 13 * 13 * 32 * 128, 128 * 10
    assert training_operations(common.plain_network("basic_cnn")) == 2 * (2 * convolution + 3 * (hidden + output))
