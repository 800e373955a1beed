"""Measure the overhead of the pipeline and the speed-up of parallel stages, with report A's networks and committee.

The benchmark clones the last commit to a temporary folder, where all stages are out of date, and measures:

- the wall time and the overhead of ``dvc repro``. The overhead is (wall - fitting) / fitting. Here fitting is the total
  time of all epochs, including validation and tracing. The wall time also includes copying the data, splitting,
  imports, logging, figures, evaluation, publishing and DVC.
- the wall time of ``dvc repro`` if nothing has changed, as the median of five runs.
- the wall time of ``lineup repro -j 2`` in another clone, and its ratio to the time of ``dvc repro``.

    python benchmarks/pipeline.py
    python benchmarks/pipeline.py --demo        # generated data, takes minutes
    python benchmarks/pipeline.py --idle        # only `dvc repro` in this checkout, where all stages must be up to date
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import yaml

from lineup.execution.init import project_files
from lineup.paths import Project, find_project
from lineup.records.record import RUNTIME
from lineup.schema import read_yaml

MODELS = ("shallow_nn", "basic_cnn", "deeper_cnn", "frozen_encoder")
COMMITTEE = "report_a"
IDLE_REPEATS = 5
ALWAYS = {"code"}
"""Stages that run in every ``dvc repro``."""


def clone(root: Path, folder: Path, *, demo: bool) -> Project:
    """Clone the checkout with the parameters of report A only, and remove the state of earlier runs.

    Raises
    ------
    SystemExit
        If Python would import lineup from another checkout.
    """
    subprocess.run(["git", "clone", "--quiet", str(root), str(folder)], check=True)
    results = ("dvc.lock", "runs", "reports")
    subprocess.run(["git", "rm", "-r", "--quiet", "--ignore-unmatch", "--", *results], cwd=folder, check=True)
    params = read_yaml(folder / "params.yaml")
    params["models"] = {name: params["models"][name] for name in MODELS}
    params["committees"] = {COMMITTEE: params["committees"][COMMITTEE]}
    for recipe in (*params["models"].values(), *params["committees"].values()):
        recipe.pop("seeds", None)  # one training run per model
    if demo:
        params["data"] = yaml.safe_load(project_files(in_git=True)["params.yaml"])["data"]
        for model in params["models"].values():
            model["epochs"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-c", "import lineup; print(lineup.__file__)"]
    found = subprocess.run(command, cwd=folder, env=environment(root, folder), capture_output=True, text=True)
    if not Path(found.stdout.strip()).is_relative_to(folder):
        raise SystemExit(f"{folder}: lineup is imported from {found.stdout.strip()}")
    return Project(folder)


def environment(root: Path, folder: Path) -> dict[str, str]:
    """Return environment variables that select the code and the store of a clone, and the data of the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    changed = {
        "PATH": path,
        "PYTHONPATH": str(folder / "src"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONUNBUFFERED": "1",
    }
    return {"FASHION_MNIST_DIR": str(root / "data" / "raw")} | kept | changed


def run(root: Path, project: Project, *command: str) -> tuple[float, dict[str, float]]:
    """Run ``python -m`` with the given arguments in a clone.

    Returns
    -------
    seconds : float
        Wall time of the command.
    stages : dict of str to float
        For ``dvc repro``, the time in seconds from the start of each stage to the start of the next stage.
    """
    started, starts = time.perf_counter(), {}
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=project.root,
        env=environment(root, project.root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if line.startswith("Running stage "):
                starts[line.split("'")[1]] = time.perf_counter()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{''.join(lines[-20:])}")
    ended = time.perf_counter()
    ends = [*starts.values(), ended][1:]
    return ended - started, {name: end - starts[name] for name, end in zip(starts, ends, strict=True)}


def idle_seconds(root: Path, project: Project) -> float:
    """Return the wall time of ``dvc repro`` if everything is up to date and only the stage ``code`` runs.

    Raises
    ------
    SystemExit
        If another stage is out of date.
    """
    seconds, stages = run(root, project, "dvc", "repro")
    if set(stages) != ALWAYS:
        raise SystemExit(f"{project.root}: expected no stage to be out of date; these ran: {', '.join(stages)}")
    return seconds


def measure_idle(root: Path) -> None:
    """Measure ``dvc repro`` in the checkout itself, and save the medians.

    Raises
    ------
    SystemExit
        If a stage of the checkout is out of date. The benchmark does not run this stage.
    """
    _, planned = run(root, Project(root), "dvc", "repro", "--dry")
    if out_of_date := set(planned) - ALWAYS:
        raise SystemExit(f"{root}: {len(out_of_date)} stages are out of date; dvc repro first")
    run(root, Project(root), "dvc", "repro")  # may run publish, if the store is missing or has changed
    measured = [idle_seconds(root, Project(root)) for _ in range(IDLE_REPEATS)]
    lock = (root / "dvc.lock").read_text(encoding="utf-8")
    row = {
        "stages": len(yaml.safe_load(lock)["stages"]),
        "lines of dvc.lock": len(lock.splitlines()),
        "seconds": statistics.median(measured),
    }
    common.write_results("idle", None, [row], settings={"repeats": IDLE_REPEATS}, measured=measured)
    common.print_table([row])


def fitting_seconds(project: Project) -> float:
    """Return the sum of the training times in the records of the models."""
    runtimes = [path for name in MODELS for path in (project.models / name).rglob(RUNTIME)]
    return sum(float(json.loads(path.read_text(encoding="utf-8"))["training_seconds"]) for path in runtimes)


def main() -> None:
    """Parse the arguments, run the pipelines, save the results after each run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--demo", action="store_true", help="use generated images and one epoch per model, and save no results"
    )
    parser.add_argument(
        "--idle", action="store_true", help="only measure dvc repro in this checkout, where nothing has changed"
    )
    arguments = parser.parse_args()
    root = find_project().root
    if arguments.idle:
        measure_idle(root)
        return
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {"settings": {"models": MODELS, "commit": _commit(root)}}

    def note(row: dict[str, Any], **more: Any) -> None:
        rows.append({"run": None, "seconds": None, "fitting": None, "tax": None, "over sequential": None} | row)
        details.update(more)
        print(rows[-1], flush=True)
        if not arguments.demo:
            common.write_results("pipeline", None, rows, **details)

    with tempfile.TemporaryDirectory() as temporary:
        first = clone(root, Path(temporary) / "sequential", demo=arguments.demo)
        wall, stages = run(root, first, "dvc", "repro")
        fitting = fitting_seconds(first)
        row = {"run": "dvc repro", "seconds": wall, "fitting": fitting, "tax": (wall - fitting) / fitting}
        note(row, stages=stages)
        idle = [idle_seconds(root, first) for _ in range(IDLE_REPEATS)]
        note({"run": "dvc repro, nothing to do", "seconds": statistics.median(idle)}, nothing_to_do=idle)
        second = clone(root, Path(temporary) / "side_by_side", demo=arguments.demo)
        beside, _ = run(root, second, "lineup", "repro", "-j", "2")
        fitting = fitting_seconds(second)
        note({"run": "lineup repro -j 2", "seconds": beside, "fitting": fitting, "over sequential": beside / wall})
    common.print_table(rows)


def _commit(root: Path) -> str:
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
