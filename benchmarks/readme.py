"""Write the tables of the result files into the pages of this folder.

The script replaces the text between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->`` with the table of the result file
NAME, and a line with the machine, the versions and the settings.

    python benchmarks/readme.py
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from common import RESULTS, markdown_table

from lineup.files import replacing_file
from lineup.pages.leaderboard import replace_block

PAGES = [Path(__file__).with_name(name) for name in ("README.md", "speedrun.md")]


def with_tables(text: str) -> str:
    """Replace the text between each pair of markers with the table of a result file.

    Raises
    ------
    SystemExit
        If a result file is missing.
    """
    for name in re.findall(r"<!-- ([\w-]+):begin -->", text):
        text = replace_block(text, name, block(name))
    return text


def block(name: str) -> str:
    """Return the table of a result file, and a line with the machine, the versions and the settings."""
    path = RESULTS / f"{name}.json"
    if not path.is_file():
        raise SystemExit(f"a page has markers for {name}, but {path} is missing")
    result = json.loads(path.read_text(encoding="utf-8"))
    machine, versions = result["machine"], ", ".join(" ".join(item) for item in result["versions"].items())
    settings = ", ".join(f"{key}: {value}" for key, value in result["settings"].items() if isinstance(value, int))
    on = f"{machine['cpu_model']}, {machine['cores']} cores; {versions}"
    return f"{markdown_table(result['rows'])}\n\n{on}{f'; {settings}' if settings else ''}"


def main() -> None:
    """Update the pages."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for page in PAGES:
        text = with_tables(page.read_text(encoding="utf-8"))
        with replacing_file(page) as partial:
            partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
