"""Measure how publishing, evaluating and the report grow with the number of records.

The records are generated: five seeds per model, ten classes, a history of ten epochs, random predictions for 1,000
validation images and 1,000 test images, and a model file of 20 kB that cannot be loaded. Each command runs in a new
process. The table shows wall seconds, CPU seconds of all processes, and the largest memory of one process in MB.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
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
from lineup.records.machine import this_machine
from lineup.records.record import (
    MODEL,
    DataIdentity,
    Device,
    Epoch,
    Header,
    Predictions,
    Runtime,
    Weights,
    write_record,
)
from lineup.records.score import score

SIZES = (100, 500, 2000)
SEEDS, EPOCHS, IMAGES = 5, 10, 1000
CLASSES = [f"class {number}" for number in range(10)]
STARTED = 1_760_000_000_000
DATA = DataIdentity("synthetic", "Generated data", True, "0" * 64, [28, 28, 1], CLASSES, 3000, IMAGES, IMAGES)
PARAMETERS = {"epochs": EPOCHS, "batch_size": 32, "learning_rate": 0.001, "validation": 0.25}
COMMANDS = {
    "publish": ["publish"],
    "publish again": ["publish"],
    "evaluate": ["evaluate"],
    "report": ["report"],
    "compact": ["compact"],
}


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
    """Run a command of lineup in a new process, and return its wall seconds, CPU seconds and memory in MB.

    Raises
    ------
    SystemExit
        If the command fails.
    """
    command = [sys.executable, "-m", "lineup", *arguments]
    output = project.root.parent / "output"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING")}
    started = time.perf_counter()
    with output.open("wb") as stream:
        actions = [(os.POSIX_SPAWN_DUP2, stream.fileno(), number) for number in (1, 2)]
        os.chdir(project.root)
        process = os.posix_spawn(command[0], command, environment, file_actions=actions)
        _, status, usage = os.wait4(process, 0)  # with the processes that it has waited for
    if status:
        raise SystemExit(f"lineup {' '.join(arguments)}: {output.read_text()[-2000:]}")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Parse the arguments, measure each number of records, and save the results after each one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=SIZES, help="default: %(default)s")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="default: all")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for records in options.records:
        with tempfile.TemporaryDirectory() as folder:
            project = create_project(Path(folder) / "project")
            generate(project, records)
            for name in options.commands:
                seconds, cpu, memory = measure(project, COMMANDS[name])
                rows.append({"records": records, "command": name, "seconds": seconds, "CPU s": cpu})
                rows[-1] |= {"seconds a record": seconds / records, "memory, MB": memory}
                print(rows[-1], flush=True)
            os.chdir("/")
        settings = {"seeds": SEEDS, "images": IMAGES, "cores": this_machine().cores}
        common.write_results("growth", None, rows, settings=settings)
    common.print_table(rows)


if __name__ == "__main__":
    main()
