r"""Write the report. The report is a single HTML file with all results, and works without an internet connection.

The page consists of ``report.html`` (a Jinja2 template), ``report.css``, ``report.js``, Plotly and the content as JSON.

Examples
--------
>>> embedded_json({"name": "</script>"})
Markup('{"name":"\\u003c/script\\u003e"}')
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lineup.committee.champion import Champion
from lineup.data.dataset import Dataset
from lineup.data.duplicates import Duplicates
from lineup.errors import count
from lineup.files import check_room, read_text
from lineup.pages.image_sheet import MOST, image_sheet
from lineup.pages.markdown import number, p_value, span, with_spread, write_text
from lineup.pages.plotly import plotly_bundle
from lineup.pages.report_content import report_content
from lineup.records.record import Record

LIMIT = 5_000_000
"""Largest size of the file in bytes. The images use what the other content leaves."""

_FOR_SCRIPT = ("classes", "labels", "runs", "pairs", "costs", "sheet")
"""Parts of the content that ``report.js`` reads. The template writes the other parts as text and tables."""


def write_report(
    records: Sequence[Record],
    path: Path,
    dataset: Dataset | None = None,
    champion: Champion | None = None,
    originals: Sequence[Record] | None = None,
    duplicates: Duplicates | None = None,
) -> None:
    """Write the report to a file.

    Parameters
    ----------
    records : sequence of Record
        At least one record. All records must be from the same data.
    path : Path
        The HTML file.
    dataset : Dataset, optional
        The dataset of the records, for the images. Default: None, the report has no images.
    champion : Champion, optional
        The champion among the records. Default: None, the report does not name a champion.
    originals : sequence of Record, optional
        See `lineup.pages.report_content.report_content`.
    duplicates : Duplicates, optional
        Numbers of repeated images in the dataset. Default: None, the report does not state them.

    Raises
    ------
    LineupError
        See `lineup.pages.report_content.report_content`; also if the file cannot be written.
    """
    check_room(path)
    content = report_content(records, dataset, champion, originals, duplicates)
    write_text(path, report_html(content, dataset))


def report_html(content: dict[str, Any], dataset: Dataset | None = None, limit: int = LIMIT) -> str:
    """Return the report as HTML text.

    Parameters
    ----------
    content : dict
        From `lineup.pages.report_content.report_content`.
    dataset : Dataset, optional
        The dataset of the records. The page contains the test images that most models misclassify, as many as the
        limit allows.
    limit : int, optional
        Largest size of the page in bytes. Without images, the page can be larger. Default: 5,000,000.
    """
    hardest = content["hardest"]
    others = {name: value for name, value in content.items() if name != "hardest"}
    if dataset is None:
        return _render({**others, "sheet": None}, "")
    # An image needs a position in the JSON, of at most 12 bytes.
    room = limit - len(_render({**others, "sheet": None}, "").encode()) - 12 * min(len(hardest), MOST) - 1_000
    sheet = image_sheet(dataset.test_images, hardest, max(0, room) * 3 // 4)
    description = {name: value for name, value in vars(sheet).items() if name != "png"}
    address = f"data:image/png;base64,{base64.b64encode(sheet.png).decode()}" if sheet.indices else ""
    return _render({**others, "sheet": description if sheet.indices else None}, address)


def embedded_json(content: object) -> Markup:
    """Convert a value to JSON that is safe inside a ``<script>`` element.

    Inside a ``<script>`` element, only strings such as ``</script`` and ``<!--`` have a special meaning. If the
    characters of these strings are escaped, the meaning of the JSON does not change.
    """
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _render(content: dict[str, Any], images: str) -> str:
    """Fill the template. The argument ``images`` is the data URL of a PNG file, or an empty string."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "p_value": p_value}
    template = environment.from_string(_part(".html"))
    return template.render(
        content,
        images=images,
        span=span,
        with_spread=with_spread,
        count=count,
        embedded=embedded_json({name: content[name] for name in _FOR_SCRIPT}),
        css=Markup(_part(".css")),
        script=Markup(_part(".js")),
        plotly=Markup(plotly_bundle()),
    )


def _part(suffix: str) -> str:
    return read_text(Path(__file__).with_suffix(suffix))
