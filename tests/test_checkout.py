"""A command runs the package of the project around the working directory instead of the installed one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lineup.checkout import RUNNING, project_source

# A package in miniature: it prints where it is and how it was called.
ENTRY = "import sys\nprint(__file__, *sys.argv[1:])\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).touch()
    return tmp_path


def add_package(project: Path) -> Path:
    """Give a project a package of its own and return its folder."""
    package = project / "src" / "lineup"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(ENTRY)
    return package


def lineup(folder: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder."""
    environment = os.environ | {"PYTHONPATH": str(RUNNING.parent)} | changes
    return subprocess.run(
        [sys.executable, "-m", "lineup", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_package_of_the_project_runs_with_the_same_arguments(project: Path) -> None:
    package = add_package(project)
    (project / "deep" / "er").mkdir(parents=True)
    for folder in (project, project / "deep" / "er"):
        done = lineup(folder, "train", "a b", "--seed", "2")
        assert done.stderr == ""
        assert done.stdout == f"{package / '__main__.py'} train a b --seed 2\n"


def test_a_project_without_a_package_uses_the_installed_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = lineup(project, "--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "lineup")
    monkeypatch.chdir(project)
    assert project_source() is None
    (project / "src" / "lineup").mkdir(parents=True)  # a folder that is no package
    assert project_source() is None
    monkeypatch.chdir(RUNNING.parents[1])
    assert project_source() is None


def test_outside_a_project_the_installed_package_runs(tmp_path: Path) -> None:
    add_package(tmp_path)
    assert lineup(tmp_path, "--version").stdout.startswith("lineup ")


def test_a_symbolic_link_to_the_running_package_is_no_other_package(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "src").symlink_to(RUNNING.parent)
    monkeypatch.chdir(project)
    assert project_source() is None


def test_files_in_the_working_directory_replace_no_library(project: Path) -> None:
    package = add_package(project)
    (package / "__main__.py").write_text("import json\nprint(json.dumps(1))\n")
    (project / "json.py").write_text("raise SystemExit('the wrong json')\n")
    script = "from lineup.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(RUNNING.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_package_that_cannot_be_imported_raises_one_error_without_a_loop(project: Path) -> None:
    package = add_package(project)
    (package / "__main__.py").write_text(
        f"import sys\nsys.path.insert(0, {str(RUNNING.parent)!r})\n"
        "for name in [name for name in sys.modules if name.startswith('lineup')]: del sys.modules[name]\n"
        "from lineup.cli import main\nmain()\n"
    )
    done = lineup(project, "--version")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {package}: not imported, found {RUNNING} instead")
    assert done.stderr.count("\n") == 1
