"""In which order the tests run, how they are shared out among processes, and what is cleaned up after each."""

from __future__ import annotations

from pathlib import Path

import pytest

CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")

PIPELINE = Path(__file__).parent / "pipeline"


# Before the hook of pytest-xdist, which reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, so that most failures show within two minutes; then the slow ones.

    The tests of a file run in one process, quick and slow ones apart. The slow tests of the pipeline share a checkout
    that takes a minute to make: they all run in one process, which starts with them while the other takes the rest.
    """
    for item in items:
        slow, pipeline = _is_slow(item), item.path.is_relative_to(PIPELINE)
        group = "pipeline" if slow and pipeline else f"{item.path} {'slow' if slow else 'quick'}"
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (_is_slow(item), not item.path.is_relative_to(PIPELINE)))


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.fixture(autouse=True)
def _own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what opening a store leaves in the environment out of the next test: user and password of its server."""
    for name in CREDENTIALS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
