"""`lineup doctor`: what it finds about the MLflow store, and how it prints that."""

from __future__ import annotations

import socket
from importlib import metadata
from pathlib import Path

import pytest

from lineup.execution import doctor
from lineup.execution.doctor import Finding, _packages, _store
from lineup.paths import Project


def test_a_store_that_does_not_exist_yet_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    finding = _store(Project(tmp_path))
    assert finding.fine
    assert finding.found == f"sqlite:///{tmp_path / 'mlflow.db'}, not created yet; the first run creates it"
    assert not list(tmp_path.iterdir())


def test_query_parameters_are_not_part_of_the_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs.db").write_bytes(b"no database at all" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}?timeout=5")
    finding = _store(Project(tmp_path))
    assert not finding.fine
    assert finding.found.startswith(f"MLflow store sqlite:///{tmp_path / 'runs.db'}: ")


def test_no_credentials_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{address}")
    finding = _store(Project(tmp_path))
    assert not finding.fine
    assert finding.found.startswith(f"MLflow store http://{address}: ")
    assert "secret" not in finding.found


def test_a_package_that_is_not_installed_has_unknown_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example, a checkout on PYTHONPATH on a machine without package index."""

    def not_found(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", not_found)
    finding = _packages(Project(tmp_path))
    assert not finding.fine
    assert finding.found.startswith("lineup is not installed")
    assert "install" in finding.remedy


def test_brackets_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    for name in ("_python", "_packages", "_devices", "_dvc", "_parameters", "_data", "_store"):
        monkeypatch.setattr(doctor, name, lambda _: Finding("[/name]", False, "[/found]", "[/remedy]"))
    assert not doctor.run_checks()
    printed = capsys.readouterr().out
    assert printed.count("[/found]") == printed.count("[/remedy]") == 7
