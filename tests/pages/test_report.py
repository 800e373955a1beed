"""The report: what it contains, that it is one file, and that no text of a record becomes HTML."""

from __future__ import annotations

import base64
import copy
import dataclasses
import io
import itertools
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lineup.committee.champion import choose
from lineup.committee.settings import ChampionRule
from lineup.data.dataset import Dataset
from lineup.errors import LineupError
from lineup.pages.compare import compare
from lineup.pages.image_sheet import SIDE, image_sheet
from lineup.pages.report import LIMIT, embedded_json, report_html, write_report
from lineup.pages.report_content import report_content, with_front
from lineup.records.record import Record
from tests.pages.conftest import EVIL, EVIL_DATA
from tests.runs import REAL, make_run


@pytest.fixture(scope="module")
def content(report_records: list[Record], report_dataset: Dataset) -> dict[str, Any]:
    return report_content(report_records, report_dataset)


@pytest.fixture(scope="module")
def page(content: dict[str, Any], report_dataset: Dataset) -> str:
    return report_html(content, report_dataset)


def decoded(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8)


def test_every_run_has_its_predictions(report_records: list[Record], content: dict[str, Any]) -> None:
    assert [run["label"] for run in content["runs"]] == [record.header.label for record in report_records]
    for run, record in zip(content["runs"], report_records, strict=True):
        scores = record.predictions().test
        np.testing.assert_array_equal(decoded(run["predicted"]), scores.probabilities.argmax(axis=1))
        np.testing.assert_array_equal(decoded(content["labels"]), scores.labels)
        assert run["metrics"]["test_accuracy"] == pytest.approx(record.metrics["test_accuracy"], abs=1e-6)
    # The phase of the autoencoder is left out.
    assert content["runs"][0]["history"]["val_loss"] == [1.0, 0.8]
    assert content["runs"][-1]["history"]["val_loss"] == []


def test_pairs_are_those_of_the_evaluation(report_records: list[Record], content: dict[str, Any]) -> None:
    pairs = compare(report_records).run_pairs
    labels = [run["label"] for run in content["runs"]]
    assert [(pair.a, pair.b) for pair in pairs] == list(itertools.combinations(labels, 2))
    for number, pair in enumerate(pairs):
        assert content["pairs"]["low"][number] / 900 == pytest.approx(pair.low)
        assert content["pairs"]["high"][number] / 900 == pytest.approx(pair.high)
        assert content["pairs"]["p"][number] == pytest.approx(pair.p, rel=0.01)
        assert content["pairs"]["p_holm"][number] == pytest.approx(pair.p_holm, rel=0.01)


def test_the_leaderboard_has_missing_values_as_none(content: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in content["leaderboard"]}
    accuracies = [row["test_accuracy"] for row in content["leaderboard"]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert rows["forest"]["parameters"] is None
    assert rows["vote"]["training_seconds"] is None
    assert rows["cnn"]["test_accuracy_sd"] == pytest.approx(np.std([820, 835, 829], ddof=1) / 900, abs=1e-6)
    assert rows["dense"]["run"] == "dense_seed1"


def test_a_committee_costs_the_sum_of_its_members(content: dict[str, Any]) -> None:
    seconds = {point["name"]: point for point in content["costs"]["seconds"]}
    assert seconds["vote"]["cost"] == 98.0
    parameters = {point["name"]: point["cost"] for point in content["costs"]["parameters"]}
    assert parameters == {"cnn": 10, "dense": 10, "vote": 20}  # the forest has none


def test_the_front_has_no_point_that_another_one_beats() -> None:
    random = np.random.default_rng(1)
    points = [{"cost": float(a), "accuracy": float(b)} for a, b in random.integers(0, 20, (60, 2))]
    for point in with_front(points):
        beaten = any(
            (other["cost"] <= point["cost"] and other["accuracy"] > point["accuracy"])
            or (other["cost"] < point["cost"] and other["accuracy"] >= point["accuracy"])
            for other in points
        )
        assert point["front"] == (not beaten)


def test_the_hardest_images_come_first(report_records: list[Record], content: dict[str, Any]) -> None:
    firsts = [record for record in report_records if record.header.seed == 1]
    wrong = np.sum([~record.predictions().test.correct() for record in firsts], axis=0)
    assert (np.diff(wrong[content["hardest"]]) <= 0).all()


def test_a_committee_has_its_analysis(content: dict[str, Any], page: str) -> None:
    (committee,) = content["committees"]
    assert [member["name"] for member in committee["analysis"]["members"]] == ["cnn_seed1", "dense_seed1"]
    assert "Members of vote_seed1" in page


def test_verdicts_are_given_only_for_the_data_of_the_reports(
    tmp_path: Path, content: dict[str, Any], page: str
) -> None:
    assert content["verdicts"] == []
    assert 'id="reproduction"' not in page
    assert page.count("GENERATED DATA, 900 test images") == 2
    assert "The data are generated, so the results do not apply to real images." in page
    records = [make_run(tmp_path, name, right, data=REAL) for name, right in (("basic_cnn", 820), ("shallow_nn", 600))]
    found = report_content(records)
    assert [(row["model"], row["word"]) for row in found["verdicts"]] == [
        ("shallow_nn", "worse"),
        ("basic_cnn", "reproduced"),
    ]
    page = report_html(found)
    assert "1 of 2\npublished results are reproduced" in page
    assert "generated" not in page.partition("<main>")[0].partition("<header>")[2]


class Elements(HTMLParser):
    """Parser that counts elements, and collects all attributes that could load a file or run code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, int] = {}
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = self.found.get(tag, 0) + 1
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def test_no_text_of_a_record_becomes_html(page: str) -> None:
    elements = Elements(page)
    assert elements.found["script"] == 3
    assert "img" not in elements.found
    assert "b" not in elements.found
    assert elements.handlers == []
    assert "&lt;img src=x onerror=alert(1)&gt;" in page


def test_the_page_loads_nothing(page: str) -> None:
    assert all(address.startswith(("#", "data:,")) for address in Elements(page).addresses)
    assert "default-src 'none'" in page


def test_embedded_json_is_the_content_and_ends_no_element(page: str) -> None:
    text = re.search(r'<script id="content" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert text is not None
    found = json.loads(text[1])
    assert found["runs"][0]["libraries"]["keras"] == EVIL
    assert len(found["sheet"]["indices"]) == 900
    for risky in ("</script>", "<!--", "]]>", "\u2028", "&amp;"):
        assert json.loads(embedded_json([risky])) == [risky]
        assert not set("<>&\u2028") & set(embedded_json([risky]))


def test_every_table_has_a_caption_and_every_heading_a_scope(page: str) -> None:
    elements = Elements(page)
    assert elements.found["table"] == elements.found["caption"] > 8
    assert "<th>" not in page
    assert all("scope=" in heading for heading in re.findall(r"<th\b[^>]*>", page.partition("<script")[0]))


def test_the_same_records_give_the_same_file(
    report_records: list[Record], report_dataset: Dataset, page: str, tmp_path: Path
) -> None:
    write_report(report_records, tmp_path / "index.html", report_dataset)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == page
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_the_champion_is_named(report_records: list[Record]) -> None:
    champion = choose(report_records, ChampionRule("loss"))
    page = report_html(report_content(report_records, champion=champion))
    assert f"<strong>{champion.name}</strong>, with the lowest loss" in page
    assert f"{champion.test_accuracy:.4f}" in page
    assert "Champion:" not in report_html(report_content(report_records))


def test_without_a_dataset_there_are_no_images(content: dict[str, Any]) -> None:
    assert "data:image/png" not in report_html(content)


def test_another_dataset_is_an_error(report_records: list[Record], report_dataset: Dataset) -> None:
    other = dataclasses.replace(report_dataset, fingerprint="0" * 64)
    with pytest.raises(LineupError, match="made from different data than the dataset; run dvc repro"):
        report_content(report_records, other)


def test_a_training_run_that_diverged_is_shown(tmp_path: Path) -> None:
    from tests.make_records import HISTORY

    history = [dataclasses.replace(row, val_loss=math.nan) for row in HISTORY]
    record = make_run(tmp_path, "cnn", 300, history=history, data=EVIL_DATA)
    found = report_content([record])
    assert found["runs"][0]["history"]["val_loss"] == [None, None]
    assert found["pairs"]["p"] == []
    report_html(found)


def test_104_runs_fit_into_five_megabytes(content: dict[str, Any], report_dataset: Dataset) -> None:
    random = np.random.default_rng(0)
    many, images = copy.deepcopy(content), 10_000
    many["labels"] = base64.b64encode(random.integers(0, 3, images, np.uint8).tobytes()).decode()
    epochs = {name: random.random(20).round(4).tolist() for name in ("loss", "val_loss", "accuracy", "val_accuracy")}
    many["runs"] = [
        content["runs"][0]
        | {"label": f"a_model_with_a_long_name_{number}", "history": epochs}
        | {"predicted": base64.b64encode(random.integers(0, 3, images, np.uint8).tobytes()).decode()}
        | {"parameters": {f"a_parameter_{setting}": 0.001 for setting in range(25)}}
        for number in range(104)
    ]
    pairs = 104 * 103 // 2
    many["pairs"] = {name: [-123] * pairs for name in ("low", "high")} | {
        name: [1.23e-45] * pairs for name in ("p", "p_holm")
    }
    many["leaderboard"] = [content["leaderboard"][0]] * 52
    many["hardest"] = random.permutation(images).tolist()
    noise = dataclasses.replace(report_dataset, test_images=random.integers(0, 256, (images, 28, 28), np.uint8))
    page = report_html(many, noise)
    assert 0.95 * LIMIT < len(page.encode()) <= LIMIT


@pytest.mark.parametrize(
    ("shape", "mode", "size"),
    [
        ((28, 20), "L", (20, 28)),
        ((30, 40, 3), "RGB", (40, 30)),
        ((16, 16, 4), "L", (16, 16)),
        ((300, 150, 3), "RGB", (32, 64)),
    ],
)
def test_a_sheet_has_the_images_in_order(shape: tuple[int, ...], mode: str, size: tuple[int, int]) -> None:
    images = np.stack([np.full(shape, value, np.uint8) for value in range(0, 250, 10)])
    sheet = image_sheet(images, [7, 3, 20, 1, 2], 100_000)
    assert (sheet.width, sheet.height) == size
    assert max(size) <= SIDE
    picture = Image.open(io.BytesIO(sheet.png))
    pixels = np.asarray(picture)
    assert picture.mode == mode
    assert picture.size == (3 * size[0], 2 * size[1])
    for position, index in enumerate(sheet.indices):
        row, column = position // 3 * size[1] + 5, position % 3 * size[0] + 5
        assert pixels[row, column].max() == 10 * index


def test_a_sheet_has_as_many_images_as_fit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 28, 28), np.uint8)
    sheet = image_sheet(noise, range(200), 50_000)
    assert 40_000 < len(sheet.png) <= 50_000
    assert sheet.indices == list(range(len(sheet.indices)))
    assert image_sheet(noise, range(200), 10).indices == []
    assert image_sheet(noise, [], 10_000).png == b""
