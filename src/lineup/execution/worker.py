"""Run stages on a worker of a Dask cluster. The main machine calls these functions on the worker.

A worker stores all files in the folder ``.lineup-worker`` in its working directory. The environment variable
``LINEUP_WORKER_FOLDER`` selects another folder. The subfolder ``files/`` contains input files and results. The
name of a file is the SHA-256 of its content, so each file is sent only once. The subfolder ``stages/`` contains a small
DVC project for each stage. An interrupted training run resumes from the backup in this project.

Examples
--------
>>> versions()["numpy"] == library_version("numpy")
True
"""

from __future__ import annotations

import os
import platform
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from filelock import FileLock

from lineup.checkout import RUNNING
from lineup.code.stages import CODE, code_of, from_text
from lineup.errors import LineupError, shortened
from lineup.execution.dvc_process import DvcProcess
from lineup.execution.dvc_process import stop as stop_processes
from lineup.execution.local import stage_environment
from lineup.files import file_sha256, replacing_file
from lineup.paths import Project
from lineup.records.archive import write_archive
from lineup.records.machine import UNKNOWN, library_version
from lineup.records.record import read_record
from lineup.schema import read_yaml
from lineup.tracking.live import OFF, SWITCH

P = ParamSpec("P")
T = TypeVar("T")

VARIABLE = "LINEUP_WORKER_FOLDER"
LIBRARIES = ("dvc", "joblib", "keras", "numpy", "scikit-learn", "scipy", "skops", "threadpoolctl")
"""Libraries that can change a result or an entry of ``dvc.lock``, in addition to TensorFlow."""

_DVC_CONFIG = b"[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"

_running: dict[str, DvcProcess] = {}


@dataclass(frozen=True)
class StageTask:
    """All that a worker needs to run a stage.

    Parameters
    ----------
    stage : str
        Name of the stage, ``train@NAME`` or ``committee@NAME``.
    project : str
        Name of the project on the main machine, different for each folder and machine. Letters and digits only.
    texts : dict of str to bytes
        Content of the small files that every stage reads, such as ``params.yaml``, by path in the project.
    files : dict of str to str
        SHA-256 of all other input files, by path in the project.
    code : tuple of str
        Keys of ``code.yaml`` that the stage depends on.
    versions : dict of str to str
        Versions of Python and of the libraries, see `versions`.
    """

    stage: str
    project: str
    texts: Mapping[str, bytes]
    files: Mapping[str, str]
    code: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a worker made of a stage.

    Parameters
    ----------
    status : int
        Exit status of the stage. The other values are only set if it is 0.
    entry : dict, optional
        Entry of the stage in the worker's ``dvc.lock``.
    archive : str, optional
        SHA-256 of the file with the records, see `lineup.records.archive`.
    bytes : int, optional
        Size of this file.
    """

    status: int
    entry: Mapping[str, Any] = field(default_factory=dict)
    archive: str = ""
    bytes: int = 0


def versions() -> dict[str, str]:
    """Return the version of Python, such as 3.11, and the versions of all libraries in `LIBRARIES`."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    found |= {name: library_version(name) for name in LIBRARIES}
    tensorflow = [library_version(name) for name in ("tensorflow", "tensorflow-cpu")]
    return found | {"tensorflow": next((version for version in tensorflow if version != UNKNOWN), UNKNOWN)}


def records_folder(project: Project, stage: str) -> Path:
    """Return the folder with the records of a stage ``train@NAME`` or ``committee@NAME``."""
    group, _, name = stage.partition("@")
    return {"train": project.models, "committee": project.committees}[group] / name


def _one_line(function: Callable[P, T]) -> Callable[P, T]:
    """Convert an `OSError` to a `LineupError`. The main machine would treat an `OSError` as a lost connection."""

    @wraps(function)
    def call(*arguments: P.args, **settings: P.kwargs) -> T:
        try:
            return function(*arguments, **settings)
        except OSError as error:
            raise LineupError(shortened(error)) from error

    return call


@_one_line
def prepare(task: StageTask) -> list[str]:
    """Check that this worker can run a stage.

    Return the SHA-256 of each input file that is missing. Damaged files are removed and treated as missing.

    Raises
    ------
    LineupError
        If a library has another version, or the code of the stage differs from the code on the main machine.
    """
    here = versions()
    other = [f"{name} {here.get(name)}, not {wanted}" for name, wanted in task.versions.items() if here[name] != wanted]
    if other:
        raise LineupError(f"it has {', '.join(other)}; install the same versions")
    with _workspace(task) as root:
        written = read_yaml(root / CODE)
        for key in task.code:
            _check_code(key, written, root)
    return sorted({sha256 for sha256 in task.files.values() if not _is_intact(sha256)})


def _is_intact(sha256: str) -> bool:
    path = _place(sha256)
    if not path.is_file():
        return False
    if file_sha256(path) == sha256:
        return True
    path.unlink()
    return False


def _check_code(key: str, written: Any, root: Path) -> None:
    for part in key.split("."):
        written = written.get(part) if isinstance(written, Mapping) else None
    expected, here = from_text(written), code_of(key, root)
    other = sorted({name for name, _ in expected.items() ^ here.items()})
    if other:
        raise LineupError(f"its code of {key} differs in {shortened(', '.join(other), 200)}; update its checkout")


@_one_line
def receive(sha256: str, sender: str, offset: int, chunk: bytes) -> None:
    """Write a part of an input file. The parts arrive in order. Call `complete` after the last one.

    Parameters
    ----------
    sha256 : str
        SHA-256 of the whole file.
    sender : str
        Name of this transfer, because two stages may send the same file at the same time.
    offset : int
        Number of bytes that were written before.
    chunk : bytes
        The next bytes.
    """
    partial = _place(f"{sha256}.{sender}.partial")
    with partial.open("r+b" if offset else "wb") as file:
        file.seek(offset)
        file.write(chunk)


@_one_line
def complete(sha256: str, sender: str) -> None:
    """After all parts of a file have been received, check and rename the file."""
    partial = _place(f"{sha256}.{sender}.partial")
    found = file_sha256(partial)
    if found != sha256:
        partial.unlink()
        raise LineupError(f"an input file arrived damaged: expected SHA-256 {sha256}, found {found}")
    partial.replace(_place(sha256))


def receive_files(files: Mapping[str, bytes]) -> None:
    """Write several small input files. The keys of ``files`` are the SHA-256 hashes of the file contents."""
    for sha256, content in files.items():
        sender = uuid.uuid4().hex
        receive(sha256, sender, 0, content)
        complete(sha256, sender)


@_one_line
def read(sha256: str, offset: int, size: int) -> bytes:
    """Return a part of a file of this worker."""
    with _place(sha256).open("rb") as file:
        file.seek(offset)
        return file.read(size)


@_one_line
def remove(sha256: str) -> None:
    """Remove the result of a stage after the main machine has accepted or refused it."""
    _place(sha256).unlink(missing_ok=True)


@_one_line
def run_stage(task: StageTask, topic: str) -> Outcome:
    """Run a stage with DVC on this worker, and write the records to an archive.

    Parameters
    ----------
    task : StageTask
        The stage. Its input files are on this worker.
    topic : str
        Topic of Dask that receives each line of the stage's output, with the name of the stage.
    """
    from distributed import get_worker
    from dvc.utils.serialize import load_yaml

    worker = get_worker()
    with _workspace(task) as root:
        _link_inputs(task, root)
        status = _run_dvc(task, root, lambda line: worker.log_event(topic, (task.stage, line)))
        if status:
            return Outcome(status)
        # DVC writes numbers such as 1e-05, which other readers of YAML take for text.
        entry = load_yaml(str(root / "dvc.lock"))["stages"][task.stage]
        records = [read_record(folder) for folder in sorted(records_folder(Project(root), task.stage).iterdir())]
        packed = root / "records.zip"
        write_archive(records, packed)
        sha256, size = file_sha256(packed), packed.stat().st_size
        packed.replace(_place(sha256))
    return Outcome(0, entry, sha256, size)


def stop(project: str, stage: str) -> None:
    """Stop a stage on this worker if the stage is running."""
    process = _running.get(f"{project}/{stage}")
    if process is not None:
        threading.Thread(target=stop_processes, args=([process],)).start()  # the caller does not wait for the stage


def _folder() -> Path:
    return Path(os.environ.get(VARIABLE) or ".lineup-worker").resolve()


def _place(name: str) -> Path:
    folder = _folder() / "files"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


@contextmanager
def _workspace(task: StageTask) -> Iterator[Path]:
    """Write small files to the folder of a stage, and yield this folder. Only one process can use it at a time."""
    root = _folder() / "stages" / task.project / task.stage
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{root}.lock"):
        for name, content in (task.texts | {".dvc/config": _DVC_CONFIG}).items():  # type: ignore[operator]
            path = root / name
            path.parent.mkdir(exist_ok=True)
            with replacing_file(path) as partial:
                partial.write_bytes(content)
        yield root


def _link_inputs(task: StageTask, root: Path) -> None:
    """Replace the old input files of this stage with the current input files."""
    outputs = records_folder(Project(root), task.stage)
    for folder in (root / "data", root / "runs" / "selection", *(root / "runs").glob("models/*")):
        if folder != outputs:
            shutil.rmtree(folder, ignore_errors=True)
    for name, sha256 in task.files.items():
        source, target = _place(sha256), root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:  # the file system has no hard links
            shutil.copyfile(source, target)


def _run_dvc(task: StageTask, root: Path, log: Callable[[str], None]) -> int:
    """Run a stage and return its exit status. The stage stops if this worker is killed."""
    path = [str(RUNNING.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = stage_environment() | {"PYTHONPATH": os.pathsep.join(path)}
    if "MLFLOW_TRACKING_URI" not in environment:
        environment[SWITCH] = OFF  # the main machine logs the run with lineup publish
    key, arguments = f"{task.project}/{task.stage}", ["repro", "--single-item", task.stage]
    with closing(DvcProcess(root, environment)) as process:
        _running[key] = process
        try:
            return process.run(arguments, log)
        finally:
            del _running[key]
