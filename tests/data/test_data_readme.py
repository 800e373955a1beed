"""``data/README.md`` is in git and gives the size and checksum of every file that the download checks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lineup.data.datasets import DATASETS

ROOT = Path(__file__).parents[2]
README = ROOT / "data" / "README.md"


def test_files_and_checksums_are_those_of_the_download() -> None:
    rows = re.findall(
        r"^\| (\S+\.gz) \| ([\d,]+) \| ([0-9a-f]{64}) \|$", README.read_text(encoding="utf-8"), re.MULTILINE
    )
    files = DATASETS["fashion_mnist"].files
    assert [(name, int(size.replace(",", "")), sha256) for name, size, sha256 in rows] == [
        (file.name, file.size_bytes, file.sha256) for file in files
    ]


def test_git_keeps_the_page_and_ignores_the_images() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout here")
    paths = ["data/README.md", "data/raw/train-images-idx3-ubyte.gz", "data/splits/dataset.npz"]
    done = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == paths[1:]
