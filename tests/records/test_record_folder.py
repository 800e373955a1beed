"""A new record replaces only an earlier record."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineup.errors import LineupError
from lineup.paths import Project
from lineup.records.record import METRICS
from lineup.records.record_folder import check_record_folder
from tests.make_records import make_record, random_predictions


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a file and a record, which is the working directory."""
    (tmp_path / "README.md").write_text("read me")
    make_record(tmp_path / "runs" / "models" / "one", random_predictions(1))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path.resolve())


def test_a_record_may_go_to_a_new_folder_an_empty_one_or_an_earlier_record(project: Project) -> None:
    (project.root / "empty").mkdir()
    for name in ("new", "new/and/deep", "empty", "runs/models/one", "runs/models/two"):
        check_record_folder(Path(name), "two", project)
        check_record_folder(project.root / name, "two", project)


def test_a_folder_of_the_pipeline_may_hold_files_of_an_interrupted_stage(project: Project) -> None:
    for group in (project.models, project.committees):
        (group / "two").mkdir(parents=True)
        for name in (".gitignore", METRICS):
            (group / "two" / name).write_text("left")
        check_record_folder(group / "two", "two", project)
        check_record_folder((group / "two").relative_to(project.root), "two", project)
        with pytest.raises(LineupError, match=r"two: a folder with other files and no record\.json"):
            check_record_folder(group / "two", "one", project)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "not a folder with a name"),
        (".", "not a folder with a name"),
        ("/", "not a folder with a name"),
        ("runs/models/one/..", "not a folder with a name"),
        ("README.md", "a file, or below a file"),
        ("README.md/a/b", "a file, or below a file"),
        ("runs", r"a folder with other files and no record\.json"),
        ("runs/models", r"a folder with other files and no record\.json"),
        ("runs/models/one/../../models", r"a folder with other files and no record\.json"),
    ],
)
def test_other_files_are_not_replaced(project: Project, name: str, problem: str) -> None:
    with pytest.raises(LineupError, match=f"{problem}; the record would replace it; choose a new or empty folder"):
        check_record_folder(Path(name), "one", project)


def test_a_link_is_not_replaced(project: Project) -> None:
    for target in (project.models / "one", project.root / "nowhere"):
        link = project.root / f"to_{target.name}"
        link.symlink_to(target)
        with pytest.raises(LineupError, match=f"{link.name}: a link; "):
            check_record_folder(link, "one", project)
