"""Characters outside the terminal's encoding are replaced, so no command ends with an encoding error."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lineup.terminal import tolerate_encodings

ROOT = Path(__file__).parents[1]


def printed(text: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return the bytes of a text on a standard output of some encoding."""
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding=encoding))
    tolerate_encodings()
    print(text, end="", flush=True)
    return content.getvalue()


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("ascii", b"0.1-0.2 -> +/- ?"),
        ("latin-1", b"0.1-0.2 -> \xb1 ?"),
        ("utf-8", "0.1\N{EN DASH}0.2 \N{RIGHTWARDS ARROW} \N{PLUS-MINUS SIGN} \N{T-SHIRT}".encode()),
    ],
)
def test_characters_outside_the_encoding_are_replaced(
    encoding: str, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "0.1\N{EN DASH}0.2 \N{RIGHTWARDS ARROW} \N{PLUS-MINUS SIGN} \N{T-SHIRT}"
    assert printed(text, encoding, monkeypatch) == expected


def test_a_file_name_that_is_not_utf8_can_be_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(os.fsdecode(b"caf\xe9"), "utf-8", monkeypatch) == b"caf?"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
@pytest.mark.parametrize("command", ["leaderboard", "models"])
def test_tables_are_printed_in_every_encoding(tmp_path: Path, command: str, encoding: str) -> None:
    for name in ("params.yaml", "dvc.yaml", "reports/leaderboard.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "lineup", command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "200"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    assert b"depth_3" in done.stdout
