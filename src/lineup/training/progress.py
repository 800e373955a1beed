"""Print one line per epoch during training.

Examples
--------
>>> _measures("val_", 0.25, 0.9)
'val_loss 0.2500 val_accuracy 0.9000'
"""

from __future__ import annotations

import math

from lineup.records.header import Header
from lineup.records.history import PHASES, Epoch


class ConsoleProgress:
    """Listener that prints the training progress to standard output."""

    def start(self, header: Header, attempt: str, started: int) -> None:
        """Print the name of the model, the data and the device."""
        self._header = header
        data = header.data
        print(
            f"{header.name}: {header.architecture} on {data.title}, {data.training_images:,} training and"
            f" {data.validation_images:,} validation images, {header.device.name}, threads: {header.threads}",
            flush=True,
        )

    def epoch(self, row: Epoch) -> None:
        """Print the metrics and the speed of an epoch."""
        header = self._header
        phase = "" if row.phase == "classifier" else f" {row.phase}"
        epochs = header.parameters[f"{PHASES[row.phase]}epochs"]
        speed = header.data.training_images / row.seconds
        print(
            f"{header.name}{phase} epoch {row.epoch}/{epochs}  {_measures('', row.loss, row.accuracy)}"
            f"  {_measures('val_', row.val_loss, row.val_accuracy)}  {row.seconds:.1f} s  {speed:,.0f} images/s",
            flush=True,
        )


def _measures(prefix: str, loss: float, accuracy: float) -> str:
    text = f"{prefix}loss {loss:.4f}"
    return text if math.isnan(accuracy) else f"{text} {prefix}accuracy {accuracy:.4f}"
