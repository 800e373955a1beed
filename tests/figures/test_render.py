"""Plot the figures of a record, including the images in its model folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.figures.render import figures_of
from lineup.npz import write_npz
from tests.make_records import make_record, model_folder, random_predictions


def test_reconstructions_without_their_images_are_named(tmp_path: Path) -> None:
    write_npz(model_folder(tmp_path / "small") / "figures.npz", {"originals": np.zeros((2, 28, 28), np.uint8)})
    record = make_record(tmp_path / "small", random_predictions(1))
    with pytest.raises(LineupError, match=r"figures\.npz: contains \['originals'\], expected \['originals', 'reconstr"):
        figures_of(record)
