"""Compare the speed and the accuracy of scikit-learn-intelex and scikit-learn for the classical models.

The benchmark includes all models that scikit-learn-intelex supports. Each model is fitted with and without
scikit-learn-intelex on the same images, in a separate process. The two variants take turns, ``--repeats`` times, and
each row contains the medians. If scikit-learn-intelex is installed, lineup uses it only for the support vector machine.

The benchmark requires the extra ``intelex``.

    python benchmarks/intelex.py --images 12000
    python benchmarks/intelex.py --images 48000 --models svm --repeats 1      # as many images as in the pipeline
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from typing import Any

import common
import numpy as np

from lineup.models.registry import architecture
from lineup.training.devices import prepare
from lineup.training.estimator import fit_estimator, predict_estimator

MODELS = ("svm", "knn", "random_forest", "logistic_regression")
PLAIN, INTELEX = "scikit-learn", "intelex"


def measure(name: str, variant: str, images: int) -> dict[str, float]:
    """Return the times to fit and to predict with one thread, in seconds, and the test accuracy."""
    if variant == INTELEX:
        from sklearnex import patch_sklearn  # type: ignore[import-not-found]

        patch_sklearn(verbose=False)
    else:
        sys.modules["sklearnex"] = None  # type: ignore[assignment]  # so that importing it fails
    prepare("classical", threads=1, seed=1)
    data = common.dataset()
    started = time.perf_counter()
    estimator = architecture("classical", name).make(data.shape, len(data.classes), {})
    fitted = fit_estimator(estimator, data.train_images[:images], data.train_labels[:images], seed=1)
    trained = time.perf_counter()
    right = predict_estimator(fitted, data.test_images).argmax(axis=1) == data.test_labels
    return {"fit": trained - started, "predict": time.perf_counter() - trained, "accuracy": float(np.mean(right))}


def compare(name: str, images: int, repeats: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the row of a model, and its single measurements."""
    measured: dict[str, list[dict[str, float]]] = {PLAIN: [], INTELEX: []}
    for _ in range(repeats):
        for variant, found in measured.items():
            found.append(common.run_worker("--one", name, variant, "--images", str(images)))
    median = {
        variant: {key: statistics.median(one[key] for one in found) for key in found[0]}
        for variant, found in measured.items()
    }
    row: dict[str, Any] = {"model": name}
    for key in ("fit", "predict"):
        plain, faster = median[PLAIN][key], median[INTELEX][key]
        row |= {f"{key}, s": plain, f"{key}, {INTELEX}, s": faster, f"{key}, ratio": plain / faster}
    accuracies = {"accuracy": median[PLAIN]["accuracy"], f"accuracy, {INTELEX}": median[INTELEX]["accuracy"]}
    return row | accuracies, measured


def main() -> None:
    """Parse the arguments, measure the variants in turn, save the results after each model, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12_000, help="number of training images; default: 12000")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, help="models to fit; default: all")
    parser.add_argument("--repeats", type=int, default=3, help="number of repetitions; default: 3")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "VARIANT"), help="measure one variant in this process")
    arguments = parser.parse_args()
    if arguments.one:
        name, variant = arguments.one
        print(json.dumps(measure(name, variant, arguments.images)))
        return
    if importlib.util.find_spec("sklearnex") is None:
        parser.error("scikit-learn-intelex is not installed; it is the extra intelex")
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    for name in arguments.models:
        row, details[name] = compare(name, arguments.images, arguments.repeats)
        rows.append(row)
        settings = {"images": arguments.images, "repeats": arguments.repeats, "threads": 1}
        common.write_results(f"intelex-{arguments.images}", common.dataset(), rows, settings=settings, measured=details)
    common.print_table(rows)


if __name__ == "__main__":
    main()
