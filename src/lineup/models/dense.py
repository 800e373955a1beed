"""Fully connected networks.

Examples
--------
>>> from lineup.models.registry import architecture
>>> architecture("dense", "shallow_nn").parameters  # on 28 x 28 pixels and ten classes
101770
"""

from __future__ import annotations

from lineup.models.layers import Layers, Shape, dense_end, hidden
from lineup.models.registry import register_model


@register_model(report="A", parameters=101_770)
def shallow_nn(shape: Shape, classes: int) -> Layers:
    """Network with one hidden layer of 128 units (baseline of report A)."""
    return dense_end(classes, hidden(128))
