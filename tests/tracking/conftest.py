"""Real MLflow stores: SQLite files, created once and copied."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lineup.committee.model import ANALYSIS
from lineup.figures import render
from lineup.records.record import CONFUSION, HISTORY, METRICS, MODEL, PREDICTIONS, Record
from lineup.tracking import plotting
from lineup.tracking.address import sqlite_uri

if TYPE_CHECKING:
    from .published import Published

DRAWN_FROM = (HISTORY, METRICS, PREDICTIONS, CONFUSION, f"{MODEL}/figures.npz", f"{MODEL}/{ANALYSIS}")
"""Files of a record that its figures show."""


@pytest.fixture(autouse=True, scope="session")
def figures_once() -> Iterator[None]:
    """Draw the figures of equal records only once, because each record takes two seconds. Each run still gets files."""
    drawn: dict[tuple[object, ...], plotting.Figures] = {}
    original = plotting._plot

    def plot(record: Record) -> plotting.Figures:
        paths = [record.folder / name for name in DRAWN_FROM]
        header = record.header
        content = (path.read_bytes() if path.is_file() else None for path in paths)
        key = (header.label, render.caption(header), tuple(header.data.classes), bool(header.members), *content)
        if key not in drawn:
            drawn[key] = original(record)
        return drawn[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plotting, "_plot", plot)
        yield


@contextmanager
def store_in(folder: Path, template: Path | None = None) -> Iterator[Path]:
    """Use the store in a folder, after copying a template there if there is one."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()  # by run: a copy of a store has the same runs in another folder
    folder.mkdir(parents=True, exist_ok=True)
    if template is not None:
        shutil.copy(template, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        # MLflow sets this variable when a store is opened, and it would remain for the next test.
        patch.setenv("MLFLOW_TRACKING_URI", sqlite_uri(folder / "mlflow.db"))
        yield folder


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the tables of MLflow, which take seconds to create."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    MlflowClient(sqlite_uri(path)).search_experiments()
    return path


@pytest.fixture
def root(tmp_path: Path, empty_store: Path) -> Iterator[Path]:
    """A project folder with an empty store."""
    with store_in(tmp_path / "project", empty_store) as folder:
        yield folder


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Published:
    """A project folder whose records are all published. Tests must not change it."""
    from .published import publish_lineup

    with store_in(tmp_path_factory.mktemp("published"), empty_store) as root:
        return publish_lineup(root)


@pytest.fixture
def copied(published: Published, tmp_path: Path) -> Iterator[Path]:
    """A project folder with a copy of the store of `published` and of its artifacts."""
    shutil.copytree(published.root / "mlartifacts", tmp_path / "copied" / "mlartifacts")
    with store_in(tmp_path / "copied", published.store) as folder:
        yield folder


@pytest.fixture(autouse=True)
def _search_path() -> Iterator[None]:
    """Restore the search path of Python after a test that loads a model.

    MLflow puts the source code of the model first, and a new process would import lineup from there.
    """
    before = sys.path[:]
    yield
    sys.path[:] = before
