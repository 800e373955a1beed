"""``lineup repro``: which stages run in which order, and how they stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from dvc.lock import make_lock

from lineup.errors import LineupError
from lineup.execution.init import project_files
from lineup.execution.local import LocalProcesses
from lineup.execution.pipeline import check_not_busy
from lineup.execution.plan import Plan, committed_seconds, previous_seconds, stages_to_run
from lineup.execution.repro import repro


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait until a condition holds; fail after a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.2)


def start(plan: Plan, limit: int) -> list[str]:
    """Start up to ``limit`` stages of a plan, and return their names."""
    names = [name for _ in range(limit) if (name := plan.start(lambda _: True)) is not None]
    assert plan.running.issuperset(names)
    return names


def test_a_stage_starts_when_the_stages_before_it_are_done() -> None:
    plan = Plan({"a": set(), "b": set(), "c": {"a", "b"}, "d": {"c"}, "e": {"b"}})
    assert start(plan, 1) == ["a"]
    assert start(plan, 0) == []
    assert start(plan, 5) == ["b"]
    plan.end("b", succeeded=True)
    assert start(plan, 5) == ["e"]
    plan.end("a", succeeded=False)
    plan.end("e", succeeded=True)
    assert start(plan, 5) == []
    assert plan.has_ended()
    assert (plan.done, plan.failed, plan.not_started()) == (["b", "e"], ["a"], ["c", "d"])


def test_a_stage_without_room_lets_others_start() -> None:
    plan = Plan({"train@a": set(), "evaluate": set()}, {"train@a": 50, "evaluate": 5})
    assert plan.start(lambda name: name == "evaluate") == "evaluate"
    plan.end("evaluate", succeeded=True)
    assert plan.start(lambda name: name == "evaluate") is None
    assert not plan.has_ended()
    assert plan.start(lambda _: True) == "train@a"


def test_the_longest_stage_starts_first(tmp_path: Path) -> None:
    for folder, seconds in (
        ("models/a/seed_1", 5.0),
        ("models/b/seed_1", 50.0),
        ("models/b/seed_2", 40.5),
        ("committees/d/seed_1", 0.1),
        ("compact/b/seed_1", 7.0),
        ("compact/d/seed_1", 0.2),
    ):
        (tmp_path / "runs" / folder).mkdir(parents=True)
        (tmp_path / "runs" / folder / "runtime.json").write_text(json.dumps({"training_seconds": seconds}))
    names = ["train@a", "train@b", "train@c", "committee@d", "split"]
    times = previous_seconds(tmp_path, names)
    assert times == {"train@a": 5.0, "train@b": 90.5, "committee@d": 0.1}
    assert committed_seconds(tmp_path, names) == {"train@b": 7.0, "committee@d": 0.2}
    plan = Plan({name: set() for name in names}, times)
    assert start(plan, 5) == ["train@c", "split", "train@b", "train@a", "committee@d"]
    (tmp_path / "runs" / "models" / "a" / "seed_1" / "runtime.json").write_text("{")
    assert previous_seconds(tmp_path, ["train@a"]) == {}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC project with one stage that prints a line that is not UTF-8; the test runs in it."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (tmp_path / "params.yaml").write_text("size: 1\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n  odd:\n    cmd: printf 'caf\\351\\n'\n    params: [size]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def error_of_dvc(root: Path) -> str:
    """Return the one line that says why DVC cannot read the pipeline."""
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
def test_a_pipeline_that_dvc_cannot_read_gives_one_line(workspace: Path, name: str, content: str, said: str) -> None:
    assert stages_to_run(workspace) == {"odd": set()}
    (workspace / name).write_text(content)
    assert said in error_of_dvc(workspace)


def test_stages_have_the_same_names_in_a_subfolder(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "notebooks").mkdir()
    monkeypatch.chdir(workspace / "notebooks")
    assert stages_to_run(workspace) == {"odd": set()}


def test_a_folder_without_a_dvc_repository_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    (tmp_path / "dvc.yaml").write_text("")
    assert "no folder .dvc here; dvc init --no-scm creates it" in error_of_dvc(tmp_path)


def test_a_repository_that_another_process_has_locked_gives_one_line(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages_to_run(workspace)
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0)
    with make_lock(str(workspace / ".dvc" / "tmp" / "lock")):
        assert "another DVC process is running in this project; wait until it ends" in error_of_dvc(workspace)


def outcome(root: Path, stage: str) -> tuple[int, list[str]]:
    """Run a stage and return its exit status and its output."""
    lines: list[str] = []
    with LocalProcesses(root, 1, lines.append) as processes:
        processes.start(stage)
        name, status = processes.wait()
        printed = list(lines)
        assert name == stage
        assert processes.pids() == []
        processes.start(stage)  # which waits forever if the only GPU is not free again
        processes.wait()
    return status, printed


def test_a_stage_that_cannot_start_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    status, (line,) = outcome(tmp_path / "none", "train@a")
    assert status == 1
    assert line.startswith("[train@a] ")
    assert "No such file or directory" in line


def test_a_line_in_another_encoding_is_passed_on(workspace: Path) -> None:
    status, lines = outcome(workspace, "odd")
    assert status == 0
    assert "[odd] caf\N{REPLACEMENT CHARACTER}" in lines


def start_sleeping_stage(workspace: Path) -> subprocess.Popen[bytes]:
    """Start ``dvc repro`` with a stage that sleeps, and wait until the stage runs."""
    (workspace / "dvc.yaml").write_text("stages:\n  long:\n    cmd: touch started && sleep 60\n    outs: [never]\n")
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=workspace, stdout=quiet, stderr=quiet, start_new_session=True
    )
    wait_for(lambda: (workspace / "started").exists(), "the stage")
    return process


def test_another_dvc_process_is_named_with_the_command_that_stops_it(workspace: Path) -> None:
    process = start_sleeping_stage(workspace)
    with pytest.raises(LineupError) as caught:
        repro(workspace, 2)
    assert f"another DVC process is running in this project (PID {process.pid}: " in str(caught.value)
    advice = f"kill -INT -{process.pid}"
    assert advice in str(caught.value)
    subprocess.run(["bash", "-c", advice], check=True)
    process.wait(timeout=30)
    check_not_busy(workspace)


def test_the_lock_of_a_zombie_process_is_removed(workspace: Path) -> None:
    process = start_sleeping_stage(workspace)
    os.killpg(process.pid, signal.SIGKILL)
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "a zombie")
    (workspace / "dvc.yaml").write_text("stages:\n  quick:\n    cmd: touch never\n    outs: [never]\n")
    repro(workspace, 1)
    assert (workspace / "never").exists()
    process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_stops_the_stages_too(workspace: Path, number: int) -> None:
    (workspace / "params.yaml").write_bytes(project_files(in_git=False)["params.yaml"])
    (workspace / "models.py").write_bytes(project_files(in_git=False)["models.py"])
    stage = "  {0}:\n    cmd: touch started_{0} && sleep 61\n    outs: [never_{0}]\n"
    (workspace / "dvc.yaml").write_text("stages:\n" + stage.format("one") + stage.format("two"))
    quiet = subprocess.DEVNULL
    call = [sys.executable, "-m", "lineup", "repro", "-j", "2"]
    process = subprocess.Popen(call, cwd=workspace, stdout=quiet, stderr=quiet, start_new_session=True)
    wait_for(lambda: len(list(workspace.glob("started_*"))) == 2, "the stages")
    stages = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    assert process.wait(timeout=30) == (-number if number == signal.SIGKILL else 128 + number)
    gone, alive = psutil.wait_procs(stages, timeout=30)
    assert len(gone) >= 4  # DVC and the command, for each stage
    assert not alive
    check_not_busy(workspace)
