"""Choose the settings of a new project that uses the user's own images.

These settings are the image size, the models, the epochs and the committees.

Examples
--------
>>> dataset_name("Garden birds (2024)"), dataset_name("synthetic"), dataset_name("42")
('garden_birds_2024', 'synthetic_images', 'images_42')
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from lineup.data.datasets import DATASETS
from lineup.data.sources.look import Found
from lineup.data.sources.source import PARTS
from lineup.errors import LineupError, shortened

_LARGE = 40
"""If the longer edge of the images has more pixels, the networks have more pooling layers."""
_FEW_PIXELS = 1024
"""Largest number of values per image for logistic regression, which is slow for larger images."""
_SEEN = 35_000
"""Number of training images in all epochs together. It determines the number of epochs, from 5 to 100."""
_BATCH = 32
_FEW_IMAGES, _SMALL_BATCH = 1_000, 8
"""With fewer training images, the batches are smaller, because batch normalisation needs several hundred steps."""
_IMBALANCED = 1.5
"""Smallest ratio of the largest to the smallest class for which the classes are weighted."""
_WITHOUT_WEIGHTS = ("knn",)
_TWO_SEEDS = 20_000_000
"""Largest number of values in all images for which each network is trained with two seeds."""


@dataclass(frozen=True)
class OwnImages:
    """Settings of a new project with the user's own images.

    Parameters
    ----------
    data : dict
        The section ``data`` of ``params.yaml``.
    models : dict of str to dict
        The section ``models``.
    metric : str
        The metric that chooses the champion.
    """

    data: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    metric: str

    @property
    def summary(self) -> str:
        """Tell the user which image size and which models were chosen."""
        height, width = self.data["size"] if isinstance(self.data["size"], list) else (self.data["size"],) * 2
        colours = "in colour" if self.data["channels"] == 3 else "in grey"
        return f"{height} x {width} pixels {colours}, and the models {', '.join(self.models)}"

    def files(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the content of ``params.yaml``, ``dvc.yaml`` and ``README.md`` for a project with these settings."""
        return {
            "params.yaml": self._params(),
            "dvc.yaml": _replaced(
                texts["dvc.yaml"],
                "      - code.yaml: [download]\n",
                "      - code.yaml: [download]\n    deps:\n      - ${data.images}\n",
            ),
            "README.md": _replaced(texts["README.md"], _GENERATED, _OWN),
        }

    def _params(self) -> str:
        template = (resources.files("lineup") / "template" / "images.yaml").read_text(encoding="utf-8")
        models = [line for name, recipe in self.models.items() for line in (f"  {name}:", *_lines(recipe, "    "))]
        return Template(template).substitute(
            data="\n".join(_lines(self.data)), models="\n".join(models), metric=self.metric
        )


_GENERATED = "A new project uses generated images and small models, so the whole pipeline takes only a few minutes.\n"
_OWN = (
    "The path of the images is `data.images` in `params.yaml`. `lineup init` chose the image size and the models"
    "\nfor these images.\n"
)


def own_images(found: Found, root: Path, group: str | None = None) -> OwnImages:
    """Choose the settings of a new project.

    Parameters
    ----------
    found : Found
        Description of the images, from `lineup.data.sources.look.look`.
    root : Path
        Absolute path of the project folder. Its name becomes the name of the dataset.
    group : str, optional
        Setting ``data.group``. Default: no groups.

    Raises
    ------
    LineupError
        If the project is inside of the folder of the images, or their path is not valid in a text file.
    """
    path = found.source.path
    if root.is_relative_to(path):
        raise LineupError(
            f"{root}: inside of the folder of the images, so results would count as changed images; choose another"
            " folder"
        )
    if path.is_relative_to(root):
        path = path.relative_to(root)
    try:
        path.as_posix().encode()
    except UnicodeEncodeError:
        raise LineupError(f"{shortened(repr(str(path)))}: expected a path in UTF-8; rename the folder") from None
    height, width, channels = found.shape
    data = {
        "name": dataset_name(root.name),
        "images": path.as_posix(),
        "size": height if height == width else [height, width],
        "channels": channels,
    }
    if group is not None:
        data["group"] = group
    metric = "balanced_accuracy" if found.imbalance >= _IMBALANCED else "loss"
    return OwnImages(data | {"unreadable": 0.05}, dict(_models(found)), metric)


def dataset_name(folder: str) -> str:
    """Convert the name of a folder to a valid name for a dataset."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode().lower()
    name = re.sub("[^a-z0-9]+", "_", plain).strip("_")[:40]
    if not name or not name[0].isalpha():
        name = f"images_{name}".rstrip("_")
    return f"{name}_images" if name in DATASETS else name


def _models(found: Found) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the names and settings of the models."""
    height, width, channels = found.shape
    pixels = height * width * channels
    linear = "logistic_regression" if pixels <= _FEW_PIXELS else "knn"
    weight = {"class_weight": "balanced"} if found.imbalance >= _IMBALANCED else {}
    for name in ("random_forest", linear):
        recipe = {"family": "classical", "architecture": name, "validation": 0.2}
        yield name, recipe if name in _WITHOUT_WEIGHTS else recipe | weight
    large = max(height, width) > _LARGE
    networks = (("cnn", "conv2d_5" if large else "basic_cnn"), ("residual", "resnet"), ("project", "small_cnn"))
    seeds = 2 if pixels * len(found.source) <= _TWO_SEEDS else 1
    for family, name in networks:
        yield (
            name,
            {
                "family": family,
                "architecture": name,
                "epochs": _epochs(found),
                "batch_size": _BATCH if _training_images(found) >= _FEW_IMAGES else _SMALL_BATCH,
                "learning_rate": 0.001,
                "schedule": "cosine",
                "validation": 0.2,
                "seeds": seeds,
                **weight,
            },
        )


def _epochs(found: Found) -> int:
    """Return the number of epochs. Small sets of images need more epochs."""
    return min(100, max(5, round(_SEEN / _training_images(found))))


def _training_images(found: Found) -> float:
    """Return how many images remain for training, without the test images and the validation images."""
    parts = found.source.parts
    return int((parts == PARTS.index("train")).sum()) or 0.64 * len(parts)


def _lines(section: Mapping[str, Any], indent: str = "  ") -> list[str]:
    """Return the lines of a section. Most values are written as JSON, which is valid YAML."""
    return [f"{indent}{key}: {_scalar(value)}" for key, value in section.items()]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch("[a-z][a-z0-9_]*", value) and value not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
"""Words that YAML does not read as strings."""


def _replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise AssertionError(f"the template has no {old!r}")
    return text.replace(old, new)
