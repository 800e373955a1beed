"""Check which stages DVC runs again after changes in the code, in a small git checkout with its own package."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lineup.records.record import Record, read_record
from tests.fork_server import python_folder

from .conftest import ROOT, ran

pytestmark = pytest.mark.slow

NETWORK = {"epochs": 1, "batch_size": 32, "learning_rate": 0.001, "validation": 0.2}
PARAMS: dict[str, Any] = {
    "data": {"name": "synthetic", "train_images": 200, "test_images": 50, "seed": 1},
    "split": {"seed": 2025},
    "training": {"threads": 1},
    "models": {
        "shallow_nn": NETWORK | {"family": "dense", "architecture": "shallow_nn"},
        "basic_cnn": NETWORK | {"family": "cnn", "architecture": "basic_cnn"},
        "knn": {"family": "classical", "architecture": "knn", "validation": 0.2},
    },
    "committees": {},
    "champion": {"metric": "loss"},
}
UNITS, FEWER_UNITS = "hidden(128)", "hidden(16)"
DENSE = "src/lineup/models/dense.py"
PARAMETERS = {128: 28 * 28 * 128 + 128 + 128 * 10 + 10, 16: 28 * 28 * 16 + 16 + 16 * 10 + 10}


@dataclass(frozen=True)
class Project:
    """A git checkout of a small project with its own package."""

    root: Path

    def run(self, *command: str, **changes: str) -> str:
        """Run a command, such as ``python``, ``dvc`` or ``git``, and return what it printed; it must succeed.

        Commands of lineup and DVC run in processes of the `tests.fork_server`.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_", "GIT_"))}
        path = os.pathsep.join([str(python_folder()), str(Path(sys.executable).parent), kept.get("PATH", "")])
        python = str(python_folder() / "python")
        given = {"dvc": [python, "-m", "dvc"], "python": [python]}.get(command[0], [command[0]])
        done = subprocess.run(
            [*given, *command[1:]],
            cwd=self.root,
            env=kept | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"} | changes,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def out_of_date(self) -> list[str]:
        """Return the training runs that are out of date."""
        self.run("python", "-m", "lineup", "code")
        status = json.loads(self.run("dvc", "status", "--json"))
        return [name for name in status if name.startswith("train@")]

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace a text that is in a file."""
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        (self.root / name).write_text(text.replace(old, new), encoding="utf-8")

    def change(self, model: str, **settings: Any) -> None:
        """Change settings of a model in params.yaml."""
        params = yaml.safe_load((self.root / "params.yaml").read_text())
        params["models"][model].update(settings)
        (self.root / "params.yaml").write_text(yaml.safe_dump(params))

    def record(self, model: str) -> Record:
        return read_record(self.root / "runs" / "models" / model / "seed_1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose models are trained and whose results are committed to git. Only read it; change a `copy`."""
    project = Project(tmp_path_factory.mktemp("project"))
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config"):
        (project.root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, project.root / name)
    # With the byte code, which stays valid until a file changes.
    shutil.copytree(ROOT / "src", project.root / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    (project.root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    project.run("git", "init", "--quiet")
    for setting in ("user.name", "user.email"):
        project.run("git", "config", setting, "test@localhost")
    assert ran(project.run("dvc", "repro", "train"))[:3] == ["code", "download", "split"]
    project.run("git", "add", ".")
    project.run("git", "commit", "--quiet", "--message", "Train all models")
    return project


@pytest.fixture
def copy(trained: Project, tmp_path: Path) -> Project:
    """A copy of the trained project."""
    return Project(shutil.copytree(trained.root, tmp_path / "copy", symlinks=True))


def test_reworded_code_runs_nothing_again(copy: Project) -> None:
    for path in (copy.root / "src").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Expr(ast.Constant("Reworded."))
            if isinstance(node, ast.FunctionDef):
                node.returns = ast.Name("object")
        # Comments and layout are not in a syntax tree.
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
    assert ran(copy.run("dvc", "repro", "train")) == ["code"]


def test_a_constant_of_a_family_makes_its_models_out_of_date(copy: Project) -> None:
    assert copy.out_of_date() == []
    copy.replace("src/lineup/models/cnn.py", "(32,)", "(16,)")
    assert copy.out_of_date() == ["train@basic_cnn"]
    explained = copy.run("python", "-m", "lineup", "code", "--explain", "models.cnn.basic_cnn").splitlines()
    assert explained[0].endswith("1 changed since dvc.lock")
    assert [line.split()[1:] for line in explained if line.endswith("changed")] == [["lineup/models/cnn.py", "changed"]]
    assert explained[-1] == "out of date: train@basic_cnn"


def test_the_loop_makes_every_network_out_of_date_and_no_classical_model(copy: Project) -> None:
    with (copy.root / "src/lineup/training/loop.py").open("a", encoding="utf-8") as file:
        file.write("\n_NEW = 1\n")
    assert copy.out_of_date() == ["train@basic_cnn", "train@shallow_nn"]


def test_the_file_format_makes_the_classical_models_out_of_date(copy: Project) -> None:
    with (copy.root / "src/lineup/training/skops_file.py").open("a", encoding="utf-8") as file:
        file.write("\n_NEW = 1\n")
    assert copy.out_of_date() == ["train@knn"]


def test_messages_and_commands_make_nothing_out_of_date(copy: Project) -> None:
    for name in ("errors.py", "terminal.py", "cli/app.py", "tracking/live.py", "execution/repro.py"):
        with (copy.root / "src" / "lineup" / name).open("a", encoding="utf-8") as file:
            file.write("\n_NEW = 1\n")
    assert copy.out_of_date() == []


def test_code_that_is_edited_after_its_hash_is_not_run(copy: Project) -> None:
    copy.change("shallow_nn", learning_rate=0.01)
    copy.replace(DENSE, UNITS, FEWER_UNITS)
    with pytest.raises(AssertionError, match=r"the code of models\.dense\.shallow_nn has changed since this"):
        copy.run("dvc", "repro", "--single-item", "train@shallow_nn")
    assert "learning_rate: 0.001\n" in (copy.root / "dvc.lock").read_text()


def test_a_setting_that_is_changed_back_trains_nothing(trained: Project, copy: Project) -> None:
    before = copy.record("shallow_nn").header.weights
    copy.change("shallow_nn", learning_rate=0.01)
    assert ran(copy.run("dvc", "repro", "train")) == ["code", "train@shallow_nn"]
    assert copy.record("shallow_nn").header.weights != before
    copy.change("shallow_nn", learning_rate=0.001)
    assert ran(copy.run("dvc", "repro", "train")) == ["code"]
    assert copy.record("shallow_nn").header.weights == before
    assert (copy.root / "dvc.lock").read_text() == (trained.root / "dvc.lock").read_text()


def test_a_worktree_runs_its_own_code(trained: Project, copy: Project, tmp_path: Path) -> None:
    copy.run("git", "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"))
    tree = Project(tmp_path / "tree")
    tree.replace(DENSE, UNITS, FEWER_UNITS)
    # The other package comes first on Python's path, as with an editable installation of another checkout. The changed
    # code is trained in the same repro that hashes it.
    assert "train@shallow_nn" in ran(tree.run("dvc", "repro", "train@shallow_nn", PYTHONPATH=str(trained.root / "src")))
    assert _parameters(tree.record("shallow_nn")) == PARAMETERS[16]
    assert _parameters(copy.record("shallow_nn")) == PARAMETERS[128]
    assert _locked(tree) != _locked(copy)
    assert "code.yaml: unchanged" in tree.run("python", "-m", "lineup", "code")


def test_an_experiment_in_a_temporary_checkout_runs_the_code_that_it_hashes(copy: Project) -> None:
    copy.replace(DENSE, UNITS, FEWER_UNITS)
    copy.run("dvc", "exp", "run", "--temp", "--name", "small", "train@shallow_nn")
    (reference,) = copy.run("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/small").split()
    lock = yaml.safe_load(copy.run("git", "show", f"{reference}:dvc.lock"))
    summary = json.loads(copy.run("git", "show", f"{reference}:runs/metrics/shallow_nn.json"))
    # The same code in the workspace has the same hash and gives the same weights. DVC's run cache has them already.
    assert ran(copy.run("dvc", "repro", "train@shallow_nn")) == ["code"]
    assert lock["stages"]["train@shallow_nn"]["params"]["code.yaml"] == _locked(copy)
    record = copy.record("shallow_nn")
    assert _parameters(record) == PARAMETERS[16]
    assert record.header.weights is not None
    assert summary["runs"][0]["weights_sha256"] == record.header.weights.sha256


def test_the_error_of_an_experiment_with_an_invalid_setting_says_how_to_restore_params(copy: Project) -> None:
    restore = "git restore --source=HEAD --worktree params.yaml"
    before = (copy.root / "params.yaml").read_text()
    with pytest.raises(
        AssertionError, match=f"learning_rate = 0: expected more than 0.0; dvc exp run .*, run {restore}"
    ):
        copy.run("dvc", "exp", "run", "-S", "models.shallow_nn.learning_rate=0", "code")
    assert (copy.root / "params.yaml").read_text() != before
    copy.run(*restore.split())
    assert (copy.root / "params.yaml").read_text() == before
    with pytest.raises(AssertionError) as caught:
        copy.run("dvc", "exp", "run", "--temp", "-S", "models.shallow_nn.learning_rate=0", "code")
    assert "expected more than 0" in str(caught.value)
    assert restore not in str(caught.value)  # the experiment's own params.yaml is in a temporary folder


def _parameters(record: Record) -> int:
    assert record.header.weights is not None
    return record.header.weights.parameters


def _locked(project: Project) -> Any:
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    return lock["stages"]["train@shallow_nn"]["params"]["code.yaml"]
