"""The demo's workspace, and DVC in it; the demo itself runs among the pipeline tests."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from lineup.errors import LineupError
from lineup.execution.demo import next_steps, prepare_demo, run_demo
from lineup.paths import Project
from lineup.tracking.address import sqlite_uri

SMALL = (Path(__file__).parents[2] / "params.demo.yaml").read_text(encoding="utf-8")

MEASURED = "benchmarks/results/reproduction/measured.json"

# The first stage writes down what it was called with, the second fails.
PIPELINE = """\
stages:
  environment:
    cmd: python environment.py
    deps: [benchmarks/results/reproduction/measured.json]
    params: [split]
    outs: [environment.json]
  broken:
    cmd: python -c "raise SystemExit(3)"
    deps: [environment.json]
    outs: [never]
"""
ENVIRONMENT = """\
import json, os, sys
with open("environment.json", "w") as file:
    json.dump({"executable": sys.executable, **os.environ}, file)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout in miniature, with results of its own."""
    files = {
        ".dvc/config": "[core]\n",
        ".dvc/plots/confusion_counts.json": "{}",
        ".dvcignore": "__pycache__\n",
        "README.md": "not for the demo",
        "benchmarks/results/reproduction/measured.json": "{}",
        "dvc.lock": "of the real pipeline",
        "dvc.yaml": PIPELINE,
        "params.demo.yaml": SMALL,
        "params.yaml": "of the real pipeline",
        "runs/models/a/metrics.json": "{}",
        "benchmarks/results/reproduction/__pycache__/one.cpython-311.pyc": "",
        "benchmarks/results/reproduction/deep/er/two.json": "2",
        "src/lineup/__init__.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Project(tmp_path / "checkout")


def _tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time and the content of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def _outside(project: Project) -> dict[str, tuple[int, bytes]]:
    """Return all files beside and above the demo's workspace."""
    everything = _tree(project.root.parent)
    return {name: file for name, file in everything.items() if not name.startswith("checkout/.demo/")}


def test_workspace_has_pipeline_and_small_parameters(project: Project) -> None:
    demo = prepare_demo(project)

    assert demo == project.root / ".demo"
    tree = _tree(demo)
    assert set(tree) == {
        ".dvc/config",
        ".dvc/plots/confusion_counts.json",
        "benchmarks/results/reproduction/deep/er/two.json",
        "benchmarks/results/reproduction/measured.json",
        ".dvcignore",
        "dvc.yaml",
        "params.yaml",
    }
    assert tree["params.yaml"][1] == SMALL.encode()


def test_second_call_touches_nothing(project: Project) -> None:
    before = _tree(prepare_demo(project))

    assert _tree(prepare_demo(project)) == before


def test_only_a_changed_file_is_written(project: Project) -> None:
    before = _tree(prepare_demo(project))
    (project.root / MEASURED).write_text("{1: 2}")

    after = _tree(prepare_demo(project))

    assert {name for name in after if after[name] != before[name]} == {MEASURED}
    assert after[MEASURED][1] == b"{1: 2}"


def test_a_file_deleted_from_the_checkout_is_deleted_from_the_workspace(project: Project) -> None:
    demo = prepare_demo(project)
    shutil.rmtree(project.root / MEASURED.rpartition("/")[0])
    (project.root / ".dvc" / "plots" / "confusion_counts.json").unlink()
    (project.root / ".dvcignore").unlink()

    prepare_demo(project)

    assert set(_tree(demo)) == {".dvc/config", "dvc.yaml", "params.yaml"}


def test_the_package_that_earlier_versions_copied_is_deleted(project: Project) -> None:
    copied = project.root / ".demo" / "src" / "lineup" / "models" / "cnn.py"
    copied.parent.mkdir(parents=True)
    for path in (copied, copied.parents[1] / "__init__.py"):
        path.touch()

    assert not any(name.startswith("src/") for name in _tree(prepare_demo(project)))


def test_folder_takes_the_place_of_a_file_and_back(project: Project) -> None:
    measured = project.root / MEASURED
    demo = prepare_demo(project)
    measured.unlink()
    measured.mkdir()
    (measured / "inner.json").write_text("")

    prepare_demo(project)
    assert (demo / MEASURED / "inner.json").is_file()

    (measured / "inner.json").unlink()
    measured.rmdir()
    measured.write_text("{}")
    prepare_demo(project)
    assert (demo / MEASURED).read_text() == "{}"


def test_results_of_an_earlier_demo_stay(project: Project) -> None:
    demo = prepare_demo(project)
    results = ["dvc.lock", "runs/models/a/metrics.json", "data/raw/x", ".dvc/cache/files/md5/00/1", "reports/page.md"]
    for name in results:
        (demo / name).parent.mkdir(parents=True, exist_ok=True)
        (demo / name).write_text(name)
    before = _tree(demo)

    prepare_demo(project)

    assert _tree(demo) == before
    assert set(results) < set(before)


def test_missing_parameters_are_named(project: Project) -> None:
    (project.root / "params.demo.yaml").unlink()

    with pytest.raises(LineupError, match=r"params\.demo\.yaml"):
        prepare_demo(project)
    assert not (project.root / ".demo").exists()


def test_a_failing_stage_is_one_line_and_the_checkout_stays_as_it_was(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "of an outer run")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    demo = prepare_demo(project)
    (demo / "environment.py").write_text(ENVIRONMENT)
    before = _outside(project)

    with pytest.raises(LineupError, match="exit status") as failure:
        run_demo(project)

    assert "\n" not in str(failure.value)
    assert str(demo) in str(failure.value)
    assert "broken" in capfd.readouterr().err
    assert _outside(project) == before
    environment = json.loads((demo / "environment.json").read_text())
    assert Path(environment["executable"]).samefile(sys.executable)
    assert environment["MLFLOW_TRACKING_URI"] == sqlite_uri(project.root / "mlflow.db")
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert "MLFLOW_RUN_ID" not in environment


def test_parameters_are_checked_before_dvc_reads_them(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    (project.root / "params.demo.yaml").write_text(SMALL + "a; touch pwned: 1\n")

    with pytest.raises(LineupError, match=r"params\.demo\.yaml: unknown key 'a; touch pwned'"):
        run_demo(project)

    assert capfd.readouterr() == ("", "")
    assert not (project.root / ".demo" / "dvc.lock").exists()


def test_a_given_store_is_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    demo = prepare_demo(project)
    (demo / "environment.py").write_text(ENVIRONMENT)

    with pytest.raises(LineupError, match="exit status"):
        run_demo(project)

    assert json.loads((demo / "environment.json").read_text())["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:9"


SERVE = "mlflow models serve -m models:/lineup-synthetic@champion --env-manager local --port 5001"


@pytest.mark.parametrize(
    ("given", "see", "store"),
    [
        (None, "make ui", "MLFLOW_TRACKING_URI=sqlite:///{root}/mlflow.db "),
        ("sqlite:////tmp/runs.db", "MLFLOW_TRACKING_URI=sqlite:////tmp/runs.db make ui", None),
        ("http://127.0.0.1:5123", "http://127.0.0.1:5123 in a browser", "MLFLOW_TRACKING_URI=http://127.0.0.1:5123 "),
        ("http://me:s3cret@127.0.0.1:5123", "http://127.0.0.1:5123 in a browser", ""),
    ],
)
def test_next_steps_name_the_store_that_the_demo_filled(
    project: Project, monkeypatch: pytest.MonkeyPatch, given: str | None, see: str, store: str | None
) -> None:
    if given:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    else:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    runs, serve = next_steps(project, "synthetic")
    assert runs == f"See every run with its curves: {see}"
    before = see.removesuffix("make ui") if store is None else store.format(root=project.root)
    assert serve == f"Serve the champion, with {Path(sys.executable).parent} on the PATH: {before}{SERVE}"
