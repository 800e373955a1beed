"""How the tests are shared out among processes."""

from __future__ import annotations

from pathlib import Path

import pytest

PIPELINE = Path(__file__).parent / "pipeline"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and those of the pipeline, which share a checkout, in the first.

    A run in one process, without ``--dist loadgroup``, only begins with them.
    """
    for item in items:
        group = "pipeline" if item.path.is_relative_to(PIPELINE) else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: not item.path.is_relative_to(PIPELINE))
