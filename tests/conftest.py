"""The order of the tests, their distribution among processes, and the clean-up after each test."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path

import pytest

from lineup.cli.app import NEW_OBJECTS

# A shell lets the commands that it starts in the background ignore Ctrl-C, and their children inherit this.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The search for reference cycles among the many objects of TensorFlow and MLflow takes a tenth of the time.
gc.set_threshold(NEW_OBJECTS)

# Tests start hundreds of Python processes. With byte code of the package, each one starts 0.3 s earlier.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")

TESTS = Path(__file__).parent
SLOW_FIRST = ("pipeline/test_interruptions.py", "execution/test_init.py", "models", "pipeline")
"""Slow tests that start first. One process runs the pipeline once, another one the demo and then the models."""


# Before the hook of pytest-xdist, which reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the fast tests before the slow tests, so that most failures appear within two minutes.

    The quick tests of a file run in one process, and so do its slow tests.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(f"{item.path} {'slow' if _is_slow(item) else 'quick'}"))
    items.sort(key=lambda item: (_is_slow(item), _place(item) if _is_slow(item) else 0))


def _place(item: pytest.Item) -> int:
    """Return the position of a slow test in `SLOW_FIRST`; other tests come last."""
    return next(
        (place for place, name in enumerate(SLOW_FIRST) if item.path.is_relative_to(TESTS / name)), len(SLOW_FIRST)
    )


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.fixture(autouse=True)
def _own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the user and password that opening a store sets in the environment."""
    for name in CREDENTIALS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
