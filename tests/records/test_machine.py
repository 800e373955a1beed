"""What this machine and this checkout are."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lineup.records.machine import git_commit, this_machine


def test_this_machine_is_plausible() -> None:
    machine = this_machine()
    assert machine.host == socket.gethostname()
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert 2**28 < machine.memory_bytes < 2**50
    assert machine.system.split()[0] == os.uname().sysname
    assert machine.cpu_model.strip() == machine.cpu_model != ""
    assert this_machine() is machine


def test_peak_memory_is_in_bytes_and_never_falls() -> None:
    """In a process of its own, started by a small one: Linux counts what its starter had when it was started."""
    code = "from lineup.records.machine import peak_memory_bytes as peak; a = peak();"
    code += "block = b'x' * 2**26; b = peak(); del block; print(a, b, peak())"
    command = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, full, after = map(int, done.stdout.split())
    assert 2**22 < before < 2**28
    assert 2**26 * 0.9 < full - before < 2**27
    assert after > full - 2**20  # the kernel counts pages by the dozen


def git(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with a source file and another one."""
    folder = tmp_path / "repository"
    (folder / "src" / "package").mkdir(parents=True)
    (folder / "src" / "package" / "module.py").write_text("x = 1\n")
    (folder / "README.md").write_text("# Title\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "First")
    return folder


def test_commit_of_a_clean_checkout(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    assert len(commit) == 40
    assert git_commit(repository) == commit
    assert git_commit(repository / "src" / "package") == commit


def test_changed_source_is_dirty_from_every_folder(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    module = repository / "src" / "package" / "module.py"
    for change in (lambda: module.write_text("x = 2\n"), lambda: git(repository, "add", "."), module.unlink):
        change()
        assert git_commit(repository / "src") == f"{commit}-dirty"
        assert git_commit(repository) == f"{commit}-dirty"
    git(repository, "reset", "-q", "--hard")
    assert git_commit(repository) == commit
    (module.parent / "new.py").write_text("")
    assert git_commit(repository) == f"{commit}-dirty"


def test_changes_outside_the_source_are_not_dirty(repository: Path) -> None:
    (repository / "README.md").write_text("# Another title\n")
    (repository / "notes.txt").write_text("")
    assert git_commit(repository) == git(repository, "rev-parse", "HEAD")


def test_without_git_the_commit_is_unknown(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert git_commit(tmp_path / "plain") == "unknown"
    assert git_commit(tmp_path / "absent") == "unknown"
    git(repository, "update-ref", "-d", "HEAD")
    assert git_commit(repository) == "unknown"  # no commit yet
    monkeypatch.setenv("PATH", str(tmp_path / "plain"))
    assert git_commit(repository) == "unknown"  # no git installed
