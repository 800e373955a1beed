"""Names in params.yaml that are shell commands or paths: DVC runs the commands of stages in a shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from lineup.execution.init import create_project

from .conftest import PARAMS, Folder

pytestmark = pytest.mark.slow

ATTACKS = ["a; touch pwned; echo ", "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "']
ATTACKS += ["a\ntouch pwned", "a & touch pwned", "-h", "a b"]
PATH = "../../precious"


@pytest.fixture
def workspace(tmp_path: Path) -> Folder:
    """A new project in which all dependencies of the stage `train` exist."""
    root = create_project(tmp_path / "project").root
    code = "{train: {dense: {}}, models: {dense: {shallow_nn: {}}}}"
    for name, text in (("data/splits/x", ""), ("precious/model", ""), ("code.yaml", code)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Folder(root)


def write(folder: Folder, section: str, *names: str) -> None:
    """Write parameters in which a section also has entries of these names."""
    (entry, *_) = PARAMS[section].values()
    params = PARAMS | {section: dict.fromkeys(names, entry) | PARAMS[section]}
    (folder.root / "params.yaml").write_text(yaml.safe_dump(params))


def refused(folder: Folder, done: subprocess.CompletedProcess[str]) -> None:
    """Check that a command failed with the reason, and did nothing else."""
    assert done.returncode != 0
    assert "expected a name of at most 64" in done.stderr
    assert not list(folder.root.rglob("pwned"))
    assert (folder.root / "precious" / "model").is_file()


@pytest.mark.parametrize(
    ("section", "names"),
    # DVC itself refuses a path in committees: the stage would have the same file as dependency and output.
    [("models", [*ATTACKS, PATH]), ("committees", ATTACKS)],
)
def test_names_are_checked_before_any_other_stage_runs(workspace: Folder, section: str, names: list[str]) -> None:
    write(workspace, section, *names)
    done = workspace.run("dvc", "repro")
    refused(workspace, done)
    assert done.stdout.count("Running stage") == 1
    assert "Running stage 'code':" in done.stdout
    refused(workspace, workspace.run("lineup", "repro"))


def test_no_name_reaches_the_shell_when_its_stage_runs_by_itself(workspace: Folder) -> None:
    write(workspace, "models", *ATTACKS[:5:2], "a\ntouch pwned")
    done = workspace.run("dvc", "repro", "--single-item", "--keep-going", "train")
    refused(workspace, done)
    assert done.stdout.count('> python -m lineup train "$DVC_STAGE"') >= 4
