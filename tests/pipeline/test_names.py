"""Names in params.yaml that are no names: DVC makes stages of them, and runs the commands of stages in a shell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from .conftest import PARAMS, ROOT, Checkout

pytestmark = pytest.mark.slow

ATTACKS = ["a; touch pwned; echo ", "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "']
ATTACKS += ["a\ntouch pwned", "a & touch pwned", "-h", "a b"]
PATH = "../../precious"


@pytest.fixture
def workspace(tmp_path: Path) -> Checkout:
    """A workspace in which every dependency of a training is there."""
    checkout = Checkout(tmp_path)
    checkout.demo.mkdir()
    shutil.copy(ROOT / "dvc.yaml", checkout.demo)
    shutil.copytree(ROOT / "src", checkout.demo / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name, text in ((".dvc/config", "[core]\n    no_scm = true\n"), ("data/splits/x", ""), ("precious/model", "")):
        (checkout.demo / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout.demo / name).write_text(text)
    return checkout


def write(checkout: Checkout, section: str, *names: str) -> None:
    """Write parameters in which a section has entries of these names, too."""
    (entry, *_) = PARAMS[section].values()
    params = PARAMS | {section: dict.fromkeys(names, entry) | PARAMS[section]}
    (checkout.demo / "params.yaml").write_text(yaml.safe_dump(params))


def refused(checkout: Checkout, done: subprocess.CompletedProcess[str]) -> None:
    """See that a command failed, said why, and did nothing else."""
    assert done.returncode != 0
    assert "expected a name of at most 64" in done.stderr
    assert not list(checkout.root.rglob("pwned"))
    assert (checkout.demo / "precious" / "model").is_file()


@pytest.mark.parametrize("section", ["models", "committees"])
def test_names_are_checked_before_any_other_stage_runs(workspace: Checkout, section: str) -> None:
    write(workspace, section, *ATTACKS, PATH)
    done = workspace.run("dvc", "repro")
    refused(workspace, done)
    assert done.stdout.count("Running stage") == 1
    assert "Running stage 'code':" in done.stdout
    refused(workspace, workspace.run("lineup", "repro"))


def test_no_name_reaches_the_shell_when_its_stage_runs_by_itself(workspace: Checkout) -> None:
    write(workspace, "models", *ATTACKS[:5:2], "a\ntouch pwned")
    done = workspace.run("dvc", "repro", "--single-item", "--keep-going", "train")
    refused(workspace, done)
    assert done.stdout.count('> python -m lineup train "$DVC_STAGE"') >= 4
