"""Compare all records of the pipeline: the leaderboard as a table, a page and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lineup.figures.leaderboard import leaderboard
from lineup.figures.save import save_png
from lineup.files import replacing_file
from lineup.records.record import Record
from lineup.report.claims import published_accuracy
from lineup.report.leaderboard import LeaderboardRow, leaderboard_frame, leaderboard_markdown

CSV, PAGE, FIGURE = "leaderboard.csv", "leaderboard.md", "leaderboard.png"


def evaluate(records: Sequence[Record], folder: Path) -> None:
    """Write ``leaderboard.csv``, ``leaderboard.md`` and ``leaderboard.png``.

    Parameters
    ----------
    records : sequence of Record
        At least one.
    folder : Path
        Made if it is missing; other files in it are left alone.
    """
    frame = leaderboard_frame([_row(record) for record in records])
    with replacing_file(folder / CSV) as partial:
        frame.to_csv(partial, index=False, lineterminator="\n")
    with replacing_file(folder / PAGE) as partial:
        partial.write_text(leaderboard_markdown(frame), encoding="utf-8")
    data = records[0].header.data
    kind = "GENERATED DATA" if data.generated else data.title
    save_png(leaderboard(frame, subtitle=f"{kind}, {data.test_images:,} test images, 95 % intervals"), folder / FIGURE)


def _row(record: Record) -> LeaderboardRow:
    header, metrics = record.header, record.metrics
    return LeaderboardRow(
        name=header.name,
        kind=header.kind,
        family=header.family,
        report=header.report,
        parameters=header.weights.parameters if header.weights else None,
        seed=header.seed,
        threads=header.threads,
        device=header.device.name,
        data=header.data.name,
        val_accuracy=metrics["val_accuracy"],
        test_accuracy=metrics["test_accuracy"],
        test_loss=metrics["test_loss"],
        test_macro_f1=metrics["test_macro_f1"],
        test_count=header.data.test_images,
        # A published figure was measured on the real data and stands beside nothing else.
        published=None if header.data.generated else published_accuracy(header.name),
        training_seconds=record.runtime.training_seconds if header.weights else None,
    )
