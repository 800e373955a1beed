"""``lineup export``, ``lineup import`` and ``lineup list``."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lineup.cli.app import app
from lineup.errors import LineupError
from lineup.records.record import Record
from tests.make_records import MACHINE, RUNTIME, make_record, random_predictions

from .test_cli import ROOT, invoke

IMPORTED = "runs/imported/basic_cnn"


def make_run(folder: Path, name: str, seed: int = 1, host: str = "here", **header: Any) -> Record:
    machine = dataclasses.replace(MACHINE, host=host)
    runtime = dataclasses.replace(RUNTIME, attempt=f"{host}-{name}-{seed}", machine=machine)
    return make_record(folder, random_predictions(seed), runtime=runtime, name=name, seed=seed, **header)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three runs, one of which is a single experiment."""
    root = tmp_path / "here"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root / name)
    for seed in (1, 2):
        make_run(root / "runs" / "models" / "basic_cnn" / f"seed_{seed}", "basic_cnn", seed)
    make_run(root / "experiments" / "basic_cnn-0a1b2c3d", "basic_cnn", experiment="0a1b2c3d")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def elsewhere(tmp_path: Path, project: Path) -> Path:
    """A file with two runs of another machine, written in the project of that machine."""
    root = tmp_path / "elsewhere"
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(project / name, root / name)
    for seed in (1, 2):
        make_run(root / "runs" / "models" / "basic_cnn" / f"seed_{seed}", "basic_cnn", seed, host="gpu.example")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        status, output = invoke("export", "basic_cnn", "--no-models", "--to", str(tmp_path / "gpu.zip"))
    assert status == 0
    assert output.startswith(f"{tmp_path / 'gpu.zip'}: 2 records, 0.0 MB")
    return tmp_path / "gpu.zip"


def test_records_of_another_machine_are_listed(project: Path, elsewhere: Path) -> None:
    status, output = invoke("import", str(elsewhere))
    assert status == 0
    assert output.splitlines()[-1] == f"{elsewhere}: 2 records, 2 new, 0 completed, 0 unchanged"
    _, output = invoke("list")
    assert "The data are generated, so the results do not apply to real images." in output
    names = [line.split()[0] for line in output.splitlines() if line.startswith(" basic_cnn")]
    assert names[:3] == ["basic_cnn_seed1", "basic_cnn_seed2", "basic_cnn-0a1b2c3d"]
    _, output = invoke("list", "--imported")
    assert [line.split()[0] for line in output.splitlines() if line.startswith(" basic_cnn")] == names[3:]
    assert output.count("gpu.example") == len(names[3:]) == 2
    _, output = invoke("compare", "basic_cnn", "basic_cnn@gpu.example")
    assert "basic_cnn_seed1@" in output


def test_imported_records_are_not_in_the_pipeline(project: Path, elsewhere: Path) -> None:
    from lineup.cli.common import open_project, record_folders

    before = record_folders(*open_project())
    invoke("import", str(elsewhere))
    assert record_folders(*open_project()) == before


def test_imported_records_can_be_exported_again(project: Path, elsewhere: Path) -> None:
    invoke("import", str(elsewhere))
    status, _ = invoke("export", "basic_cnn@gpu.example", "--no-models", "--to", "again.zip")
    assert status == 0
    assert (project / "again.zip").read_bytes() == elsewhere.read_bytes()


def test_the_report_contains_exactly_these_records(project: Path, elsewhere: Path) -> None:
    invoke("import", str(elsewhere))
    status, output = invoke("export", "basic_cnn_seed2", "basic_cnn@gpu.example", "--html", "report.html")
    assert status == 0
    assert output.startswith("report.html: 3 records")
    page = (project / "report.html").read_text(encoding="utf-8")
    runs = re.findall(r'<option value="\d+"[^>]*>([^<]+)</option>', page)
    assert set(runs) == {"basic_cnn_seed2", "basic_cnn-gpu-example_seed1", "basic_cnn-gpu-example_seed2"}
    assert "0a1b2c3d" not in page
    assert "The data are generated, so the results do not apply to real images." in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["basic_cnn"], "export: expected --to FILE, --html FILE or both"),
        (["--to", "x.zip"], "export: expected the names of records, or --all"),
        (["basic_cnn", "--all", "--to", "x.zip"], "export: expected the names of records, or --all"),
        (["basic_cnn@gpu", "--to", "x.zip"], "no imported record 'basic_cnn@gpu'; expected none"),
        (["basic_cnm", "--to", "x.zip"], "unknown model 'basic_cnm'; did you mean 'basic_cnn'"),
        (["resnet", "--to", "x.zip"], "no record yet for resnet; run dvc repro"),
        (["--all", "--to", "x.zip"], "no record yet for shallow_nn, "),
        (["basic_cnn", "--to", "x.zip"], "no model/; make it again (dvc repro), or use --no-models"),
    ],
)
def test_mistakes(project: Path, arguments: list[str], message: str) -> None:
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, ["export", *arguments])
    assert isinstance(done.exception, LineupError)
    assert message in str(done.exception)
    assert not (project / "x.zip").exists()
