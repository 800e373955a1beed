"""A deleted store, a full disk and a wrong clock: no values are lost or logged twice."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lineup.records.record import read_record
from lineup.tracking import plotting
from lineup.tracking.address import StoreError
from lineup.tracking.contents import KEY
from lineup.tracking.live import LiveRun
from lineup.tracking.publish import publish
from lineup.tracking.runs import find_runs
from tests.make_records import HISTORY, RUNTIME, STARTED, make_record, random_predictions
from tests.small_disk import small_disk

from .conftest import store_in
from .published import client_of, files_of, network_record, points, run_of
from .test_live import UNTRAINED, wait_for_epochs


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish one small file instead of the figures, which take most of the time."""
    monkeypatch.setattr(plotting, "_plot", lambda record: {"confusion_matrix": b"a figure"})


def test_a_store_that_is_deleted_during_training(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = network_record(root / "runs" / "models" / "small" / "seed_1", seed=1)
    with LiveRun(root) as live:
        live.start(record.header, record.runtime.attempt, STARTED)
        live.epoch(HISTORY[1])
        end = time.monotonic() + 20
        while not find_runs(client_of(root), KEY, record.header.key) and time.monotonic() < end:
            time.sleep(0.05)
        for path in root.glob("mlflow.db*"):
            path.unlink()
        live.epoch(HISTORY[2])
        live.finish(record)
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert [line.partition(" (")[0] for line in warnings] == ["warning: no live tracking"]
    assert not (root / "mlflow.db").exists()  # not created again without its other runs
    with store_in(root.rename(root.with_name("moved"))) as moved:  # MLflow keeps the connection to the deleted file
        record = read_record(moved / record.folder.relative_to(root))
        publish(moved, [record], log=lambda line: None)
        run = run_of(moved, record)
        assert run.info.status == "FINISHED"
        assert [step for step, _, _ in points(client_of(moved), run)["epoch/loss"]] == [1, 2]


def test_a_disk_that_is_full_while_artifacts_are_written(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = network_record(tmp_path / "one", seed=1)
    with small_disk(tmp_path / "disk", "8m") as disk, store_in(disk / "project", empty_store) as root:
        filler = disk / "filler"
        with filler.open("wb") as file:
            file.write(bytes(7 * 2**20))
        with pytest.raises(StoreError, match=r"[Nn]o space left on device|disk is full") as caught:
            publish(root, [record], log=lambda line: None)
        assert "\n" not in str(caught.value)
        assert "free space on the disk of" in str(caught.value)
        filler.unlink()
        waits = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: pytest.fail("it waits for itself"))
        monkeypatch.setattr("lineup.tracking.reconcile.time", waits)
        publish(root, [record], log=lambda line: None)
        run = run_of(root, record)
        assert run.info.status == "FINISHED"
        assert "figures/confusion_matrix.png" in files_of(client_of(root), run.info.run_id)


def test_a_clock_that_jumps_back_during_training(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lineup.tracking.live.BEAT_SECONDS", 0.1)
    real, hour = time.time_ns, 3600 * 10**9
    late = [dataclasses.replace(row, timestamp=row.timestamp - 3_600_000) for row in HISTORY[1:]]
    with LiveRun(root) as live:
        live.start(UNTRAINED, "attempt-1", STARTED)
        live.epoch(HISTORY[0])
        wait_for_epochs(root, "autoencoder/loss", 1)
        monkeypatch.setattr(time, "time_ns", lambda: real() - hour)
        for row in late:
            live.epoch(row)
        run = wait_for_epochs(root, "epoch/loss", 2)
        seen = run.data.tags["lineup.seen"]
        end = time.monotonic() + 20
        while run.data.tags["lineup.seen"] == seen:  # the run is still marked as alive
            assert time.monotonic() < end
            time.sleep(0.05)
            run = client_of(root).get_run(run.info.run_id)
        ended = dataclasses.replace(RUNTIME, ended=STARTED - 3_600_000)
        record = make_record(
            root / "runs" / "models" / "small" / "seed_1",
            random_predictions(1),
            history=[HISTORY[0], *late],
            runtime=ended,
        )
        live.finish(record)
    assert "warning: " not in capsys.readouterr().err
    (run,) = find_runs(client_of(root), KEY, UNTRAINED.key)
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    assert [step for step, _, _ in points(client_of(root), run)["epoch/loss"]] == [1, 2]
    assert run.data.metrics["epoch/loss"] == HISTORY[2].loss
    assert read_record(record.folder).history[1:] == late
