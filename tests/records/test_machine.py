"""The description of the machine and of the checkout."""

from __future__ import annotations

import os
import platform
import resource
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from lineup.records import machine
from lineup.records.machine import Machine, git_commit, library_version, peak_memory_bytes, this_machine


def test_this_machine_is_plausible() -> None:
    machine = this_machine()
    assert machine.host == socket.gethostname()
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert 2**28 < machine.memory_bytes < 2**50
    assert machine.system.split()[0] == os.uname().sysname
    assert machine.cpu_model.strip() == machine.cpu_model != ""
    assert this_machine() is machine


def test_the_peak_memory_is_in_bytes_and_never_falls() -> None:
    """Measure in a new process with a small parent process, because Linux also counts the memory of the parent."""
    code = "from lineup.records.machine import peak_memory_bytes as peak; a = peak();"
    code += "block = b'x' * 2**26; b = peak(); del block; print(a, b, peak())"
    command = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, full, after = map(int, done.stdout.split())
    assert 2**22 < before < 2**28
    assert 2**26 * 0.9 < full - before < 2**27
    assert after > full - 2**20  # the kernel does not count each page at once


def git(folder: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with a source file and another file."""
    folder = tmp_path / "repository"
    (folder / "src" / "package").mkdir(parents=True)
    (folder / "src" / "package" / "module.py").write_text("x = 1\n")
    (folder / "README.md").write_text("# Title\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "First")
    return folder


def test_the_commit_of_a_clean_checkout(repository: Path) -> None:
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


def test_a_new_file_with_a_name_that_is_not_utf8_is_dirty(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "config", "core.quotepath", "false")
    (repository / "src" / os.fsdecode(b"caf\xe9.py")).write_text("")
    assert git_commit(repository) == f"{commit}-dirty"


def test_the_commit_is_unknown_if_git_hangs_or_fails(tmp_path: Path) -> None:
    fake = tmp_path / "git"
    for script in ("exec sleep 60", "kill -9 $$", "printf '\\377\\376'", "exit 3", "echo fatal >&2; exit 128"):
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(machine, "GIT_SECONDS", 0.2)
            patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
            assert git_commit(tmp_path) == "unknown", script


def broken(*_: Any, **__: Any) -> Any:
    """Raise an error in place of a system call."""
    raise PermissionError(13, "not allowed")


def test_unavailable_values_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((socket, "gethostname"), (Path, "read_text"), (Path, "read_bytes"), (platform, "system")):
        monkeypatch.setattr(module, name, broken)
    monkeypatch.setattr(psutil, "virtual_memory", broken)
    monkeypatch.setattr(os, "sched_getaffinity", broken)
    found = this_machine.__wrapped__()
    assert found == Machine("unknown", "unknown", 1, 0, "unknown")
    assert peak_memory_bytes() > 2**20  # from getrusage
    monkeypatch.setattr(resource, "getrusage", broken)
    assert peak_memory_bytes() == 0


@pytest.mark.parametrize(("name", "shown"), [("", "unknown"), ("caf\udce9", "caf?"), ("café", "café")])
def test_every_host_name_can_be_encoded(monkeypatch: pytest.MonkeyPatch, name: str, shown: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert this_machine.__wrapped__().host == shown


def test_the_version_of_a_library() -> None:
    assert library_version("numpy") == np.__version__
    assert library_version("no-such-library") == "unknown"


def test_without_git_the_commit_is_unknown(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert git_commit(tmp_path / "plain") == "unknown"
    assert git_commit(tmp_path / "absent") == "unknown"
    git(repository, "update-ref", "-d", "HEAD")
    assert git_commit(repository) == "unknown"  # no commit yet
    monkeypatch.setenv("PATH", str(tmp_path / "plain"))
    assert git_commit(repository) == "unknown"  # no git installed
