"""Fit the classical models of the dataset's paper, and compare their accuracies with the published accuracies.

Table 3 of H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms", arXiv:1708.07747, contains the test accuracies of scikit-learn's classifiers in 2017. The classifiers were
trained on all 60,000 images, with each pixel standardised over the training images. The accuracies are means over
shuffled repetitions. This benchmark fits the same classifiers with the same settings. If a default value of
scikit-learn has changed since 2017, the benchmark sets the old value.

    python benchmarks/classical.py --rows gaussian_nb,random_forest

The result file is updated after each fit, and existing rows are not fitted again. Gradient boosting takes hours. It
saves backups, and resumes from the last backup.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn
import skops.io
import threadpoolctl
from common import RESULTS, dataset
from filelock import FileLock
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import shuffle

from lineup.data.dataset import Dataset
from lineup.files import replacing_file
from lineup.records.machine import this_machine

FILE = RESULTS / "reproduction" / "classical.json"
BACKUPS = RESULTS / ".backups"


@dataclass(frozen=True)
class Row:
    """Row of the table, with the classifier, the published accuracy and the tolerance.

    The page shows the note if the measured accuracy differs from the published accuracy by more than the tolerance.
    """

    build: Callable[[], Any]
    published: float
    tolerance: float = 0.005
    note: str = ""


def _logistic_regression(l1_ratio: float) -> Any:
    # In 2017, LogisticRegression used liblinear and one-vs-rest classifiers by default.
    return OneVsRestClassifier(LogisticRegression(C=1.0, l1_ratio=l1_ratio, solver="liblinear", max_iter=100))


def _svc(kernel: str, c: float) -> Any:
    # In 2017, the default of gamma was 1 / number of features.
    return SVC(C=c, kernel=kernel, gamma="auto", cache_size=2000)


ROWS: dict[str, Row] = {
    "gaussian_nb": Row(
        lambda: GaussianNB(priors=[0.1] * 10),
        0.511,
        note="The difference is not explained. Some pixels have the same value in all images of a class, so their"
        " variance is 0. scikit-learn adds a small value to each variance, and the accuracy depends strongly on this"
        " value. We add 1e-9 of the largest variance, like scikit-learn in 2017. In the model `gaussian_nb_no_floor`,"
        " nothing is added to the variances.",
    ),
    "gaussian_nb_no_floor": Row(lambda: GaussianNB(priors=[0.1] * 10, var_smoothing=0.0), 0.511),
    "random_forest": Row(lambda: RandomForestClassifier(100, criterion="entropy", max_depth=100), 0.873),
    "mlp": Row(
        lambda: MLPClassifier((100,), activation="relu", n_iter_no_change=2),
        0.871,
        note="The difference is not explained. Training stops when the loss has not decreased for three successive"
        " epochs. scikit-learn used the same rule in 2017.",
    ),
    "svc_rbf_10": Row(lambda: _svc("rbf", 10.0), 0.897, 0.003),
    "svc_rbf_1": Row(
        lambda: _svc("rbf", 1.0),
        0.879,
        0.003,
        note="The difference is not explained. This classifier does not use random numbers, so a different seed"
        " cannot be the reason.",
    ),
    "svc_poly_10": Row(lambda: _svc("poly", 10.0), 0.891, 0.003),
    "k_neighbors": Row(
        lambda: KNeighborsClassifier(5, weights="distance", p=1, algorithm="brute"),
        0.854,
        note="The difference is not explained. This classifier does not use random numbers, so a different seed"
        " cannot be the reason. The paper states p = 1 (Manhattan distance). With p = 2 (Euclidean distance,"
        " `k_neighbors_p2`), we reproduce the published accuracy.",
    ),
    "k_neighbors_p2": Row(lambda: KNeighborsClassifier(5, weights="distance", p=2, algorithm="brute"), 0.854),
    "logistic_regression_l2": Row(lambda: _logistic_regression(0.0), 0.841),
    "logistic_regression_l1": Row(lambda: _logistic_regression(1.0), 0.842),
    "linear_svc": Row(lambda: LinearSVC(loss="hinge", C=1.0), 0.836),
    "gradient_boosting": Row(
        lambda: GradientBoostingClassifier(n_estimators=100, max_depth=10),
        0.880,
        note="The difference is not explained. Random numbers affect only the choice between equally good splits of a"
        " tree. The scale of the pixels has no effect on trees.",
    ),
}
LONG = {"gradient_boosting"}
"""Left out unless asked for by name, and fitted in steps: a thousand deep trees, on sorted pixels, not histograms."""

STEP = 5
"""Iterations between back-ups, which take seconds with hundreds of trees; an iteration takes minutes."""


def set_everywhere(estimator: Any, parameter: str, value: int) -> None:
    """Set a parameter of an estimator and of all nested estimators that have this parameter."""
    names = [name for name in estimator.get_params() if name.rpartition("__")[2] == parameter]
    estimator.set_params(**dict.fromkeys(names, value))


def measure(name: str, data: Dataset, seed: int) -> tuple[float, float]:
    """Fit a classifier on the images in one order, and return its test accuracy and its CPU time in seconds."""
    scaler = StandardScaler().fit(data.train_images.reshape(-1, 784))
    inputs, labels = shuffle(scaler.transform(data.train_images.reshape(-1, 784)), data.train_labels, random_state=seed)
    tests = scaler.transform(data.test_images.reshape(-1, 784))
    estimator = ROWS[name].build()
    set_everywhere(estimator, "random_state", seed)
    started, before = time.process_time(), 0.0
    # With the settings of the paper, some fits do not converge, and one fit divides by zero.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        if name in LONG:
            backup = BACKUPS / f"{name}-{seed}-{data.fingerprint[:12]}-{sklearn.__version__}.skops"
            estimator, before = fit_in_steps(estimator, inputs, labels, backup)
        else:
            # Some of these fits take long, so scikit-learn prints its progress.
            set_everywhere(estimator, "verbose", 1)
            estimator.fit(inputs, labels)
        accuracy = float(np.mean(estimator.predict(tests) == data.test_labels))
    return accuracy, before + time.process_time() - started


def fit_in_steps(estimator: Any, inputs: Any, labels: Any, backup: Path) -> tuple[Any, float]:
    """Fit boosted trees in steps of a few iterations, and save a backup after each step.

    The trees are identical to those of a single fit, because scikit-learn adds the predictions in the same order.

    Parameters
    ----------
    estimator : GradientBoostingClassifier
        Unfitted estimator.
    inputs, labels : ndarray of float, shape (n, features), ndarray of int, shape (n,)
        Training data.
    backup : Path
        Skops file. If the file exists, it must come from a fit with the same settings and inputs. It is not deleted.

    Returns
    -------
    tuple of GradientBoostingClassifier and float
        The fitted estimator, and the CPU time of earlier processes in seconds.
    """
    last, done, before = estimator.n_estimators, 0, 0.0
    if backup.is_file():
        saved = skops.io.load(backup, trusted=["sklearn.tree._tree.Tree"])
        estimator, before = saved["estimator"], saved["cpu_seconds"]
        done = len(estimator.estimators_)
    estimator.set_params(warm_start=True)
    backup.parent.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    while done < last:
        done = min(done + STEP, last)
        estimator.set_params(n_estimators=done).fit(inputs, labels)
        seconds = before + time.process_time() - started
        with replacing_file(backup) as partial:
            skops.io.dump({"estimator": estimator, "cpu_seconds": seconds}, partial)
        print(f"{backup.stem}: iteration {done} of {last}, {seconds:,.0f} CPU seconds", flush=True)
    return estimator, before


def read_rows(data: Dataset) -> dict[str, dict[str, Any]]:
    """Return the rows of the result file by name, or no rows if the data or the version of scikit-learn differ."""
    if not FILE.is_file():
        return {}
    found = json.loads(FILE.read_text(encoding="utf-8"))
    same = found["data"]["fingerprint"] == data.fingerprint and found["versions"]["scikit-learn"] == sklearn.__version__
    return {row["row"]: row for row in found["rows"]} if same else {}


def add_fit(data: Dataset, name: str, accuracy: float, fitted: dict[str, Any]) -> None:
    """Add a fit to the result file. Other processes may write to the file at the same time."""
    # Not next to the result file, because that folder is a dependency of the pipeline.
    with FileLock(RESULTS / ".classical.lock"):
        rows = read_rows(data)
        fits = rows.get(name, {"accuracies": [], "fits": []})
        rows[name] = {"accuracies": [*fits["accuracies"], accuracy], "fits": [*fits["fits"], fitted]}
        result = {
            "data": {"name": data.name, "generated": data.generated, "fingerprint": data.fingerprint},
            "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
            "settings": {"training_images": len(data.train_labels)},
            "rows": [summary(row, **rows[row]) for row in ROWS if row in rows],
            "missing": {row: ROWS[row].published for row in ROWS if row not in rows},
        }
        with replacing_file(FILE) as partial:
            partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def summary(name: str, accuracies: list[float], fits: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
    """Return a row of the result file, with the accuracy, the time and the machine of each fit."""
    row = ROWS[name]
    difference = statistics.mean(accuracies) - row.published
    return {
        "row": name,
        "published": row.published,
        "accuracy": statistics.mean(accuracies),
        "difference": difference,
        "tolerance": row.tolerance,
        "within": abs(difference) <= row.tolerance,
        "note": "" if abs(difference) <= row.tolerance else row.note,
        "accuracies": accuracies,
        "fits": fits,
    }


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    """Print the published accuracy, the measured accuracy, the difference and the mean CPU time of each row."""
    print("| row | published | measured | difference | shuffles | CPU seconds |\n|---|---:|---:|---:|---:|---:|")
    for name, row in rows.items():
        seconds = statistics.mean(fitted["cpu_seconds"] for fitted in row["fits"])
        mark = "" if row["within"] else " outside"
        print(
            f"| {name} | {row['published']:.3f} | {row['accuracy']:.4f} | {row['difference']:+.4f}{mark} |"
            f" {len(row['accuracies'])} | {seconds:.0f} |"
        )


def main() -> None:
    """Parse the arguments, fit the missing rows, save the results after each fit, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", help=f"names, comma between; of {', '.join(ROWS)}; default: all but {', '.join(LONG)}"
    )
    parser.add_argument(
        "--shuffles", type=int, default=1, help="number of repetitions with different orders; default: 1"
    )
    parser.add_argument("--threads", type=int, default=1, help="number of threads; default: 1")
    arguments = parser.parse_args()
    names = arguments.rows.split(",") if arguments.rows else [name for name in ROWS if name not in LONG]
    if unknown := [name for name in names if name not in ROWS]:
        parser.error(f"--rows: no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    data = dataset()
    where = {"cpu_model": this_machine().cpu_model, "threads": arguments.threads}
    with threadpoolctl.threadpool_limits(arguments.threads), joblib.parallel_config(n_jobs=arguments.threads):
        for name in names:
            known = read_rows(data).get(name, {"accuracies": []})
            for seed in range(len(known["accuracies"]) + 1, arguments.shuffles + 1):
                accuracy, seconds = measure(name, data, seed)
                add_fit(data, name, accuracy, {"cpu_seconds": seconds} | where)
    print_table(read_rows(data))


if __name__ == "__main__":
    main()
