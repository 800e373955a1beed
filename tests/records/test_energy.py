"""Measure the energy of a training run, with counters in a folder as on Linux, and without counters."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineup.records.energy import POWERCAP, EnergyMeter

RANGE = 262_143_328_850
"""Limit of the counter of many Intel processors, in microjoules."""


def processor(folder: Path, name: str, microjoules: int) -> None:
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")


def test_the_energy_of_all_processors_is_added(tmp_path: Path) -> None:
    for name, value in (("intel-rapl:0", 5_000_000), ("intel-rapl:1", 0), ("intel-rapl:0:0", 7)):
        processor(tmp_path, name, value)
    meter = EnergyMeter(tmp_path)
    processor(tmp_path, "intel-rapl:0", 8_000_000)
    meter.update()
    processor(tmp_path, "intel-rapl:0", 9_000_000)
    processor(tmp_path, "intel-rapl:1", 1_500_000)
    processor(tmp_path, "intel-rapl:0:0", 600_000_000)  # a part of processor 0
    assert meter.joules() == pytest.approx({"cpu": 5.5})


def test_a_counter_that_restarts_at_zero(tmp_path: Path) -> None:
    processor(tmp_path, "intel-rapl:0", RANGE - 2_000_000)
    meter = EnergyMeter(tmp_path)
    processor(tmp_path, "intel-rapl:0", 1_000_000)
    assert meter.joules() == pytest.approx({"cpu": 3.0})


def test_a_counter_that_may_have_restarted_several_times_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(tmp_path, "intel-rapl:0", 0)
    meter = EnergyMeter(tmp_path)
    monkeypatch.setattr("time.monotonic", lambda: meter._time + 600)
    assert meter.joules() == {}


def test_a_damaged_or_missing_counter_is_unknown(tmp_path: Path) -> None:
    processor(tmp_path, "intel-rapl:0", 0)
    meter = EnergyMeter(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("none")
    assert meter.joules() == {}
    (tmp_path / "intel-rapl:0" / "max_energy_range_uj").unlink()
    assert EnergyMeter(tmp_path).joules() == {}


@pytest.mark.skipif(any(POWERCAP.glob("intel-rapl:*")), reason="this machine counts its energy")
def test_this_machine_has_no_counters() -> None:
    assert EnergyMeter(gpu=True).joules() == {}
