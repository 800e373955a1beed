"""``lineup repro -j``: stages side by side, with the result of a sequential ``dvc repro``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from dvc.lock import make_lock

from lineup.errors import LineupError
from lineup.execution.repro import Plan, _Workers, check_not_busy, former_seconds, repro, stages_to_run

from .conftest import ROOT, Checkout, ran, wait_for

# Outputs that say how long something took, and what is made from them.
TIMED = ("history.csv", "runtime.json", "runs/models", "runs/committees", "leaderboard", "runs.csv")


def lock(checkout: Checkout) -> dict[str, Any]:
    """Return ``dvc.lock`` without the hashes that differ from run to run."""
    stages = yaml.safe_load((checkout.demo / "dvc.lock").read_text())["stages"]
    for stage in stages.values():
        for item in [*stage.get("deps", []), *stage.get("outs", [])]:
            if any(item["path"].endswith(name) or f"/{name}" in item["path"] for name in TIMED):
                for key in ("md5", "size", "nfiles"):
                    item.pop(key, None)
    return dict(stages)


def test_ready_and_blocked_stages() -> None:
    plan = Plan({"a": set(), "b": set(), "c": {"a", "b"}, "d": {"c"}, "e": {"b"}})
    assert plan.ready() == ["a", "b"]
    plan.running = {"a"}
    plan.done = {"b"}
    assert plan.ready() == ["e"]
    plan.running, plan.failed = set(), {"a"}
    assert plan.blocked() == ["c", "d"]


def test_the_longest_stage_comes_first(tmp_path: Path) -> None:
    for folder, taken in (("models/a", 5.0), ("models/b", 90.5), ("committees/d", 0.1)):
        (tmp_path / "runs" / folder).mkdir(parents=True)
        (tmp_path / "runs" / folder / "runtime.json").write_text(json.dumps({"training_seconds": taken}))
    names = ["train@a", "train@b", "train@c", "committee@d", "split"]
    seconds = former_seconds(tmp_path, names)
    assert seconds == {"train@a": 5.0, "train@b": 90.5, "committee@d": 0.1}
    plan = Plan({name: set() for name in names}, seconds)
    assert plan.ready() == ["train@c", "split", "train@b", "train@a", "committee@d"]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC workspace with one stage, which prints a line that is not UTF-8; the test runs in it."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (tmp_path / "params.yaml").write_text("size: 1\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n  odd:\n    cmd: printf 'caf\\351\\n'\n    params: [size]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told_of_dvc(root: Path) -> str:
    """Return the one line that says why DVC cannot tell what is to be done."""
    with pytest.raises(LineupError) as caught:
        stages_to_run(root)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{root}")
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("dvc.yaml", "stages: [", "dvc.yaml: cannot be read as YAML: line 2, column 1: "),
        ("dvc.yaml", "stages: {odd: {command: true}}", "dvc.yaml' validation failed: 2 errors"),
        ("dvc.yaml", "stages: {odd: {foreach: '${models}', do: {cmd: 'true'}}}", "Could not find 'models'"),
        ("params.yaml", "size: [", "params.yaml: cannot be read as YAML: line 2, column 1: "),
    ],
)
def test_a_pipeline_that_dvc_cannot_read_is_one_line(workspace: Path, name: str, content: str, said: str) -> None:
    assert stages_to_run(workspace) == {"odd": set()}
    (workspace / name).write_text(content)
    assert said in told_of_dvc(workspace)


def test_stages_have_their_names_in_a_subfolder_too(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "notebooks").mkdir()
    monkeypatch.chdir(workspace / "notebooks")
    assert stages_to_run(workspace) == {"odd": set()}


def test_a_folder_without_a_dvc_repository_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    (tmp_path / "dvc.yaml").write_text("")
    assert "no folder .dvc here; dvc init --no-scm makes one" in told_of_dvc(tmp_path)


def test_a_repository_that_another_process_has_locked_is_one_line(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages_to_run(workspace)
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0)
    with make_lock(str(workspace / ".dvc" / "tmp" / "lock")):
        assert "another DVC process is at work here; wait until it has ended" in told_of_dvc(workspace)


def outcome(root: Path, stage: str) -> tuple[int, list[str]]:
    """Run a stage and return its exit status and what was printed."""
    lines: list[str] = []
    with _Workers(root, 1, lines.append) as workers:
        workers.start(stage)
        name, status = workers.wait()
        printed = list(lines)
        assert name == stage
        assert workers.processes() == []
        workers.start(stage)  # which waits forever if the only GPU is not free again
        workers.wait()
    return status, printed


def test_a_stage_that_cannot_be_started_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    status, (line,) = outcome(tmp_path / "none", "train@a")
    assert status == 1
    assert line.startswith("[train@a] ")
    assert "No such file or directory" in line


def test_a_line_in_another_encoding_is_passed_on(workspace: Path) -> None:
    status, told = outcome(workspace, "odd")
    assert status == 0
    assert "[odd] caf\N{REPLACEMENT CHARACTER}" in told


def start_sleeping_stage(workspace: Path) -> subprocess.Popen[bytes]:
    """Start ``dvc repro`` with a stage that sleeps, and wait until the stage runs."""
    shutil.copy(ROOT / "params.demo.yaml", workspace / "params.yaml")
    (workspace / "dvc.yaml").write_text("stages:\n  long:\n    cmd: touch started && sleep 60\n    outs: [never]\n")
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=workspace, stdout=quiet, stderr=quiet, start_new_session=True
    )
    wait_for(lambda: (workspace / "started").exists(), "the stage")
    return process


def test_another_process_at_work_is_named_once_with_the_command_that_ends_it(workspace: Path) -> None:
    process = start_sleeping_stage(workspace)
    with pytest.raises(LineupError) as caught:
        repro(workspace, 2)
    assert f"another DVC process is at work here (PID {process.pid}: " in str(caught.value)
    advice = f"kill -INT -{process.pid}"
    assert advice in str(caught.value)
    subprocess.run(["bash", "-c", advice], check=True)
    process.wait(timeout=30)
    check_not_busy(workspace)


def test_the_lock_of_a_killed_process_that_is_a_zombie_is_removed(workspace: Path) -> None:
    process = start_sleeping_stage(workspace)
    os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "a zombie")
    (workspace / "dvc.yaml").write_text("stages:\n  quick:\n    cmd: touch never\n    outs: [never]\n")
    repro(workspace, 1)
    assert (workspace / "never").exists()
    process.wait()


@pytest.mark.parametrize(
    ("command", "folder", "number"), [("repro", ".", signal.SIGINT), ("demo", ".demo", signal.SIGTERM)]
)
def test_a_signal_ends_the_stages_too(workspace: Path, command: str, folder: str, number: int) -> None:
    for name in ("params.yaml", "params.demo.yaml"):
        shutil.copy(ROOT / "params.demo.yaml", workspace / name)
    (workspace / "dvc.yaml").write_text("stages:\n  long:\n    cmd: touch started && sleep 61\n    outs: [never]\n")
    quiet = subprocess.DEVNULL
    call = [sys.executable, "-m", "lineup", command]
    process = subprocess.Popen(call, cwd=workspace, stdout=quiet, stderr=quiet, start_new_session=True)
    wait_for(lambda: (workspace / folder / "started").exists(), "the stage")
    stages = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number
    gone, alive = psutil.wait_procs(stages, timeout=10)
    assert len(gone) >= 2
    assert not alive
    check_not_busy(workspace / folder)


@pytest.mark.slow
def test_side_by_side_gives_the_sequential_lock(copy: Checkout) -> None:
    before = lock(copy)
    (copy.demo / "dvc.lock").unlink()
    done = copy.run("lineup", "repro", "-j", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[train@shallow_nn] shallow_nn epoch 3/3" in done.stdout
    assert lock(copy) == before
    done = copy.run("dvc", "repro")
    assert ran(done.stdout) == ["publish"]


@pytest.mark.slow
def test_a_failing_stage_stops_what_depends_on_it_alone(copy: Checkout) -> None:
    copy.change(shallow_nn={"validation": 0.02}, frozen_encoder={"learning_rate": 0.002})
    done = copy.run("lineup", "repro", "-j", "2")
    assert done.returncode == 1
    error = done.stderr.strip().splitlines()[-1]
    left = "select, committee@pair, evaluate, reproduce, champion, publish"
    assert error.startswith(f"error: failed: train@shallow_nn; not run: {left}")
    assert "validation: 0.02 of 400 images leaves 8 for validation" in done.stdout
    assert (copy.demo / "runs" / "models" / "frozen_encoder" / "record.json").is_file()
    assert not (copy.demo / "runs" / "models" / "shallow_nn" / "record.json").exists()
