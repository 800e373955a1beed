"""Files and folders written whole or not at all, by several processes too."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lineup.errors import LineupError
from lineup.files import file_sha256, replacing_file, replacing_folder

REPLACING = {"file": replacing_file, "folder": replacing_folder}
WRITER = """\
import sys
from pathlib import Path
from lineup import files
with getattr(files, f"replacing_{sys.argv[1]}")(Path(sys.argv[2])) as partial:
    (partial / "text" if sys.argv[1] == "folder" else partial).write_text("other")
    print("written", flush=True)
    sys.stdin.readline()
"""


def text_of(path: Path, kind: str) -> Path:
    """Return the file that holds the text: in a folder one of its own."""
    return path / "text" if kind == "folder" else path


@pytest.mark.parametrize("kind", REPLACING)
def test_a_failure_leaves_what_was_there(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "deep" / "a"
    for text in ("old", "new"):
        with REPLACING[kind](path) as partial:
            text_of(partial, kind).write_text(text)

    def break_off(partial: Path) -> None:
        text_of(partial, kind).write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), REPLACING[kind](path) as partial:
        break_off(partial)
    assert text_of(path, kind).read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", REPLACING)
def test_of_two_processes_the_last_one_wins(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    command = [sys.executable, "-c", WRITER, kind, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "written\n"
        with REPLACING[kind](path) as partial:
            text_of(partial, kind).write_text("this")
            other.communicate("\n", timeout=60)
            assert text_of(path, kind).read_text() == "other"
        assert text_of(path, kind).read_text() == "this"
    assert other.returncode == 0
    assert list(tmp_path.iterdir()) == [path]


def leave(path: Path, kind: str) -> None:
    """Leave what a killed process leaves."""
    if kind == "folder":
        path.mkdir()
    text_of(path, kind).write_text("half")


@pytest.mark.parametrize("kind", REPLACING)
def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path, kind: str) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    for number in (process.pid, os.getpid()):  # this process may have the number of one that was killed
        leave(tmp_path / f".[a].{number}.partial", kind)
    # Of a process that lives, of other files, and of the downloader, which goes on with what it finds.
    names = [f".[a].{os.getppid()}.partial", f".a.{process.pid}.partial", f".[a].gz.{process.pid}.partial"]
    names += [".[a].partial", ".[a].gz.partial", f".[a].{'9' * 30}.partial"]
    for name in names:
        leave(tmp_path / name, kind)
    with REPLACING[kind](tmp_path / "[a]") as partial:
        leave(partial / "x" if kind == "folder" else partial, "file")
    assert {path.name for path in tmp_path.iterdir()} == {"[a]", *names}


def test_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 1000)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(bytes(range(256)) * 1000).hexdigest()
    with pytest.raises(LineupError, match=r"none: no such file; make it anew \(dvc repro\), or fetch it \(dvc pull\)"):
        file_sha256(tmp_path / "none")
    with pytest.raises(LineupError, match="cannot be read: not a regular file"):
        file_sha256(tmp_path)
