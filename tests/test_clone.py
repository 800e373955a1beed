"""A clone of the repository has the same bytes on every system: DVC compares them with dvc.lock."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _clone(target: Path, *settings: str) -> dict[str, bytes]:
    """Clone the commit that is checked out, and return the content of each file in it."""
    options = [option for setting in settings for option in ("-c", setting)]
    subprocess.run(["git", "clone", "--quiet", *options, str(ROOT), str(target)], check=True, timeout=60)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=target, capture_output=True, check=True, timeout=60).stdout
    return {name: (target / name).read_bytes() for name in listed.decode().split("\0") if name}


def test_line_endings_do_not_depend_on_the_settings_of_git(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout here")
    plain = _clone(tmp_path / "plain", "core.autocrlf=false", "core.eol=lf")
    assert len(plain) > 300
    for setting in ("core.autocrlf=true", "core.eol=crlf"):
        other = _clone(tmp_path / setting, setting)
        assert [name for name in plain if other[name] != plain[name]] == []
