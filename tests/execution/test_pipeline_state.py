"""A DVC error gives one line with a fix that works. Each test damages a real DVC repository in one way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from dvc.lock import make_lock

from lineup.code.stages import write_code
from lineup.errors import LineupError
from lineup.execution.doctor import _dvc
from lineup.execution.pipeline import PipelineError, locked_stages, read_pipeline
from lineup.files import file_sha256
from lineup.paths import Project
from lineup.schema import YAML_BYTES

PIPELINE = """\
stages:
  first:
    cmd: echo {size} > out
    params: [size]
    outs: [out]
  last:
    cmd: 'true'
    always_changed: true
    deps: [out]
""".replace("{size}", "${size}")
BOMB = "\n".join(["size: &a0 lol", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))])


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git and DVC repository whose pipeline has run."""
    root = tmp_path_factory.mktemp("made")
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "params.yaml").write_text("size: 1\n")
    run(root, "git", "init", "--quiet")
    run(root, sys.executable, "-m", "dvc", "repro")
    run(root, "git", "add", ".")
    run(root, "git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "x")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of that repository."""
    return Path(shutil.copytree(made, tmp_path / "project"))


def remedy_of(root: Path, *said: str) -> str:
    """Check what doctor finds, and return its remedy."""
    finding = _dvc(Project(root))
    assert not finding.fine
    for text in said:
        assert text in finding.found
    assert "\n" not in finding.found
    assert len(finding.found) < 600
    return finding.remedy


def test_stages_are_reported_as_up_to_date_or_out_of_date(root: Path) -> None:
    assert _dvc(Project(root)).found.endswith(", everything is up to date")
    assert [name.rpartition(":")[2] for name in read_pipeline(root).changed] == ["last"]
    (root / "params.yaml").write_text("size: 2\n")
    finding = _dvc(Project(root))
    assert finding.fine
    assert finding.found.endswith("; 1 of 2 stages are out of date; lineup repro runs them")


def test_changed_code_is_reported(root: Path) -> None:
    write_code(root)
    assert _dvc(Project(root)).found.endswith(", everything is up to date")
    (root / "code.yaml").write_text("of earlier code")
    assert _dvc(Project(root)).found.endswith("the code has changed: lineup repro runs the stages that depend on it")


def damage_lock(root: Path) -> None:
    (root / "dvc.lock").write_text("<<<<<<< HEAD\n" + (root / "dvc.lock").read_text())


@pytest.mark.parametrize(
    ("damage", "said", "remedy"),
    [
        (damage_lock, "dvc.lock: cannot be read: line 1 is a merge conflict", "git checkout HEAD -- dvc.lock"),
        (lambda root: (root / "dvc.lock").write_bytes(b"\xff"), "dvc.lock: cannot be read", "git checkout HEAD"),
        (lambda root: (root / "dvc.yaml").write_text("stages: ["), "dvc.yaml: cannot be read as YAML: line 2", "git"),
        (lambda root: (root / "params.yaml").write_text("a: b: c"), "params.yaml: cannot be read as YAML", "git check"),
        (lambda root: (root / "params.yaml").write_text(BOMB), "more than 4,194,304 characters", "git checkout HEAD"),
        (lambda root: (root / "params.yaml").unlink(), "params.yaml: no such file", "git checkout HEAD -- params.yaml"),
        (lambda root: shutil.rmtree(root / ".dvc"), "no folder .dvc here", "git checkout HEAD -- .dvc"),
    ],
)
def test_the_suggested_git_command_works(root: Path, damage: Callable[[Path], object], said: str, remedy: str) -> None:
    damage(root)
    begin = time.process_time()
    advice = remedy_of(root, said)
    assert time.process_time() - begin < 2
    assert remedy in advice
    run(root, *advice[advice.index("git") :].split(",")[0].split())
    assert _dvc(Project(root)).fine


def test_a_copy_without_git(root: Path) -> None:
    shutil.rmtree(root / ".git")
    remedy = remedy_of(root, f"{root}: no git repository")
    assert remedy == "dvc config core.no_scm true lets DVC work without git"
    run(root, sys.executable, "-m", *remedy.split()[:4])
    assert _dvc(Project(root)).found.endswith(", everything is up to date")
    shutil.rmtree(root / ".dvc")
    assert remedy_of(root, "no folder .dvc here") == "dvc init --no-scm creates it"
    run(root, sys.executable, "-m", "dvc", "init", "--no-scm")
    assert _dvc(Project(root)).fine


def test_other_errors_quote_dvc(root: Path) -> None:
    (root / "dvc.yaml").write_text(PIPELINE.replace("${size}", "${width}"))
    assert remedy_of(root, "Could not find 'width'") == "correct dvc.yaml or params.yaml; dvc status shows the details"
    (root / ".dvc" / "config").write_text("[core\n")
    assert remedy_of(root, "config file error") == "correct .dvc/config"


def test_another_dvc_process(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0)
    with make_lock(str(root / ".dvc" / "tmp" / "lock")):
        assert remedy_of(root, "another DVC process is running in this project") == "wait until it ends"
    (root / "dvc.yaml").write_text(PIPELINE.replace("echo ${size}", "sleep 30; echo ${size}"))
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "> sleep" not in process.stdout.readline():
            pass
        for _ in range(100):
            if (root / ".dvc" / "tmp" / "rwlock").is_file():
                break
            time.sleep(0.1)
        assert (
            remedy_of(root, f"another DVC process is running in this project (PID {process.pid}): ")
            == "wait until it ends"
        )
        process.terminate()


def test_a_missing_file_is_fetched_only_where_there_is_a_remote(root: Path) -> None:
    def error(path: Path) -> str:
        with pytest.raises(LineupError) as caught:
            file_sha256(path)
        return str(caught.value).removeprefix(f"{path}: no such file; ")

    assert error(root / "runs" / "x") == "make it again (dvc repro)"
    assert error(root / "experiments" / "x" / "y") == "run that experiment again, or delete its folder"
    assert error(root.parent / "x") == "make it again"
    run(root, sys.executable, "-m", "dvc", "remote", "add", "--local", "--default", "disk", str(root.parent / "remote"))
    assert error(root / "runs" / "x") == "fetch it (dvc pull), or make it again (dvc repro)"


def test_an_error_of_the_pipeline_is_one_line_with_its_remedy(root: Path) -> None:
    (root / "dvc.lock").write_text("x: [")
    with pytest.raises(PipelineError) as caught:
        read_pipeline(root)
    remedy = "git checkout HEAD -- dvc.lock, then dvc repro"
    assert str(caught.value) == f"{root / 'dvc.lock'}: cannot be read; {remedy}"


def test_the_lock_file_of_a_thousand_stages_is_read(tmp_path: Path) -> None:
    stages = {f"train@model_{number}": {"cmd": "x" * 1500, "outs": [{"path": "out"}]} for number in range(1000)}
    (tmp_path / "dvc.lock").write_text(yaml.dump({"schema": "2.0", "stages": stages}))
    assert (tmp_path / "dvc.lock").stat().st_size > YAML_BYTES
    assert locked_stages(tmp_path) == sorted(stages)
