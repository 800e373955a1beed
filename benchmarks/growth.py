"""Measure how publishing, evaluating and the report grow with the number of records, and an idle pipeline with the
number of stages.

The records are generated: five seeds per model, ten classes, a history of ten epochs, random predictions for 1,000
validation images and 1,000 test images, and a model file of 20 kB that cannot be loaded. Each command runs in a new
process. The table shows wall seconds, CPU seconds of all processes, and the largest memory of one process in MB.

The idle pipeline has a stage per model and the stage ``code``. All stages are up to date, and their outputs are small
files. ``dvc repro`` and ``lineup repro`` then run only the stage ``code``. With ``--idle``, only these commands are
measured, and the results of the other commands are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common
import numpy as np
import yaml

from lineup.evaluation.metrics import confusion_counts
from lineup.evaluation.scores import Scores
from lineup.execution.init import create_project
from lineup.files import folder_sha256
from lineup.paths import Project, seed_folder
from lineup.records.header import DataIdentity, Device, Header, Weights
from lineup.records.history import Epoch
from lineup.records.machine import this_machine
from lineup.records.predictions import Predictions
from lineup.records.record import MODEL, write_record
from lineup.records.runtime import Runtime
from lineup.records.score import score
from lineup.schema import read_json

SIZES = (100, 500, 2000)
SEEDS, EPOCHS, IMAGES = 5, 10, 1000
CLASSES = [f"class {number}" for number in range(10)]
STARTED = 1_760_000_000_000
DATA = DataIdentity("synthetic", "Generated data", True, "0" * 64, [28, 28, 1], CLASSES, 3000, IMAGES, IMAGES)
PARAMETERS = {"epochs": EPOCHS, "batch_size": 32, "learning_rate": 0.001, "validation": 0.25}
COMMANDS = {
    "publish": ["lineup", "publish"],
    "publish again": ["lineup", "publish"],
    "evaluate": ["lineup", "evaluate"],
    "report": ["lineup", "report"],
    "compact": ["lineup", "compact"],
}
IDLE = {"dvc repro, idle": ["dvc", "repro"], "lineup repro, idle": ["lineup", "repro"]}


def generate(project: Project, records: int) -> None:
    """Write the settings and the records of a project."""
    names = [f"model_{number:03}" for number in range(records // SEEDS)]
    recipe = {"family": "dense", "architecture": "shallow_nn", "seeds": SEEDS} | PARAMETERS
    params = yaml.safe_load(project.params.read_text(encoding="utf-8"))
    params |= {"models": dict.fromkeys(names, recipe), "committees": {}}
    project.params.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    random = np.random.default_rng(1)
    for number, name in enumerate(names):
        for seed in range(1, SEEDS + 1):
            wrong = 0.06 + 0.1 * number / len(names)
            _write(seed_folder(project.models / name, seed), name, seed, random, wrong)


def generate_pipeline(project: Project, models: int) -> None:
    """Write a pipeline with a training stage per model, in which all stages are up to date.

    ``dvc commit`` writes ``dvc.lock`` again after each stage, which takes hours for 2,000 stages. Here, DVC computes
    all hashes, and the file is written once.

    Raises
    ------
    SystemExit
        If DVC runs a training stage.
    """
    names = [f"model_{number:04}" for number in range(models)]
    recipe = {"family": "dense", "architecture": "shallow_nn"} | PARAMETERS
    params = yaml.safe_load(project.params.read_text(encoding="utf-8"))
    params |= {"models": dict.fromkeys(names, recipe), "committees": {}}
    project.params.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    pipeline = project.root / "dvc.yaml"
    stages = yaml.safe_load(pipeline.read_text(encoding="utf-8"))["stages"]
    stages = {name: stages[name] for name in ("code", "train")}
    pipeline.write_text(yaml.safe_dump({"stages": stages}, sort_keys=False), encoding="utf-8")
    project.dataset.parent.mkdir(parents=True)
    project.dataset.write_bytes(b"")
    (project.root / "runs" / "metrics").mkdir(parents=True)
    for name in names:
        (project.models / name).mkdir(parents=True)
        (project.models / name / "record.json").write_text(name, encoding="utf-8")
        (project.root / "runs" / "metrics" / f"{name}.json").write_text("{}", encoding="utf-8")
    measure(project, ["lineup", "code"])
    _write_lock(project)
    measure(project, ["dvc", "repro"])  # DVC remembers the hashes of the files
    if "Running stage 'train@" in _output(project).read_text():
        raise SystemExit("growth.py: a training stage is not up to date")


def _write_lock(project: Project) -> None:
    """Copy the outputs of all stages to the cache of DVC, and write their hashes to ``dvc.lock``."""
    from dvc.repo import Repo
    from dvc.stage.serialize import to_single_stage_lockfile

    entries = {}
    with Repo(str(project.root)) as repo, repo.lock:
        for stage in repo.index.stages:
            stage.save()
            stage.commit()
            entries[stage.addressing] = to_single_stage_lockfile(stage)
    plain = json.loads(json.dumps({"schema": "2.0", "stages": entries}))  # DVC uses ordered dictionaries
    (project.root / "dvc.lock").write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")


def _write(folder: Path, name: str, seed: int, random: np.random.Generator, wrong: float) -> None:
    """Write one record. The model misclassifies about a given share of the images."""
    (folder / MODEL).mkdir(parents=True)
    (folder / MODEL / "estimator.skops").write_bytes(random.bytes(20_000))
    predictions = Predictions(_scores(random, wrong), _scores(random, wrong))
    started = STARTED + 1000 * seed
    header = Header(
        name=name,
        kind="network",
        family="dense",
        architecture="shallow_nn",
        report="-",
        parameters={**PARAMETERS, "name": name},
        seed=seed,
        threads=1,
        device=Device("cpu", this_machine().cpu_model),
        onednn=True,
        libraries={},
        data=DATA,
        weights=Weights(1000, 1000, 0, "0" * 64),
        model_files=folder_sha256(folder / MODEL),
    )
    history = [
        Epoch("classifier", epoch, 1 / epoch, 0.9, 1 / epoch, 0.9, 0.001, 1.0, started + 1000 * epoch)
        for epoch in range(1, EPOCHS + 1)
    ]
    runtime = Runtime(
        attempt=f"{name}-{seed}",
        started=started,
        ended=started + 1000 * (EPOCHS + 1),
        training_seconds=float(EPOCHS),
        phase_seconds={"classifier": float(EPOCHS)},
        images_per_second=3000.0,
        peak_memory_bytes=2**30,
        machine=this_machine(),
        git_commit="0" * 40,
    )
    test = predictions.test
    counts = confusion_counts(test.probabilities, test.labels, len(CLASSES))
    write_record(folder, header, history, score(predictions, CLASSES), predictions, counts, runtime)


def _scores(random: np.random.Generator, wrong: float) -> Scores:
    labels = (np.arange(IMAGES) % len(CLASSES)).astype(np.uint8)
    predicted = np.where(random.random(IMAGES) < wrong, random.integers(0, len(CLASSES), IMAGES), labels)
    logits = random.normal(size=(IMAGES, len(CLASSES)))
    logits[np.arange(IMAGES), predicted] += random.uniform(4, 9, IMAGES)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Scores(np.arange(IMAGES, dtype=np.int32), labels, probabilities.astype(np.float32))


def measure(project: Project, arguments: list[str]) -> tuple[float, float, float]:
    """Run a module with arguments in a new process, and return its wall seconds, CPU seconds and memory in MB.

    Raises
    ------
    SystemExit
        If the command fails.
    """
    command = [sys.executable, "-m", *arguments]
    output = _output(project)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    started = time.perf_counter()
    with output.open("wb") as stream:
        actions = [(os.POSIX_SPAWN_DUP2, stream.fileno(), number) for number in (1, 2)]
        os.chdir(project.root)
        process = os.posix_spawn(command[0], command, environment, file_actions=actions)
        _, status, usage = os.wait4(process, 0)  # with the processes that it has waited for
    if status:
        raise SystemExit(f"{' '.join(arguments)}: {output.read_text()[-2000:]}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def _output(project: Project) -> Path:
    """Return the file with the output of the last command."""
    return project.root.parent / "output"


def rows_of(count: int, commands: dict[str, list[str]], *, idle: bool) -> Iterator[dict[str, Any]]:
    """Measure the commands in a new project with the given number of records or, if idle, of models."""
    with tempfile.TemporaryDirectory() as folder:
        project = create_project(Path(folder) / "project")
        (generate_pipeline if idle else generate)(project, count)
        for name, command in commands.items():
            seconds, cpu, memory = measure(project, command)
            row = {"records": count, "command": name, "seconds": seconds, "CPU s": cpu}
            yield row | {"seconds a record": seconds / count, "memory, MB": memory}
        os.chdir("/")


def main() -> None:
    """Parse the arguments, measure each number of records, and save the results after each one.

    Results of earlier calls with other numbers or other commands are kept.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=SIZES, help="default: %(default)s")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="default: all")
    parser.add_argument("--idle", action="store_true", help="measure only dvc repro and lineup repro, without changes")
    options = parser.parse_args()
    commands = IDLE if options.idle else {name: COMMANDS[name] for name in options.commands}
    order = list(COMMANDS | IDLE)
    for records in options.records:
        for row in rows_of(records, commands, idle=options.idle):
            print(row, flush=True)
            rows = [one for one in _saved() if (one["records"], one["command"]) != (row["records"], row["command"])]
            rows = sorted([*rows, row], key=lambda one: (order.index(one["command"]), one["records"]))
            settings = {"seeds": SEEDS, "images": IMAGES, "cores": this_machine().cores}
            common.write_results("growth", None, rows, settings=settings)
    common.print_table(_saved())


def _saved() -> list[dict[str, Any]]:
    """Return the rows of the result file."""
    path = common.RESULTS / "growth.json"
    rows: list[dict[str, Any]] = read_json(path)["rows"] if path.exists() else []
    return rows


if __name__ == "__main__":
    main()
