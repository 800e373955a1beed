"""The ``lineup`` command: it starts fast, every command has help, and every mistake gives one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from lineup import __version__
from lineup.cli.app import app
from lineup.errors import LineupError
from lineup.models.registry import list_architectures
from lineup.paths import find_project

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(getattr(get_command(app), "commands", {}))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
MODELS, COMMITTEES = len(PARAMS["models"]), len(PARAMS["committees"])
RUNS = MODELS + COMMITTEES
SUMMARY = f"params.yaml: {MODELS} models, {COMMITTEES} committees, data fashion_mnist"
HEAVY = ("numpy", "pandas", "tensorflow", "keras", "mlflow", "pydantic", "sklearn", "matplotlib", "dvc", "yaml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with parameters and a pipeline only."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def lineup(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m lineup`` in a folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    command = [sys.executable, "-m", "lineup", *arguments]
    return subprocess.run(
        command, cwd=folder, env=kept | environment, capture_output=True, text=True, timeout=120, check=False
    )


def invoke(*arguments: str) -> tuple[int, str]:
    """Call the command in this process, on a wide terminal; return status and output without colours."""
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    return done.exit_code, re.sub(r"\x1b\[[0-9;]*m", "", done.output)


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """Return the error of a failed command: exit status 1, one line, no traceback."""
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def test_version_and_help() -> None:
    assert invoke("--version") == (0, f"lineup {__version__}\n")
    for option in ("--help", "-h"):
        status, output = invoke(option)
        assert status == 0
        assert all(re.search(rf"\b{command}\b", output) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    status, output = invoke(command, "--help")
    assert status == 0
    assert f"Usage: lineup {command}" in output
    summary = get_command(app).commands[command].help  # type: ignore[attr-defined]
    assert summary
    assert summary.splitlines()[0] in output


def test_importing_the_command_imports_nothing_heavy() -> None:
    code = f"import sys, lineup.cli.app; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_error_outside_a_project_is_one_line(tmp_path: Path) -> None:
    message = error_of(lineup(tmp_path, "train", "basic_cnn"))
    assert message == f"{tmp_path}: no params.yaml and dvc.yaml here or in a parent folder; run lineup inside a project"


def test_project_is_found_from_every_folder_in_it(project: Path) -> None:
    (project / "a" / "b").mkdir(parents=True)
    assert find_project(project / "a" / "b").root == find_project(project).root == project.resolve()
    (project / "a" / "params.yaml").write_text("")
    assert find_project(project / "a" / "b").root == project.resolve()
    with pytest.raises(LineupError, match=r"no params\.yaml and dvc\.yaml"):
        find_project(project.parent)


@pytest.mark.parametrize("left", [("dvc.yaml",), ("params.yaml", ".dvc/config")])
def test_a_damaged_project_is_not_taken_for_the_one_around_it(project: Path, left: tuple[str, ...]) -> None:
    for name in left:
        (project / ".demo" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / ".demo" / name).touch()
    with pytest.raises(LineupError, match=rf"\.demo: no .* beside {re.escape(left[0])}"):
        find_project(project / ".demo")


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml"])
def test_a_deleted_file_of_the_project_is_named(project: Path, name: str) -> None:
    other = {"params.yaml": "dvc.yaml", "dvc.yaml": "params.yaml"}[name]
    (project / name).unlink()
    (project / "runs").mkdir()
    said = f"{project}: no {name} beside {other}; copy it from the original of this folder"
    assert error_of(lineup(project / "runs", "doctor")) == said
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    assert error_of(lineup(project, "doctor")) == f"{project}: no {name} beside {other}; git checkout HEAD -- {name}"


def no_seed(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    del params["split"]["seed"]
    (project / "params.yaml").write_text(yaml.safe_dump(params))


MISTAKES: list[tuple[list[str], str]] = [
    (["train", "vgg"], f"unknown model 'vgg'; expected one of the {MODELS} in the section models of params.yaml"),
    (["train", "basic_cnn", "--epochs", "0"], "epochs = 0: expected at least 1"),
    (["train", "basic_cnn", "--batch-size", "0"], "batch_size = 0: expected at least 1"),
    (["train", "basic_cnn", "--batch_size", "0"], "batch_size = 0: expected at least 1"),
    (["train", "basic_cnn", "--learning-rate", "nan"], "learning_rate = nan: expected at most 10"),
    (["train", "basic_cnn", "--learning_rate", "0"], "learning_rate = 0.0: expected more than 0"),
    (["train", "basic_cnn", "--validation", "0.9"], "validation = 0.9: expected at most 0.5"),
    (["train", "basic_cnn", "--seed", "-1"], "seeds.0 = -1: expected at least 0"),
    (["train", "basic_cnn", "--epochs", "2", "--seed", "0"], "dataset.npz: no images yet; run dvc repro split"),
    (["train", "basic_cnn", "--record", "."], ".: not a folder with a name; the record would replace it"),
    (
        ["train", "basic_cnn", "--record", "params.yaml"],
        "params.yaml: a file, or below a file; the record would",
    ),
    (["committee", "report_a", "--record", "dvc.yaml"], "dvc.yaml: a file, or below a file; the record would"),
    (["committee", "vgg"], f"unknown committee 'vgg'; expected one of the {COMMITTEES} in the section committees"),
    (["train", "train@vgg"], f"unknown model 'vgg'; expected one of the {MODELS}"),
    (["train", "../dvc.yaml:train@vgg"], f"unknown model 'vgg'; expected one of the {MODELS}"),  # from a subfolder
    (["train", "committee@report_a"], "unknown model 'committee@report_a'; "),
    (["train", "train@../x"], "unknown model '../x'; "),
    (["committee", "committee@vgg"], "unknown committee 'vgg'; "),
    (["committee", "committee@report_a"], "report_a.json: no such file; run lineup select first"),
    (["committee", "report_a"], "shallow_nn/seed_1: no record here; make it again (dvc repro)"),
    (["committee", "report_a", "--record", "x"], "shallow_nn/seed_1: no record here"),
    (["select"], "shallow_nn/seed_1: no record here"),
    (["split"], "dataset.json: no such file; run lineup download first"),
    (
        ["evaluate"],
        f"no record yet for shallow_nn, basic_cnn, deeper_cnn and {RUNS - 3} more; run dvc repro",
    ),
    (["reproduce"], "no record yet for shallow_nn, basic_cnn"),
    (["report"], "no record yet for shallow_nn, basic_cnn"),
    (["leaderboard"], "leaderboard.csv: no leaderboard yet; run dvc repro"),
    (["plot", "curves", "basic_cnn", "vgg"], "no record yet for basic_cnn; run dvc repro"),
    (
        ["plot", "errors", "vgg"],
        f"unknown model 'vgg'; expected one of the {RUNS} in params.yaml and the folder experiments",
    ),
    (["plot", "differences", "report_a"], "no record yet for report_a; run dvc repro"),
    (["plot", "classes"], "no records yet; run dvc repro"),
    (["plot", "data"], "dataset.npz: no images yet; run dvc repro split"),
    (["models", "--family", "vgg"], "unknown family 'vgg'; expected one of dense, wide_deep, conv1d, cnn"),
]


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Call the command in this process as its script does, and return its one-line error."""
    from lineup.cli.app import main

    def call(*arguments: str) -> str:
        monkeypatch.chdir(project)
        monkeypatch.setattr(sys, "argv", ["lineup", *arguments])
        # Signal handlers belong to the whole process, here to the tests.
        monkeypatch.setattr("lineup.signals.handle_signals", lambda: None)
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        assert line.startswith("error: ")
        return line

    return call


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_gives_one_line(run: Callable[..., str], project: Path, arguments: list[str], said: str) -> None:
    before = files_in(project)
    assert said in run(*arguments)
    assert files_in(project) == before


def test_code_checks_params_yaml_before_it_writes(project: Path) -> None:
    for written in ("written", "unchanged"):
        done = lineup(project, "code")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{SUMMARY}\ncode.yaml: {written}\n"
    # DVC requires these folders for later stages, even in a project without committees.
    assert sorted(path.name for path in (project / "runs").iterdir()) == ["committees", "models"]
    (project / "code.yaml").unlink()
    (project / "params.yaml").write_text("models: [")
    assert "params.yaml: cannot be read as YAML: line 2, column 1" in error_of(lineup(project, "code"))
    assert not (project / "code.yaml").exists()


def test_code_lists_the_files_in_a_hash(run: Callable[..., str], project: Path) -> None:
    done = lineup(project, "code", "--explain", "train.cnn")
    assert done.returncode == 0
    assert "  lineup/training/loop.py\n" in done.stdout
    assert "no stage in dvc.lock has run it" in done.stdout
    assert "unknown key 'train.cnm'; did you mean 'train.cnn'" in run("code", "--explain", "train.cnm")


def test_only_an_earlier_record_is_replaced(run: Callable[..., str], project: Path) -> None:
    own = project / "runs" / "models" / "basic_cnn"
    own.mkdir(parents=True)
    (own / ".gitignore").write_text("/model\n")
    said = run("train", "basic_cnn", "--record", "runs/models")
    assert "runs/models: a folder with other files and no record.json; the record would replace it" in said
    # As DVC leaves it when it removes the outputs of the stage that it is about to run.
    assert "dataset.npz: no images yet" in run("train", "basic_cnn", "--record", "runs/models/basic_cnn")


def test_an_error_of_the_operating_system_is_one_line(run: Callable[..., str], project: Path) -> None:
    (project / "runs").write_text("in the way")
    assert run("select") == f"error: {project.resolve() / 'runs'}: File exists"


def test_bad_parameters_give_one_line(project: Path) -> None:
    no_seed(project)
    expected = "params.yaml: split.seed is missing; this section has seed, test, duplicates, near_duplicates"
    assert error_of(lineup(project, "split")) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--nope"], "--nope"),
        (["train", "basic_cnn", "--epoch", "3"], "--epochs"),  # as mlflow run -P epoch=3 becomes
        (["trian", "basic_cnn"], "'train'"),
        (["train"], "Missing argument"),
        (["plot", "curves"], "Missing argument"),
        (["plot", "erors", "basic_cnn"], "'errors'"),
        (["ui", "--port", "70000"], "65535"),
        (["fly"], "fly"),
        (["train", "basic_cnn", "--epochs", "abc"], "--epochs"),
        (["train", "basic_cnn", "--epochs", "1.5"], "--epochs"),
        (["train", "basic_cnn", "--learning-rate", "low"], "--learning-rate"),
    ],
)
def test_wrong_usage_gives_status_2_and_the_reason(arguments: list[str], said: str) -> None:
    status, output = invoke(*arguments)
    assert status == 2
    assert said in output
    assert "Traceback" not in output


def test_models_lists_everything_registered() -> None:
    _, output = invoke("models")
    for entry in list_architectures():
        (line,) = [line for line in output.splitlines() if re.search(rf"\b{entry.name}\b", line)]
        assert (f"{entry.parameters:,}" if entry.parameters else " - ") in line
        assert entry.family in line
        assert entry.summary in line
    _, output = invoke("models", "--family", "cnn")
    assert "basic_cnn" in output
    assert "shallow_nn" not in output


def test_a_stage_of_dvc_does_not_write_into_an_outer_run(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    run("select")
    assert os.environ["MLFLOW_RUN_ID"] == "0" * 32
    monkeypatch.setenv("DVC_STAGE", "train@basic_cnn")
    run("select")
    assert "MLFLOW_RUN_ID" not in os.environ
