"""Read many damaged files of each format, and the large files, and write the results to ``benchmarks/results``.

The process may use at most 4 GiB of memory and 20 s of processor time per file. The first input of each finding is
kept in a folder.

    python -m tests.fuzz --inputs 120000
"""

from __future__ import annotations

import argparse
import json
import resource
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from lineup.files import replacing_file
from lineup.records.machine import this_machine

from .formats import FORMATS, ROOT
from .large import LARGE
from .run import Outcome, fuzz, read_large

RESULTS = ROOT / "benchmarks" / "results"
SHARES = {
    "IDX": 0.25,
    "NPZ": 0.2,
    "params.yaml": 0.15,
    "picture": 0.2,
    "record": 0.1,
    "compact record": 0.05,
    "archive": 0.05,
}
"""Share of each format in the inputs. Formats that take less time have more."""
MEMORY = 4 * 2**30


def main() -> None:
    """Read the files, print a row per format, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=120_000, help="number of files; default: 120000")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--only", choices=FORMATS, help="read only one format, and write no results")
    parser.add_argument("--findings", type=Path, default=Path("findings"), help="default: findings")
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if arguments.only:
        outcome = fuzz(arguments.only, range(arguments.inputs), arguments.seed, arguments.findings)
        show("format", arguments.only, outcome)
        return
    # First the large files: a forked process starts with the memory of this one.
    rows = [show("file", name, read_large(name)) for name in LARGE]
    write("fuzz-large", rows)
    rows = [
        show("format", name, fuzz(name, range(round(arguments.inputs * share)), arguments.seed, arguments.findings))
        for name, share in SHARES.items()
    ]
    write("fuzz", rows, inputs=arguments.inputs, seed=arguments.seed)


def show(title: str, name: str, outcome: Outcome) -> dict[str, Any]:
    """Print the row of a table and the findings, and return the row."""
    columns: dict[str, Any] = {title: name}
    if title == "format":
        columns |= {"inputs": outcome.inputs, "read": outcome.read, "refused": outcome.refused}
        columns |= {"seconds": outcome.seconds, "slowest, s": outcome.slowest}
    else:
        columns |= {"result": "read" if outcome.read else "refused", "seconds": outcome.seconds}
    row = columns | {"peak memory, MiB": outcome.peak // 2**20, "findings": len(outcome.findings)}
    print(row, *outcome.findings, sep="\n  ", flush=True)
    return row


def write(name: str, rows: list[dict[str, Any]], **settings: int) -> None:
    """Write a result file that ``benchmarks/readme.py`` reads."""
    libraries = ("numpy", "pillow", "pydantic", "pyyaml")
    result = {
        "machine": asdict(this_machine()),
        "versions": {name: metadata.version(name) for name in libraries},
        "settings": settings,
        "rows": rows,
    }
    with replacing_file(RESULTS / f"{name}.json") as partial:
        partial.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
