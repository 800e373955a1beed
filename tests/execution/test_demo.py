"""Tests of the demo: its folder, its run and its output."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lineup.execution.demo import next_steps, prepare_demo
from lineup.execution.init import project_files
from lineup.paths import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with its own results."""
    for name in ("dvc.yaml", "params.yaml", "dvc.lock", "runs/models/a/metrics.json"):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of the real pipeline")
    return Project(tmp_path / "project")


def _tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time and the content of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_the_demo_is_a_new_project_and_changes_nothing_else(project: Project) -> None:
    before = _tree(project.root)
    demo = prepare_demo(project)
    assert demo.root == project.root / ".demo"
    files = _tree(demo.root)
    assert {name: content for name, (_, content) in files.items()} == project_files(in_git=False)
    assert {name: file for name, file in _tree(project.root).items() if not name.startswith(".demo/")} == before


def test_a_second_call_writes_only_what_differs(project: Project) -> None:
    demo = prepare_demo(project).root
    results = ["dvc.lock", "runs/models/a/metrics.json", "data/raw/x", ".dvc/cache/files/md5/00/1", "reports/page.md"]
    for name in results:
        (demo / name).parent.mkdir(parents=True, exist_ok=True)
        (demo / name).write_text(name)
    before = _tree(demo)
    prepare_demo(project)
    assert _tree(demo) == before
    (demo / "dvc.yaml").write_text("of an earlier version")
    prepare_demo(project)
    after = _tree(demo)
    assert {name for name in after if after[name] != before[name]} == {"dvc.yaml"}
    assert after["dvc.yaml"][1] == before["dvc.yaml"][1]


def test_a_demo_of_an_earlier_version_is_deleted(project: Project) -> None:
    copied = project.root / ".demo" / "src" / "lineup" / "__init__.py"
    copied.parent.mkdir(parents=True)
    copied.touch()
    assert set(_tree(prepare_demo(project).root)) == set(project_files(in_git=False))


SERVE = "mlflow models serve -m models:/lineup-synthetic@champion --env-manager local --port 5001"


@pytest.mark.parametrize(
    ("given", "see", "store"),
    [
        (None, "lineup ui", "MLFLOW_TRACKING_URI=sqlite:///{root}/mlflow.db "),
        ("sqlite:////tmp/runs.db", "MLFLOW_TRACKING_URI=sqlite:////tmp/runs.db lineup ui", None),
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
    report, runs, serve = next_steps(project, "synthetic")
    assert report == f"Open the report in a browser: {project.root / '.demo' / 'reports' / 'index.html'}"
    assert runs == f"See every run with its curves: {see}"
    before = see.removesuffix("lineup ui") if store is None else store.format(root=project.root)
    assert serve == f"Serve the champion, with {Path(sys.executable).parent} on the PATH: {before}{SERVE}"
