"""``lineup repro --on``: a real scheduler and two workers, each in its own process and folder."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from lineup.code.stages import write_code
from lineup.errors import LineupError
from lineup.execution import cluster, remote_stage, worker
from lineup.execution.init import create_project
from lineup.execution.remote_stage import Prepared, accept, prepare_stage
from lineup.execution.repro import repro
from lineup.files import file_sha256
from lineup.paths import Project
from lineup.records.archive import write_archive
from lineup.records.record import read_record

pytest.importorskip("distributed", reason="needs the extra dask or dev")
pytestmark = pytest.mark.slow

STAGES = ("code", "download", "split", "train", "select", "committee")
ESTIMATOR = {"family": "classical", "validation": 0.2}
PARAMS: dict[str, Any] = {
    "data": {"name": "synthetic", "train_images": 300, "test_images": 100, "seed": 1},
    "split": {"seed": 2025},
    "training": {"threads": 1},
    "models": {
        "linear": ESTIMATOR | {"architecture": "logistic_regression"},
        "neighbours": ESTIMATOR | {"architecture": "knn"},
    },
    "committees": {"pair": {"members": ["linear", "neighbours"], "rule": "average"}},
    "champion": {"metric": "loss", "among": "all"},
    "resources": {"neighbours": {"memory": 2}},
}


class Machines:
    """A scheduler and two workers. Only the worker ``two`` offers memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.scheduler = self._start("scheduler", "--port", str(self._port))
        self.workers = self._start_workers()

    def _start_workers(self) -> list[subprocess.Popen[bytes]]:
        return [self.start_worker("one"), self.start_worker("two", "--resources", "memory=2")]

    def start_worker(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        command = ["worker", self.address, "--name", name, "--nthreads", "1", "--no-nanny", *options]
        return self._start(*command, folder=name)

    def _start(self, *command: str, folder: str = "scheduler") -> subprocess.Popen[bytes]:
        place = self.folder / folder
        place.mkdir(exist_ok=True)
        with (place / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *command, "--host", "127.0.0.1", "--no-dashboard"],
                cwd=place,
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def restart_scheduler(self) -> None:
        """Kill the scheduler. Its workers would stop, so they are killed and started again, too."""
        self.kill([self.scheduler, *self.workers])
        self.scheduler = self._start("scheduler", "--port", str(self._port))
        self.workers = self._start_workers()

    @staticmethod
    def kill(processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def processes_in(folder: Path) -> list[psutil.Process]:
    """Return the processes whose working directory is in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    machines = Machines(tmp_path_factory.mktemp("machines"))
    yield machines
    machines.kill([*machines.workers, machines.scheduler])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with only the stages that the committee needs. The first test runs its pipeline."""
    project = create_project(tmp_path_factory.mktemp("head") / "project")
    pipeline = yaml.safe_load((project.root / "dvc.yaml").read_text())
    pipeline = {"stages": {name: stage for name, stage in pipeline["stages"].items() if name in STAGES}}
    (project.root / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    change(project)
    return project


def change(project: Project, **models: dict[str, Any]) -> None:
    """Write params.yaml with other settings of models."""
    changed = {name: settings | models.get(name, {}) for name, settings in PARAMS["models"].items()}
    project.params.write_text(yaml.safe_dump(PARAMS | {"models": changed}, sort_keys=False))


def run(
    project: Project, machines: Machines, monkeypatch: pytest.MonkeyPatch, react: Callable[[str], None] | None = None
) -> list[str]:
    """Run the project on the machines, and return the lines. ``react`` is called with each line."""
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        if react is not None:
            react(line)

    monkeypatch.chdir(project.root)
    write_code(project.root)
    repro(project.root, 2, log=log, on=machines.address, resources=PARAMS["resources"])
    return lines


def dvc(project: Project, *command: str) -> str:
    """Run DVC in the project, and return its output."""
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *command], cwd=project.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def entry_of(project: Project, stage: str) -> dict[str, Any]:
    """Return the entry of a stage in dvc.lock."""
    entry: dict[str, Any] = yaml.safe_load((project.root / "dvc.lock").read_text())["stages"][stage]
    return entry


def test_two_workers_share_the_work_and_one_is_killed(
    project: Project, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[psutil.Process] = []

    def kill_worker(line: str) -> None:
        """Kill the second worker when it trains, and start it again."""
        if not killed and "Running stage 'train@neighbours'" in line:
            folder = machines.folder / "two"
            killed.extend(processes_in(folder / ".lineup-worker"))
            machines.kill([machines.workers.pop()])
            machines.workers.append(machines.start_worker("two", "--resources", "memory=2"))

    lines = run(project, machines, monkeypatch, kill_worker)
    lost = [line for line in lines if "was lost; it starts again" in line]
    assert len(lost) == 1
    assert lost[0].startswith("[train@neighbours] the worker tcp://127.0.0.1:")
    assert killed
    _, alive = psutil.wait_procs(killed, timeout=30)
    assert not alive  # the training of the killed worker has stopped
    assert lines[-1].startswith("7 stages up to date after ")

    # Each worker has the images once. Results that the head has accepted are gone.
    images = file_sha256(project.dataset)
    for name in ("one", "two"):
        files = [path.name for path in (machines.folder / name / ".lineup-worker" / "files").iterdir()]
        assert images in files
    assert not (project.root / ".dvc" / "tmp" / "lineup" / "train@neighbours.zip").exists()
    # Only the second worker offers memory.
    stages = [path.name for path in (machines.folder / "one" / ".lineup-worker" / "stages").glob("*/*@*[a-z]")]
    assert "train@neighbours" not in stages

    # DVC has nothing to do. A sequential run of DVC, which restores the outputs from its cache, writes the same file.
    assert dvc(project, "status").split() == ["code:", "always", "changed"]
    lock = project.root / "dvc.lock"
    shared = lock.read_bytes()
    lock.unlink()
    output = dvc(project, "repro")
    assert "Stage 'train@neighbours' is cached - skipping run" in output
    assert "Stage 'committee@pair' is cached - skipping run" in output
    assert lock.read_bytes() == shared
    # The seeds of a model are kept, so that another seed does not train them again.
    assert len(list((project.finished / "linear").iterdir())) == 1


def test_the_scheduler_restarts_while_a_stage_runs(
    project: Project, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarts: list[threading.Thread] = []

    def restart(line: str) -> None:
        if not restarts and "Running stage 'train@neighbours'" in line:
            restarts.append(threading.Thread(target=machines.restart_scheduler))
            restarts[0].start()

    change(project, neighbours={"options": {"neighbours": 3}})
    lines = run(project, machines, monkeypatch, restart)
    restarts[0].join()
    assert lines.count(f"{machines.address}: the scheduler was lost; its stages start again when it is back") == 1
    assert [line.split()[0] for line in lines if line.endswith("was lost; it starts again")] == ["[train@neighbours]"]
    assert lines[-1].startswith("4 stages up to date after ")
    trained = entry_of(project, "train@neighbours")["params"]["params.yaml"]
    assert trained["models.neighbours"]["options"] == {"neighbours": 3}
    # A setting that is changed back needs no worker: DVC restores the outputs.
    change(project)
    assert prepare_stage(project, "train@neighbours") is None


def test_workers_with_another_version_refuse(
    project: Project, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = entry_of(project, "train@linear")
    change(project, linear={"validation": 0.1})
    monkeypatch.setattr(remote_stage, "versions", lambda: worker.versions() | {"numpy": "1.26.0"})
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 1.0)
    found = worker.versions()["numpy"]
    with pytest.raises(LineupError) as caught:
        run(project, machines, monkeypatch)
    assert (
        f"no worker can run train@linear; found 2 workers (two: memory 2); a worker refused: it has numpy {found},"
        in (str(caught.value))
    )
    assert entry_of(project, "train@linear") == former


@pytest.fixture
def prepared(project: Project, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """A stage that has to run, and whose records of an earlier run are still there."""
    monkeypatch.chdir(project.root)
    change(project, linear={"validation": 0.1})
    prepared = prepare_stage(project, "train@linear")
    assert prepared is not None
    return prepared


def test_a_worker_with_other_code_refuses(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(worker.VARIABLE, str(tmp_path))
    assert worker.prepare(prepared.task) == sorted(set(prepared.task.files.values()))
    other = prepared.task.texts["code.yaml"].replace(
        b"lineup/training/estimator.py=", b"lineup/training/estimator.py=0"
    )
    task = worker.StageTask("train@linear", "head", {**prepared.task.texts, "code.yaml": other}, {}, prepared.task.code)
    with pytest.raises(
        LineupError, match=r"its code of train.classical differs in lineup/training/estimator.py; update"
    ):
        worker.prepare(task)


def test_a_damaged_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(worker.VARIABLE, str(tmp_path))
    with pytest.raises(LineupError, match="an input file arrived damaged"):
        worker.receive_files({"a" * 64: b"images"})
    assert not list((tmp_path / "files").iterdir())
    content = bytes(range(250))
    sha256 = hashlib.sha256(content).hexdigest()
    for offset in range(0, 250, 100):
        worker.receive(sha256, "sender", offset, content[offset : offset + 100])
    worker.complete(sha256, "sender")
    assert worker.read(sha256, 240, 100) == content[240:]
    # A file that was damaged later is sent again.
    task = worker.StageTask("train@linear", "head", {"code.yaml": b""}, {"data/a": sha256})
    assert worker.prepare(task) == []
    (tmp_path / "files" / sha256).write_bytes(b"images")
    assert worker.prepare(task) == [sha256]


def test_the_head_accepts_only_what_it_asked_for(project: Project, prepared: Prepared, tmp_path: Path) -> None:
    lock = (project.root / "dvc.lock").read_bytes()
    names = {name: tmp_path / f"{name}.zip" for name in ("linear", "neighbours")}
    for name, path in names.items():
        write_archive([read_record(project.models / name / "seed_1")], path)
    former = entry_of(project, "train@linear")
    expected = dict(prepared.entry) | {"outs": former["outs"]}

    def refusal(entry: dict[str, Any], archive: Path) -> str:
        with pytest.raises(LineupError) as caught:
            accept(project, prepared, entry, archive)
        assert (project.root / "dvc.lock").read_bytes() == lock
        assert not (project.root / ".dvc" / "tmp" / "lineup" / "train@linear").exists()
        return str(caught.value)

    # The worker used the former settings, sent another model, or a file that is no archive.
    assert refusal(former, names["linear"]).startswith("the worker has another params for this stage")
    assert refusal(expected | {"cmd": "true"}, names["linear"]).startswith("the worker has another cmd for this stage")
    assert "the records of another stage: neighbours_seed1" in refusal(expected, names["neighbours"])
    assert "expected a file of lineup export" in refusal(expected, project.params)
    # Somebody edited params.yaml during the training.
    change(project, linear={"validation": 0.3})
    assert refusal(expected, names["linear"]).startswith("the project has another params for this stage")
    change(project, linear={"validation": 0.1})
    # The outputs are not those that DVC saw on the worker.
    other = [former["outs"][0] | {"md5": "0" * 32 + ".dir"}, former["outs"][1]]
    assert refusal(expected | {"outs": other}, names["linear"]).startswith("the outputs differ")
    assert not (project.models / "linear").exists()


def test_without_dask_the_error_says_how_to_install_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LineupError, match=r"not installed; run \S+ -m pip install distributed==[\d.]+$"):
        repro(project.root, 1, log=lambda _: None, on="tcp://127.0.0.1:9")


def test_no_scheduler_is_one_line(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1.0)
    with pytest.raises(
        LineupError, match=r"^tcp://127.0.0.1:9: no Dask scheduler responds; start one with dask scheduler$"
    ):
        repro(project.root, 1, log=lambda _: None, on="tcp://127.0.0.1:9")
