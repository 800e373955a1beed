"""Fully connected networks."""

from __future__ import annotations

from lineup.models.blocks import Stack, dense_end, hidden
from lineup.models.fit import fit_classifier as fit_model
from lineup.models.fit import libraries
from lineup.models.registry import register_model

__all__ = ["IMAGE_SHAPE", "fit_model", "libraries"]

IMAGE_SHAPE = (28, 28)


@register_model(report="A", parameters=101_770)
def shallow_nn() -> Stack:
    """One hidden layer of 128 units: the baseline of report A."""
    return dense_end(hidden(128))
