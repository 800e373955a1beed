"""What a Dask cluster costs per stage, and what a second worker saves: the demo's project, with generated images.

The scheduler and the workers are processes of this machine, with one thread each, so that all runs share its cores. The
benchmark runs ``lineup repro -j 1``, and ``lineup repro --on`` with one and with two workers, each in a new project.
For each training stage and committee stage, it measures two parts of the time:

- out: from the start of the stage until DVC runs its command: checks, sending the input files, and the start of DVC;
- back: from the last line that the command prints until ``dvc.lock`` is written: packing, sending and checking the
  records.

    python benchmarks/several_machines.py
    python benchmarks/several_machines.py --small     # to try it: two classical models, no results
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import common
import yaml

from lineup.execution.init import create_project
from lineup.execution.remote_stage import is_remote
from lineup.paths import Project


def make_project(folder: Path, *, small: bool) -> Project:
    """Create the project of the demo, or one with two quick models."""
    project = create_project(folder)
    if small:
        params = yaml.safe_load(project.params.read_text(encoding="utf-8"))
        model = {"family": "classical", "validation": 0.2}
        params["models"] = {
            "random_forest": model | {"architecture": "random_forest"},
            "neighbours": model | {"architecture": "knn"},
        }
        params["committees"] = {"pair": {"members": list(params["models"]), "rule": "average"}}
        project.params.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    return project


def environment() -> dict[str, str]:
    """Return the variables of all processes: no other MLflow store, and this Python first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | {"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONUNBUFFERED": "1"}


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """Start a scheduler and workers, each worker in its own folder, and yield the address of the scheduler."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    commands = [("scheduler", ["scheduler", "--port", str(port)])]
    commands += [(f"worker{number}", ["worker", address, "--nthreads", "1"]) for number in range(workers)]
    processes = []
    for name, command in commands:
        place = folder / name
        place.mkdir(parents=True)
        call = [sys.executable, "-m", "dask", *command, "--host", "127.0.0.1", "--no-dashboard"]
        quiet = subprocess.DEVNULL
        processes.append(
            subprocess.Popen(call, cwd=place, env=environment(), stdout=quiet, stderr=quiet, start_new_session=True)
        )
    try:
        time.sleep(15)  # the workers are ready before the clock starts
        yield address
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def run(project: Project, *options: str) -> tuple[float, dict[str, dict[str, float]]]:
    """Run the pipeline, and return the wall time and the parts of each training and committee stage, in seconds."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "lineup", "repro", *options]
    with subprocess.Popen(
        command, cwd=project.root, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None  # it is a pipe
        lines = [(time.perf_counter(), line.rstrip("\n")) for line in process.stdout]
    if process.returncode:
        raise SystemExit("\n".join(line for _, line in lines[-20:]))
    return time.perf_counter() - started, parts(lines)


def parts(lines: list[tuple[float, str]]) -> dict[str, dict[str, float]]:
    """Return the parts of each training and committee stage from its lines, each with the time when it was printed."""
    times: dict[str, list[tuple[float, str]]] = {}
    for moment, line in lines:
        found = re.match(r"\[(\S+)\] (.*)", line)
        if found and is_remote(found[1]):
            times.setdefault(found[1], []).append((moment, found[2]))
    result = {}
    for stage, printed in times.items():
        start, end, last = printed[0][0], printed[-1][0], printed[-2][0]
        running = next(moment for moment, line in printed if line.startswith("Running stage"))
        result[stage] = {"out": running - start, "stage": last - running, "back": end - last}
    return result


def main() -> None:
    """Parse, run the pipelines, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="two classical models, no results")
    small = parser.parse_args().small
    rows, stages, load = [], {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        for number, workers in enumerate((0, 1, 2)):
            folder = Path(temporary) / str(number)
            project = make_project(folder / "head", small=small)
            before = os.getloadavg()[0]
            if workers:
                with cluster(folder, workers) as address:
                    wall, found = run(project, "--on", address)
            else:
                wall, found = run(project, "-j", "1")
            name = f"lineup repro --on, workers: {workers}" if workers else "lineup repro -j 1"
            medians = {part: statistics.median(times[part] for times in found.values()) for part in ("out", "back")}
            rows.append({"run": name, "seconds": wall, "stages": len(found)} | medians)
            stages[name], load[name] = found, before
            print(rows[-1], flush=True)
    common.print_table(rows)
    if not small:
        common.write_results("several_machines", None, rows, settings={"threads": 1}, load=load, stages=stages)


if __name__ == "__main__":
    main()
