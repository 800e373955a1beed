"""Files and folders are written completely or not at all, also by several processes."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lineup.errors import LineupError
from lineup.files import check_room, file_sha256, folder_sha256, replacing_file, replacing_folder
from lineup.npz import write_npz
from tests.small_disk import small_disk

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
    """Return the file with the text: the path itself, or a file in the folder."""
    return path / "text" if kind == "folder" else path


@pytest.mark.parametrize("kind", REPLACING)
def test_a_failure_keeps_the_old_content(tmp_path: Path, kind: str) -> None:
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
def test_the_last_of_two_processes_wins(tmp_path: Path, kind: str) -> None:
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
    """Create the leftovers of a killed process."""
    if kind == "folder":
        path.mkdir()
    text_of(path, kind).write_text("half")


@pytest.mark.parametrize("kind", REPLACING)
def test_only_the_leftovers_of_killed_processes_are_removed(tmp_path: Path, kind: str) -> None:
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


KILLED = """\
import itertools, os, shutil, signal, sys
import psutil  # once, not in every child
from pathlib import Path
from lineup.files import replacing_folder

path, new = Path(sys.argv[1]) / "record", ["one", "two"]
STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}

def replace(text):
    with replacing_folder(path) as partial:
        for name in new:
            (partial / name).write_text(text)

def fail():
    with replacing_folder(path):
        raise ZeroDivisionError

def killed(text, last):
    "Replace the folder in a process that is killed before a step; return whether it came to that step."
    if not (child := os.fork()):
        step = itertools.count(1)
        kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(lambda event, _: event in STEPS and next(step) == last and kill())
        replace(text)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0

moments = 0
for first in itertools.count(1):
    for second in itertools.count(1):
        shutil.rmtree(path.parent)
        path.parent.mkdir()
        replace("old")
        died = killed("new", first)
        died_again = killed("newer", second)
        try:
            fail()
        except ZeroDivisionError:
            pass
        assert os.listdir(path.parent) == ["record"], (first, second, os.listdir(path.parent))
        texts = {file.name: file.read_text() for file in path.iterdir()}
        assert sorted(texts) == sorted(new), (first, second, texts)
        assert len(set(texts.values())) == 1, (first, second, texts)
        moments += 1
        if not died_again:
            assert set(texts.values()) == {"newer"}
            break
    if not died:
        break
print(moments)
"""


def test_the_folder_is_complete_after_two_kills_at_any_time(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    command = [sys.executable, "-c", KILLED, str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def test_the_new_folder_replaces_one_that_another_process_just_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replacing_folder(path) as partial:
        (partial / "text").write_text("old")
    rename, others = Path.rename, ["other"]

    def late(folder: Path, target: Path) -> Path:
        if target == path and others:  # between the two renames
            path.mkdir()
            (path / "text").write_text(others.pop())
        return rename(folder, target)

    with pytest.MonkeyPatch.context() as patch, replacing_folder(path) as partial:
        (partial / "text").write_text("this")
        patch.setattr(Path, "rename", late)
    assert not others
    assert (path / "text").read_text() == "this"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    with small_disk(tmp_path / "disk", "256k") as folder:
        yield folder


def test_the_error_of_a_full_disk_names_the_file_and_keeps_the_old_one(disk: Path) -> None:
    write_npz(disk / "a.npz", {"zeros": np.zeros(1000, np.uint8)})
    with pytest.raises(OSError, match="No space left") as caught:
        write_npz(disk / "a.npz", {"zeros": np.zeros(2**20, np.uint8)})
    assert caught.value.filename == str(disk / "a.npz")
    assert list(disk.iterdir()) == [disk / "a.npz"]

    def fill(partial: Path, name: str) -> None:
        if name:
            write_npz(partial / name, {"zeros": np.zeros(2**20, np.uint8)})
        else:
            (partial / "text").write_bytes(bytes(2**20))

    for name, said in (("b.npz", disk / "record" / "b.npz"), ("", disk / "record")):
        with pytest.raises(OSError, match="No space left") as caught, replacing_folder(disk / "record") as partial:
            fill(partial, name)
        assert caught.value.filename == str(said)
        assert list(disk.iterdir()) == [disk / "a.npz"]


def test_the_error_of_a_file_size_limit_names_the_file(tmp_path: Path) -> None:
    code = "import resource, sys; from pathlib import Path; from lineup.files import replacing_file\n"
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    code += "with replacing_file(Path(sys.argv[1])) as partial: partial.write_bytes(bytes(2000))"
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith(f"OSError: [Errno {errno.EFBIG}] File too large: '{tmp_path / 'a'}'")
    assert not list(tmp_path.iterdir())


def test_other_errors_keep_their_file_names(tmp_path: Path) -> None:
    for error in (ConnectionResetError(errno.ECONNRESET, "reset"), OSError("no number"), OSError(errno.ENOENT, "x", 3)):
        former = error.filename
        with pytest.raises(OSError) as caught, replacing_file(tmp_path / "a"):  # noqa: PT011
            raise error
        assert caught.value is error
        assert error.filename == former


def test_the_check_of_free_space_leaves_no_file(disk: Path, tmp_path: Path) -> None:
    check_room(tmp_path / "deep" / "record")
    assert list((tmp_path / "deep").iterdir()) == []
    with pytest.raises(
        LineupError,
        match=r"disk/record: its disk has 0\.2 MiB of free space, expected at least 32 MiB; free some space",
    ):
        check_room(disk / "record")
    check_room(disk / "record", room=1000)
    assert not list(disk.iterdir())


def test_a_read_only_folder_raises_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LineupError, match=r"/file: cannot be written: (File exists|Not a directory)$"):
        check_room(tmp_path / "file" / "record")
    with pytest.raises(LineupError, match=r"^/proc/.*record: cannot be written: "):
        check_room(Path("/proc/self/record"))
    said = r"/disk/record: cannot be written: Read-only file system$"
    with small_disk(tmp_path / "disk", "256k", "ro") as folder, pytest.raises(LineupError, match=said):
        check_room(folder / "record")


def test_hashes_of_a_folder(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    assert folder_sha256(tmp_path) == {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a", "b")}


def test_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)) * 1000)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(bytes(range(256)) * 1000).hexdigest()
    with pytest.raises(LineupError, match=r"none: no such file; make it again$"):
        file_sha256(tmp_path / "none")
    with pytest.raises(LineupError, match="cannot be read: not a regular file"):
        file_sha256(tmp_path)
