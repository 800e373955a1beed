"""The table of datasets is complete, and all names are valid."""

from __future__ import annotations

import re

import pytest

from lineup.data.datasets import DATASETS, FILE_NAMES, class_slug, find_dataset
from lineup.errors import LineupError


@pytest.mark.parametrize("name", DATASETS)
def test_each_dataset_is_complete(name: str) -> None:
    spec = DATASETS[name]
    assert spec.name == name
    assert len(spec.classes) == len(set(spec.classes)) == 10
    if spec.generated:
        assert spec.files == () == spec.hosts
    else:
        assert tuple(file.name for file in spec.files) == FILE_NAMES
        assert all(re.fullmatch("[0-9a-f]{64}", file.sha256) and file.size_bytes > 0 for file in spec.files)
        assert all(re.fullmatch("https?://.*/", host) for host in spec.hosts)


def test_class_slugs_are_distinct_plain_names() -> None:
    classes = DATASETS["fashion_mnist"].classes
    slugs = [class_slug(name) for name in classes]
    assert slugs[0] == "t_shirt_top"
    assert slugs[9] == "ankle_boot"
    assert len(set(slugs)) == 10
    assert all(re.fullmatch("[a-z][a-z0-9_]*[a-z0-9]", slug) for slug in slugs)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LineupError, match=r"unknown dataset 'mnist'; expected one of fashion_mnist, synthetic$"):
        find_dataset("mnist")
