"""Records and a dataset for the tests of the report. Every text that may contain HTML contains some."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lineup.committee.analysis import analyse, predictions_without_each
from lineup.committee.fitting import fit_rule
from lineup.committee.model import write_analysis
from lineup.data.dataset import Dataset
from lineup.paths import seed_folder
from lineup.records.predictions import Predictions
from lineup.records.record import Record
from tests.make_records import DATA, MACHINE, RUNTIME, make_record, member_of, model_folder
from tests.runs import GENERATED, IMAGES, make_run, make_seeds

EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
CLASSES = ["T-shirt/top", "Trouser & <b>belt</b>", "Ankle boot"]
EVIL_DATA = dataclasses.replace(GENERATED, title=f"Garments {EVIL}", classes=CLASSES)


@pytest.fixture(scope="session")
def report_records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """Models with three seeds, two seeds and one seed, and a committee with its analysis."""
    folder = tmp_path_factory.mktemp("runs")
    data = {"data": EVIL_DATA, "libraries": {"python": "3.11.9", "keras": EVIL}}
    members = [
        *make_seeds(folder, "cnn", [820, 835, 829], seconds=90.0, **data),
        *make_seeds(folder, "dense", [815, 833], seconds=8.0, **data),
        make_run(folder, "forest", 700, seconds=2.0, kind="classical", weights=None, **data),
    ]
    return [*members, make_vote([members[0], members[3]])]


def make_vote(members: list[Record]) -> Record:
    """Write the record of a committee of these members, with its analysis."""
    place = seed_folder(members[0].folder.parents[1] / "vote", 1)
    model = model_folder(place)
    predictions = [member.predictions() for member in members]
    val, test = (
        np.stack([getattr(one, part).probabilities.astype(np.float64) for one in predictions])
        for part in ("val", "test")
    )
    labels = predictions[0].test.labels
    rule = fit_rule("average", val, labels)
    without = predictions_without_each("average", val, labels, test)
    write_analysis(model, analyse(rule, [member.header.label for member in members], test, labels, without))
    scores = dataclasses.replace(predictions[0].test, probabilities=rule.apply(test).astype(np.float32))
    return make_record(
        place,
        Predictions(scores, scores),
        runtime=dataclasses.replace(RUNTIME, machine=dataclasses.replace(MACHINE, host=EVIL)),
        kind="committee",
        family="committee",
        architecture="average",
        report="-",
        weights=None,
        threads=None,
        members=[member_of(member) for member in members],
        data=EVIL_DATA,
        parameters={"rule": "average"},
    )


@pytest.fixture(scope="session")
def report_dataset() -> Dataset:
    """The dataset of these records, with images of noise."""
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 28, 28), dtype=np.uint8)
    labels = (np.arange(IMAGES) % 3).astype(np.uint8)
    order = np.arange(IMAGES, dtype=np.int32)
    return Dataset("synthetic", True, tuple(CLASSES), images, labels, images, labels, order, DATA.fingerprint)
