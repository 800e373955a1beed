"""Compare the throughput, the memory use and the latency of a committee in lineup and in plain Keras.

predict   the mean of three calls of Keras's ``Model.predict``
lineup    the predictor that ``lineup.serving.predictor.load_predictor`` loads, which MLflow also uses

Both variants load the networks of one committee record and predict the test images of this checkout. They run in
separate processes that take turns, and must give the same predictions. The throughput is measured for all images after
a first call, which traces the network. The latency is measured for single images. The memory use is the peak of the
process, including imports.

    python benchmarks/prediction.py --committee report_a
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

from lineup.paths import find_project
from lineup.records.machine import peak_memory_bytes
from lineup.records.record import MODEL, read_record
from lineup.serving.predictor import Predictor, load_predictor
from lineup.training.devices import prepare

VARIANTS = ("predict", "lineup")
CALLS, SINGLE_CALLS, WARM_UP = 3, 100, 10
TOLERANCE = 1e-5


def model_folder(committee: str, folder: Path) -> None:
    """Create the folder of a committee model, which contains the models of its members."""
    project = find_project()
    record = read_record(project.committees / committee)
    shutil.copytree(record.folder / MODEL, folder)
    for member in record.header.members:
        shutil.copytree(project.models / member.name / MODEL, folder / "members" / member.name)


def plain_predictor(folder: Path) -> Predictor:
    """Return the predictor of a plain Keras script: the mean of the predictions of all members."""
    import keras

    paths = sorted(folder.glob("members/*/network.keras"))
    networks = [keras.saving.load_model(path, compile=False) for path in paths]
    return lambda images: np.mean([network.predict(images, verbose=0) for network in networks], axis=0)


def measure(variant: str, folder: Path, threads: int, answers: Path) -> dict[str, float]:
    """Measure one predictor in this process, and save its predictions."""
    prepare("network", threads, seed=1)
    images = common.dataset().test_images
    started = time.perf_counter()
    predict = load_predictor(folder, common.dataset().shape) if variant == "lineup" else plain_predictor(folder)
    loaded = time.perf_counter() - started
    np.save(answers, predict(images))
    seconds = [_seconds(predict, images) for _ in range(CALLS)]
    single = [_seconds(predict, images[number : number + 1]) for number in range(WARM_UP + SINGLE_CALLS)][WARM_UP:]
    return {
        "images_per_second": len(images) / statistics.median(seconds),
        "latency_ms": 1000 * statistics.median(single),
        "latency_95_ms": 1000 * float(np.quantile(single, 0.95)),
        "peak_memory_mib": peak_memory_bytes() / 2**20,
        "load_seconds": loaded,
    }


def _seconds(predict: Predictor, images: np.ndarray) -> float:
    started = time.perf_counter()
    predict(images)
    return time.perf_counter() - started


def compare(folder: Path, threads: int, repeats: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Measure both variants in turn, and return the medians, their ratio and the single measurements.

    Raises
    ------
    SystemExit
        If the predictions differ.
    """
    measured: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS}
    answers = {variant: folder / f"{variant}.npy" for variant in VARIANTS}
    for _ in range(repeats):
        for variant, values in measured.items():
            one = ("--one", variant, str(folder), str(answers[variant]), "--threads", str(threads))
            values.append(common.run_worker(*one))
            print(variant, values[-1], flush=True)
    difference = np.abs(np.load(answers["predict"]) - np.load(answers["lineup"])).max()
    if difference > TOLERANCE:
        raise SystemExit(f"the answers differ by up to {difference}")
    medians = {
        variant: {measure: statistics.median(one[measure] for one in values) for measure in values[0]}
        for variant, values in measured.items()
    }
    ratio = {measure: value / medians["predict"][measure] for measure, value in medians["lineup"].items()}
    rows = [{"variant": variant} | values for variant, values in (medians | {"lineup/predict": ratio}).items()]
    return rows, {"difference": float(difference), "measured": measured}


def main() -> None:
    """Parse the arguments, measure the variants in turn, and print and save the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--committee", default="report_a", help="committee in params.yaml; default: report_a")
    parser.add_argument("--threads", type=int, default=1, help="number of threads; default: 1")
    parser.add_argument("--repeats", type=int, default=3, help="number of repetitions; default: 3")
    parser.add_argument("--results", metavar="NAME", help="name of the JSON file; default: prediction-threads<n>")
    parser.add_argument(
        "--one", nargs=3, metavar=("VARIANT", "FOLDER", "ANSWERS"), help="measure one variant in this process"
    )
    arguments = parser.parse_args()
    if arguments.one:
        variant, folder, answers = arguments.one
        print(json.dumps(measure(variant, Path(folder), arguments.threads, Path(answers))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        model_folder(arguments.committee, folder)
        rows, details = compare(folder, arguments.threads, arguments.repeats)
    settings = {"committee": arguments.committee, "threads": arguments.threads, "repeats": arguments.repeats}
    name = arguments.results or f"prediction-threads{arguments.threads}"
    common.write_results(name, common.dataset(), rows, settings=settings, **details)
    common.print_table(rows)


if __name__ == "__main__":
    main()
