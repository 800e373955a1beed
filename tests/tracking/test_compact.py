"""Publish compact records, as in a clone, and complete the runs as soon as the full records exist."""

from __future__ import annotations

from pathlib import Path

from lineup.records.compact import open_record, write_compact_records
from lineup.tracking.publish import publish
from lineup.tracking.reconcile import MISSING

from .published import Published, client_of, files_of, models_of, points, run_of


def test_full_records_complete_the_runs_of_compact_records(root: Path, published: Published) -> None:
    records = [published.records[name] for name in ("one", "two", "pair")]
    write_compact_records(records, root / "runs" / "compact")
    compact = [open_record(root / "runs" / "compact" / record.header.name / "seed_1") for record in records]
    lines: list[str] = []
    publish(root, compact, log=lines.append)
    assert lines[-1].startswith("MLflow: 3 new, 0 completed, 0 unchanged")
    client = client_of(root)
    before = {record.header.label: run_of(root, record) for record in records}
    for record in records:
        run = before[record.header.label]
        files = files_of(client, run.info.run_id)
        assert run.info.status == "FINISHED"
        assert run.data.tags[MISSING] == "predictions, model"
        assert models_of(run) == []
        assert {"figures/confusion_matrix.png", "record/history.csv", "classification_report.txt"} <= set(files)
        assert not {"figures/roc.png", "record/predictions.npz"} & set(files)
        assert ("figures/training_curves.png" in files) == bool(record.history)
        assert ("figures/committee_members.png" in files) == bool(record.header.members)
        assert run.data.params == run_of(published.root, record).data.params
        assert points(client, run) == points(client_of(published.root), run_of(published.root, record))
    publish(root, compact, log=lines.append)
    assert lines[-1].startswith("MLflow: 0 new, 0 completed, 3 unchanged")

    publish(root, records, log=lines.append)
    assert lines[-1].startswith("MLflow: 0 new, 3 completed, 0 unchanged")
    for record in records:
        run, complete = run_of(root, record), run_of(published.root, record)
        assert run.info.run_id == before[record.header.label].info.run_id
        assert MISSING not in run.data.tags
        assert len(models_of(run)) == 1
        assert files_of(client, run.info.run_id) == files_of(client_of(published.root), complete.info.run_id)

    publish(root, compact, log=lines.append)  # compact records remove nothing from complete runs
    assert lines[-1].startswith("MLflow: 0 new, 0 completed, 3 unchanged")
    assert MISSING not in run_of(root, records[0]).data.tags
