"""`make setup` with a lock file of one small package: the user's pip settings choose the package index only.

Real make and pip, without a network: the package lies in a folder of wheels.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "pip_clean.py"
# Each of these settings makes pip install something else, somewhere else, or nothing.
HOSTILE = {
    "user": "1",
    "target": "elsewhere",
    "prefix": "elsewhere",
    "root": "elsewhere",
    "constraint": "constraints.txt",
    "requirement": "missing.txt",
    "editable": "missing",
    "no-binary": ":all:",
    "no-deps": "1",
    "dry-run": "1",
    "report": "missing/report.json",
    "python-version": "3.1",
    "ignore-requires-python": "maybe",
    "require-hashes": "1",
    "log": "missing/log",
    "quiet": "maybe",
}
# A small build backend, so that no setuptools is needed.
BACKEND = """\
import zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "project-1.0-py3-none-any.whl", "project-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("project.py", "")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: project\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""
PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "project"
version = "1.0"
"""


def _environment(home: Path, **variables: str) -> dict[str, str]:
    """Return the environment of this process without settings of pip and make, with another home and more variables."""
    left_out = ("PIP_", "XDG_", "PYTHON", "MAKE", "MFLAGS")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return inherited | {"HOME": str(home)} | variables


def _pip_conf(home: Path, settings: dict[str, str]) -> None:
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text("[global]\n" + "".join(lines))


def _kept(home: Path, **variables: str) -> dict[str, str]:
    """Return the settings of pip when the script starts it."""
    command = [sys.executable, "-I", str(SCRIPT), "config", "list"]
    environment = _environment(home, **variables)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    pairs = [line.partition("=")[::2] for line in done.stdout.splitlines()]
    own = ("config-file", "disable-pip-version-check")
    return {key.removeprefix(":env:."): value.strip("'") for key, value in pairs if not key.endswith(own)}


def test_index_settings_are_kept_and_variables_override_files(tmp_path: Path) -> None:
    _pip_conf(
        tmp_path, HOSTILE | {"index-url": "https://a.example", "cert": "/a.pem", "use-feature": "truststore fast"}
    )
    found = _kept(tmp_path, PIP_INDEX_URL="https://b.example", PIP_PROXY="http://c.example", PIP_NO_DEPS="1")
    # A system-wide pip.conf may add its own indexes.
    expected = {"index-url": "https://b.example", "cert": "/a.pem", "use-feature": "truststore"}
    assert {**found, **expected, "proxy": "http://c.example"} == found
    assert not set(found) & set(HOSTILE)


def test_the_error_of_an_unreadable_pip_conf_names_it(tmp_path: Path) -> None:
    _pip_conf(tmp_path, {})
    path = tmp_path / ".config" / "pip" / "pip.conf"
    path.write_text("index-url = https://user:s3cret@a.example\n")
    command = [sys.executable, "-I", str(SCRIPT), "list"]
    done = subprocess.run(command, env=_environment(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("pip's settings cannot be read: ")
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with this Makefile and one locked package in a folder of wheels."""
    wheel = tmp_path / "wheels" / "tiny-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(SCRIPT, folder / "scripts")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "requirements.lock").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "constraints.txt").write_text("tiny==2.0\n")
    return folder


@pytest.mark.slow
def test_setup_takes_only_the_index_from_the_users_settings(project: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    _pip_conf(home, HOSTILE | {"find-links": str(tmp_path / "wheels"), "require-virtualenv": "1"})
    variables = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in HOSTILE.items()}
    variables |= {"PIP_NO_INDEX": "1", "PYTHONHOME": str(project), "PYTHONPATH": str(project / "elsewhere")}
    done = subprocess.run(
        ["make", "setup", f"PYTHON={sys._base_executable}"],  # type: ignore[attr-defined]
        cwd=project,
        env=_environment(home, **variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (packages,) = (project / ".venv" / "lib").glob("python3*/site-packages")
    assert (packages / "tiny.py").is_file()
    assert (packages / "project.py").is_file()
    assert not (project / "elsewhere").exists()


def test_lock_takes_only_the_indexes_of_uv(project: Path, tmp_path: Path) -> None:
    """In this test, a program that prints its environment replaces uv."""
    fake = tmp_path / "uv"
    fake.write_text("#!/bin/sh\nenv | grep ^UV_\n")
    fake.chmod(0o755)
    variables = {"UV_INDEX_URL": "https://a.example", "UV_EXCLUDE_NEWER": "2020-01-01", "UV_PRERELEASE": "allow"}
    done = subprocess.run(
        ["make", "lock", f"UV={fake}"],
        cwd=project,
        env=_environment(tmp_path, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert set(done.stdout.splitlines()) == {"UV_INDEX_URL=https://a.example", "UV_CUSTOM_COMPILE_COMMAND=make lock"}
