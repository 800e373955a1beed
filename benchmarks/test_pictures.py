"""The pictures of the benchmark are image files that show the garment."""

from pathlib import Path

import numpy as np
import pytest
from pictures import BACKGROUNDS, OTHERS, draw

from lineup.data.pictures import read_picture
from lineup.data.preparation import cut_out_and_negate


def garment() -> np.ndarray:
    """Return an image like those of the dataset, with a grey shape on a black background."""
    image = np.zeros((28, 28), np.uint8)
    image[2:26, 8:20] = 150
    image[2:8, :] = 150
    return image


@pytest.mark.parametrize("kind", [*BACKGROUNDS, *OTHERS])
def test_the_preparation_recovers_the_garment(kind: str, tmp_path: Path) -> None:
    """The preparation works on all backgrounds except backgrounds with many colours."""
    path = draw(kind, garment(), np.random.default_rng(2), tmp_path / "picture")
    assert path.parent == tmp_path
    picture = read_picture(path)
    assert max(picture.shape[:2]) <= 400
    if kind != "many colours":
        image = cut_out_and_negate(picture, (28, 28, 1))
        assert np.mean((image > 40) == (garment() > 0)) > 0.85
