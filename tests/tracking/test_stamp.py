"""The stamp file: publishing is skipped if and only if nothing has changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from lineup.errors import LineupError
from lineup.records.record import METRICS, MODEL, Record
from lineup.tracking.address import sqlite_uri
from lineup.tracking.publish import publish
from lineup.tracking.stamp import is_published
from tests.make_records import make_record, random_predictions
from tests.networks import save_network

from .conftest import store_in


@pytest.fixture
def published(tmp_path: Path, empty_store: Path) -> Iterator[tuple[Path, Record]]:
    """A project folder with one published record."""
    with store_in(tmp_path / "project", empty_store) as root:
        save_network(root / "runs" / MODEL, 1)
        record = make_record(root / "runs", random_predictions(1))
        publish(root, [record], log=lambda line: None)
        yield root, record


def test_mlflow_is_not_imported_if_there_is_nothing_to_publish(published: tuple[Path, Record]) -> None:
    root, record = published
    assert is_published(root, [record.folder])
    code = (
        "import sys; from pathlib import Path; from lineup.records.record import read_record;"
        "from lineup.tracking.publish import publish;"
        f"publish(Path({str(root)!r}), [read_record(Path({str(record.folder)!r}))], log=print);"
        "sys.exit('mlflow' in sys.modules or 'matplotlib' in sys.modules or 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "MLflow: 0 new, 0 completed, 1 unchanged" in done.stdout


def test_a_changed_record_is_noticed(published: tuple[Path, Record]) -> None:
    root, record = published
    metrics = record.folder / METRICS
    metrics.write_text(metrics.read_text(encoding="utf-8").replace("0.", "0.0", 1), encoding="utf-8")
    assert not is_published(root, [record.folder])


def test_a_deleted_model_is_noticed(published: tuple[Path, Record]) -> None:
    root, record = published
    shutil.rmtree(record.folder / MODEL)
    assert not is_published(root, [record.folder])
    with pytest.raises(LineupError, match="no model here"):
        publish(root, [record], log=lambda line: None)


def test_a_different_number_of_records_is_noticed(published: tuple[Path, Record]) -> None:
    root, record = published
    assert not is_published(root, [record.folder, record.folder])
    assert not is_published(root, [])


def test_a_change_of_the_store_is_noticed(published: tuple[Path, Record]) -> None:
    root, record = published
    run = mlflow.search_runs(search_all_experiments=True, output_format="list")[0]
    mlflow.MlflowClient(sqlite_uri(root / "mlflow.db")).delete_run(run.info.run_id)
    assert not is_published(root, [record.folder])
    lines: list[str] = []
    publish(root, [record], log=lines.append)
    assert "1 new" in lines[-1]
    assert is_published(root, [record.folder])


def test_a_deleted_store_is_noticed(published: tuple[Path, Record]) -> None:
    root, record = published
    (root / "mlflow.db").unlink()
    assert not is_published(root, [record.folder])


def test_a_different_store_is_noticed(published: tuple[Path, Record], monkeypatch: pytest.MonkeyPatch) -> None:
    root, record = published
    for uri in (f"sqlite:///{root / 'other.db'}", "http://127.0.0.1:1"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert not is_published(root, [record.folder])
