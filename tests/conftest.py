"""In which order the tests run, how they are shared out among processes, and what is cleaned up after each."""

from __future__ import annotations

from pathlib import Path

import pytest

CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")

TESTS = Path(__file__).parent
SLOW_FIRST = ("pipeline/test_interruptions.py", "models", "pipeline")
"""Slow tests that start first. One process makes the checkout of the pipeline, the others take models meanwhile."""


# Before the hook of pytest-xdist, which reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, so that most failures show within two minutes; then the slow ones.

    The tests of a file run in one process, quick and slow ones apart.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(f"{item.path} {'slow' if _is_slow(item) else 'quick'}"))
    items.sort(key=lambda item: (_is_slow(item), _place(item) if _is_slow(item) else 0))


def _place(item: pytest.Item) -> int:
    """Return the place of a slow test's group in `SLOW_FIRST`; those that are not in it come last."""
    return next(
        (place for place, name in enumerate(SLOW_FIRST) if item.path.is_relative_to(TESTS / name)), len(SLOW_FIRST)
    )


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.fixture(autouse=True)
def _own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what opening a store leaves in the environment out of the next test: user and password of its server."""
    for name in CREDENTIALS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
