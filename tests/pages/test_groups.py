"""The comparison of groups: its page, its tables, its figure and the section of the report."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lineup.errors import LineupError
from lineup.pages.group_comparison import GroupComparison, compare_by
from lineup.pages.group_page import CSV, FIGURE, PAGE, PAIRS, write_comparison
from lineup.pages.group_tables import cost_table, difference_table, noise_line
from lineup.pages.report import report_html
from lineup.pages.report_content import report_content
from lineup.records.header import Device
from lineup.records.record import Record
from tests.make_records import MACHINE
from tests.pages.conftest import EVIL
from tests.runs import make_seeds

H100 = Device("gpu", f"NVIDIA H100 {EVIL}")
MEMORY = 2**31


def on_machine(records: list[Record], host: str, speed: float) -> list[Record]:
    """Return the same records with another host and speed."""
    machine = dataclasses.replace(MACHINE, host=host)
    return [
        dataclasses.replace(
            one,
            runtime=dataclasses.replace(
                one.runtime, machine=machine, images_per_second=speed, peak_memory_bytes=MEMORY
            ),
        )
        for one in records
    ]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Two models on a processor and on a GPU; one more model on the processor only."""
    folder = tmp_path_factory.mktemp("runs")
    gpu: dict[str, Any] = {"device": H100, "seconds": 3.0}
    return [
        *on_machine(make_seeds(folder / "cpu", "cnn", [820, 835, 829], seconds=90.0), "vm", 100.0),
        *on_machine(make_seeds(folder / "cpu", "dense", [800, 801], seconds=6.0), "vm", 500.0),
        *on_machine(make_seeds(folder / "cpu", "forest", [700], kind="classical", weights=None), "vm", 1.0),
        *on_machine(make_seeds(folder / "gpu", "cnn", [822, 835], **gpu), "gpu-server", 3_000.0),
        *on_machine(make_seeds(folder / "gpu", "dense", [600], **gpu), "gpu-server", 1_000.0),
    ]


@pytest.fixture(scope="module")
def comparison(records: list[Record]) -> GroupComparison:
    return compare_by(records, "device")


def test_accuracy_time_and_memory(comparison: GroupComparison) -> None:
    rows = {(row.model, row.group): row for row in comparison.rows}
    cpu, gpu = rows["cnn", "A processor"], rows["cnn", H100.name]
    assert cpu.accuracies == pytest.approx([820 / 900, 835 / 900, 829 / 900])
    assert cpu.low < 828 / 900 < cpu.high
    assert (cpu.speed_up, cpu.difference) == (None, None)
    assert gpu.speed_up == pytest.approx(30)
    assert gpu.images_per_second == 3_000
    assert gpu.difference is not None
    assert gpu.difference.difference == pytest.approx(1 / 900)
    assert gpu.difference.seeds == (1, 2)
    assert [row[-1] for row in difference_table(comparison).rows] == ["not significant", "lower"]
    assert [row[-1] for row in cost_table(comparison).rows] == ["2.00"] * 4


def test_what_else_differs_is_named(records: list[Record], comparison: GroupComparison) -> None:
    assert comparison.confounders == ["host"]
    assert compare_by(records, "host").confounders == ["device"]


def test_training_runs_with_the_same_seed_have_a_test(comparison: GroupComparison) -> None:
    assert [(one.model, one.seed) for one in comparison.pairs] == [("cnn", 1), ("cnn", 2), ("dense", 1)]
    first = comparison.pairs[0].pair
    assert first.a_only - first.b_only == 2
    assert comparison.pairs[2].pair.significant


def test_seed_noise_is_that_of_all_training_runs(records: list[Record], comparison: GroupComparison) -> None:
    assert comparison.noise["network"].dof == 2 + 1 + 1
    assert "(4 degrees of freedom)" in noise_line(comparison)
    single = [record for record in records if record.header.seed == 1]
    assert "The seed noise of network models is unknown" in noise_line(compare_by(single, "device"))


def test_page_tables_and_figure(comparison: GroupComparison, tmp_path: Path) -> None:
    write_comparison(comparison, tmp_path)
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert "The data are generated, so the results do not apply to real images." in page
    assert f"]({FIGURE})" in page
    assert "- 1 record: no training run with the same settings in another group" in page
    assert (tmp_path / FIGURE).read_bytes().startswith(b"\x89PNG")
    frame = pd.read_csv(tmp_path / CSV)
    assert frame["model"].tolist() == ["cnn", "cnn", "dense", "dense"]
    assert frame["speed_up"].tolist()[1::2] == [30, 2]
    assert frame["result"].tolist()[1::2] == ["not significant", "lower"]
    assert frame["host"].tolist() == ["vm", "gpu-server"] * 2
    assert len(pd.read_csv(tmp_path / PAIRS)) == 3


def test_nothing_to_compare(records: list[Record]) -> None:
    with pytest.raises(LineupError, match="compare --by device: all training runs have device 'A processor'"):
        compare_by(records[:6], "device")
    with pytest.raises(LineupError, match="compare --by device: no model has training runs with the same settings"):
        compare_by(records, "device", ["forest"])


def test_the_report_compares_devices_if_there_are_several(records: list[Record]) -> None:
    assert report_content(records[:6])["devices"] is None
    assert "Devices compared" not in report_html(report_content(records[:6]))
    renamed = [
        dataclasses.replace(one, header=dataclasses.replace(one.header, name=f"{one.header.name}-gpu"))
        for one in records[6:]
    ]
    page = report_html(report_content([*records[:6], *renamed], originals=records))
    assert 'href="#devices"' in page
    assert "Test accuracy by device" in page
    assert "The groups also differ in: host." in page
    assert EVIL not in page


def test_the_energy_is_shown_if_it_was_measured(records: list[Record], tmp_path: Path) -> None:
    measured = [
        dataclasses.replace(
            one, runtime=dataclasses.replace(one.runtime, energy_joules={"cpu": 1_500.0, "gpu": 4_500.0})
        )
        if one.header.device == H100
        else one
        for one in records
    ]
    compared = compare_by(measured, "device")
    cells = {(row[0], row[1]): row[-1] for row in cost_table(compared).rows}
    assert cost_table(compared).headings[-1] == "energy, kJ"
    assert cells["cnn", H100.name] == "6.0"
    write_comparison(compared, tmp_path)
    frame = pd.read_csv(tmp_path / CSV)
    assert frame["energy_joules"].dropna().tolist() == [6_000.0, 6_000.0]
