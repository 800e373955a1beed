"""Fully connected networks."""

from __future__ import annotations

from lineup.models.layers import Stack, dense_end, hidden
from lineup.models.registry import register_model


@register_model(report="A", parameters=101_770)
def shallow_nn() -> Stack:
    """One hidden layer of 128 units: the baseline of report A."""
    return dense_end(hidden(128))
