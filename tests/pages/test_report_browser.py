"""The report in a real browser: mouse, keyboard, small screens, printing, dark colours, and no network connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineup.data.dataset import Dataset
from lineup.pages.compare import compare
from lineup.pages.report import write_report
from lineup.records.record import Record
from tests.browser import CHROMIUM, Browser, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian: apt-get install chromium)")

READY = "document.documentElement?.dataset.ready === 'yes'"
SECTIONS = ["leaderboard", "committees", "curves", "confusion", "comparison", "cost", "machines", "data", "run"]


@pytest.fixture(scope="module")
def page(
    report_records: list[Record], report_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("report")
    write_report(report_records, folder / "index.html", report_dataset)
    with browser(folder / "profile") as opened:
        opened.size(1280)
        opened.call("Page.navigate", url=(folder / "index.html").as_uri())
        opened.wait_for(READY)
        yield opened


def column(page: Browser, number: int) -> list[str]:
    """Return the texts of a column of the leaderboard, of the rows that are shown."""
    rows = "[...document.querySelectorAll('#leaderboard-table tbody tr')].filter(row => !row.hidden)"
    found: list[str] = page.run(f"{rows}.map(row => row.cells[{number}].textContent)")
    return found


def test_every_section_is_there(page: Browser) -> None:
    assert page.run("[...document.querySelectorAll('h2')].map(heading => heading.id)") == SECTIONS
    assert page.run("[...document.querySelectorAll('nav a')].every(link => document.querySelector(link.hash))")
    assert page.run("document.querySelectorAll('.plot .main-svg').length") >= 4


def test_a_heading_sorts_with_the_keyboard(page: Browser) -> None:
    before = column(page, 1)
    page.run("document.querySelectorAll('#leaderboard-table thead button')[1].focus()")
    page.press("Enter", "\r")
    assert column(page, 1) == sorted(before)
    heading = "document.querySelectorAll('#leaderboard-table thead th')[1]"
    assert page.run(f"{heading}.getAttribute('aria-sort')") == "ascending"
    page.press("Enter", "\r")
    assert column(page, 1) == sorted(before, reverse=True)
    assert page.run("document.querySelectorAll('#leaderboard-table [aria-sort]').length") == 1
    # Models without a training time are last in both directions.
    for _ in range(2):
        page.run("document.querySelector('#leaderboard-table thead th:last-child button').click()")
        assert column(page, 1)[-1] == "vote"


def test_filters_combine(page: Browser) -> None:
    page.choose("filter-kind", "=network")
    assert sorted(column(page, 1)) == ["cnn", "dense"]
    assert page.run("document.getElementById('leaderboard-shown').textContent") == "2 of 4 models"
    page.choose("filter-report", "=-")
    assert column(page, 1) == []
    page.choose("filter-kind", "")
    assert column(page, 1) == ["vote"]
    page.choose("filter-report", "")
    assert len(column(page, 1)) == 4


def test_a_cell_of_the_confusion_matrix_shows_its_images(page: Browser, report_records: list[Record]) -> None:
    page.choose("confusion-run", "5")
    predictions = report_records[5].predictions().test
    predicted = predictions.probabilities.argmax(axis=1)
    cell = (predictions.labels == 0) & (predicted == 1)
    button = "document.querySelectorAll('#confusion-table tbody button')[1]"
    assert page.run(f"{button}.textContent") == str(cell.sum())
    page.run(f"{button}.focus()")
    page.press("Enter", "\r")
    title = page.run("document.querySelector('#confusion-title h3').textContent")
    assert title == f"forest_seed1: {cell.sum()} images, actual T-shirt/top, predicted Trouser & <b>belt</b>"
    assert page.run("document.querySelectorAll('#confusion-images .image').length") == min(60, cell.sum())
    name = page.run("document.querySelector('#confusion-images .image').getAttribute('aria-label')")
    assert cell[int(name.removeprefix("Test image ").partition(".")[0])]
    assert f"Shown: {min(60, cell.sum())} of {cell.sum()} images." in page.run(
        "document.getElementById('confusion-images').textContent"
    )


def test_an_image_is_the_right_part_of_the_sheet(page: Browser, report_dataset: Dataset) -> None:
    page.run("document.querySelector('#compare-images .image').scrollIntoView({block: 'center'})")
    name = page.run("document.querySelector('#compare-images .image').getAttribute('aria-label')")
    index = int(name.removeprefix("Test image ").partition(".")[0])
    script = """(async () => {
      const box = document.querySelector('#compare-images .image'), style = getComputedStyle(box);
      const sheet = new Image();
      sheet.src = style.backgroundImage.slice(5, -2);
      await sheet.decode();
      const scale = sheet.width / parseFloat(style.backgroundSize);
      const [x, y] = style.backgroundPosition.split(' ').map((text) => Math.round(-parseFloat(text) * scale));
      const canvas = new OffscreenCanvas(sheet.width, sheet.height).getContext('2d');
      canvas.drawImage(sheet, 0, 0);
      return [...canvas.getImageData(x, y, 28, 28).data].filter((_, place) => place % 4 === 0);
    })()"""
    assert page.run(script) == report_dataset.test_images[index].ravel().tolist()


@pytest.mark.parametrize(("a", "b"), [(0, 5), (5, 0), (3, 6)])
def test_two_runs_are_compared(page: Browser, report_records: list[Record], a: int, b: int) -> None:
    page.choose("compare-a", str(a))
    page.choose("compare-b", str(b))
    names = [report_records[number].header.label for number in (a, b)]
    pair = next(pair for pair in compare(report_records).run_pairs if {pair.a, pair.b} == set(names))
    low, high = (pair.low, pair.high) if pair.a == names[0] else (0 - pair.high, 0 - pair.low)
    only = (pair.a_only, pair.b_only) if pair.a == names[0] else (pair.b_only, pair.a_only)
    text = page.run("document.getElementById('compare-result').textContent")
    assert f"Difference {(only[0] - only[1]) / 900:+.4f}, 95 % bootstrap interval {low:+.4f} to {high:+.4f}." in text
    assert text.endswith(": significant." if pair.significant else ": not significant.")
    cells = page.run("[...document.querySelectorAll('#compare-table tbody td')].map(cell => Number(cell.textContent))")
    assert (cells[1], cells[2]) == only
    assert sum(cells) == 900
    headings = page.run("[...document.querySelectorAll('#compare-images h3')].map(heading => heading.textContent)")
    assert headings == [
        f"Only {name} is correct: {count} {'image' if count == 1 else 'images'}"
        for name, count in zip(names, only, strict=True)
    ]


def test_curves_of_chosen_runs_are_drawn_and_written(page: Browser) -> None:
    def chosen() -> list[str]:
        found: list[str] = page.run("[...document.querySelectorAll('#curves-table tbody th')].map(c => c.textContent)")
        return found

    assert len(chosen()) == 2
    page.run("document.querySelector('[name=curve][value=cnn_seed2]').click()")
    assert "cnn_seed2" in chosen()
    assert page.run("document.getElementById('curves-loss').data.length") == 2 * len(chosen())
    assert "cnn_seed2" in page.run("document.getElementById('curves-loss').getAttribute('aria-label')")


def test_the_parameters_of_a_run_are_shown(page: Browser) -> None:
    page.choose("run-run", "6")
    text = page.run("document.getElementById('run-table').textContent")
    assert "vote_seed1" in text
    assert "<img src=x onerror=alert(1)>" in text


def test_every_control_and_figure_has_a_name(page: Browser) -> None:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "checkbox", "link", "image", "table", "region", "img", "figure"}
    shown = [node for node in nodes if not node.get("ignored") and node.get("role", {}).get("value") in roles]
    assert len(shown) > 50
    unnamed = [node for node in shown if not node.get("name", {}).get("value")]
    described = [page.call("DOM.describeNode", backendNodeId=node["backendDOMNodeId"])["node"] for node in unnamed]
    assert [node for node in described if node["nodeName"] != "FIGURE"] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_not_wider_than_the_window(page: Browser, width: int) -> None:
    page.size(width)
    page.wait_for(f"document.documentElement.scrollWidth <= {width}")
    plots = "[...document.querySelectorAll('.plot .main-svg')].map(plot => plot.getBoundingClientRect().right)"
    page.wait_for(f"Math.max(...{plots}) <= {width}")


def test_on_paper_and_in_the_dark(page: Browser) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    page.media(scheme="dark")
    page.wait_for(f"{colour} === 'rgb(22, 24, 28)'")
    page.wait_for("document.getElementById('cost-seconds').layout.font.color === '#e8e8e8'")
    page.size(750)
    page.media("print", "dark")
    page.wait_for("document.documentElement.scrollWidth <= 750")
    page.wait_for(f"{colour} === 'rgb(255, 255, 255)'")
    page.wait_for("document.getElementById('cost-seconds').layout.font.color === '#1b1b1b'")
    assert page.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    page.media()
    page.size(1280)


def test_nothing_was_requested_and_no_error_occurred(page: Browser, tmp_path: Path) -> None:
    page.call("Page.reload")
    page.wait_for(READY)
    page.run("scrollTo(0, document.body.scrollHeight)")
    page.screenshot(tmp_path / "page.png")
    paints = json.loads(page.run("JSON.stringify(performance.getEntriesByType('paint').map(paint => paint.name))"))
    assert "first-contentful-paint" in paints
    assert page.problems() == []
