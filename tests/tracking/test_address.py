"""Addresses of MLflow stores: quoted paths, relative paths, and hidden passwords."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from lineup.errors import LineupError
from lineup.tracking.address import shown_uri, sqlite_uri, store_environment, store_file, tracking_uri
from lineup.tracking.store import open_store

VARIABLE = "MLFLOW_TRACKING_URI"
PRINTABLE = "".join(set(string.printable) - set(string.whitespace) - {"/"}) + " "


@pytest.mark.parametrize("character", [*sorted(PRINTABLE), "Проект 项目 🎉 e\u0301\xa0"])
def test_every_printable_character_of_a_path_is_quoted(character: str) -> None:
    for path in (Path(f"/home/{character}/mlflow.db"), Path(f"/home/a{character}b/{character}.db")):
        assert store_file(sqlite_uri(path)) == path
        assert store_file(sqlite_uri(path, {"timeout": "5"})) == path


@pytest.mark.parametrize("name", ["a%23b", "a%C3b", "not\udcffutf-8"])
def test_a_folder_that_mlflow_cannot_use_is_refused_before_anything_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / name).mkdir()
    with pytest.raises(LineupError, match=r"MLflow cannot store models in a folder whose name .* rename it, or"):
        open_store(tmp_path / name, "synthetic")
    assert not list((tmp_path / name).iterdir())


@pytest.mark.parametrize("empty", [None, ""])
def test_the_store_is_a_file_of_the_project(empty: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if empty is not None:
        monkeypatch.setenv(VARIABLE, empty)
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.parametrize(
    ("given", "absolute"),
    [
        ("sqlite:///mlflow.db", "sqlite:///{root}/mlflow.db"),
        ("sqlite:///./stores/../runs.db?timeout=5", "sqlite:///{root}/runs.db?timeout=5"),
        ("sqlite+pysqlite:///a%3Fb/runs.db", "sqlite+pysqlite:///{root}/a%3Fb/runs.db"),
        ("sqlite:////elsewhere/mlflow.db", "sqlite:////elsewhere/mlflow.db"),
        ("mlruns", "file://{root}/mlruns"),
        ("./mlruns", "file://{root}/mlruns"),
        ("file:mlruns", "file://{root}/mlruns"),
        ("file:///elsewhere/a%23b", "file:///elsewhere/a%23b"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("https://[::1]:5000/lineup", "https://[::1]:5000/lineup"),
        ("databricks", "databricks"),
        ("databricks://profile", "databricks://profile"),
    ],
)
def test_a_relative_address_is_relative_to_the_project(
    given: str, absolute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, given)
    assert tracking_uri(root) == absolute.format(root=root)
    monkeypatch.setenv(VARIABLE, tracking_uri(root))
    assert tracking_uri(tmp_path) == absolute.format(root=root)


@pytest.mark.parametrize(
    "given",
    [
        "sqlite:/tmp/mlflow.db",
        "sqlite://tmp/mlflow.db",
        "sqlite://",
        "sqlite+nope:////tmp/mlflow.db",
        "sqlite:///:memory:",
        "sqlite:///file:mlflow.db?uri=true",
        "sqlite:////tmp/what?/mlflow.db",
        "sqlite:////tmp/what?a=b/mlflow.db",
        "file://[host/mlruns",
        "http://",
        "http:/me:secret@host",
        "http://me:sec/ret@host:5000",
        "http://me:secret@[::1",
        "https://me:secret@host:port",
        "postgresql:/me:secret@host/runs",
        "postgresql://me:secret@host:port/runs",
        "me:secret@host:5000",
    ],
)
def test_the_error_of_a_malformed_address_shows_no_password(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(LineupError, match=rf"^{VARIABLE}: ") as caught:
        open_store(tmp_path, "synthetic")
    assert "\n" not in str(caught.value)
    assert "sec" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_credentials_are_passed_to_mlflow_in_separate_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "http://m%40e:s%2Fcret@host:5000/lineup")
    assert store_environment(tmp_path) == {
        VARIABLE: "http://host:5000/lineup",
        "MLFLOW_TRACKING_USERNAME": "m@e",
        "MLFLOW_TRACKING_PASSWORD": "s/cret",
    }
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "the user's own")
    assert store_environment(tmp_path) == {VARIABLE: "http://host:5000/lineup"}


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////home/a:b@c/mlflow.db", "sqlite:////home/a:b@c/mlflow.db"),
        ("http://127.0.0.1:5000/lineup", "http://127.0.0.1:5000/lineup"),
        ("https://me:secret@host:5000/lineup", "https://host:5000/lineup"),
        ("https://secret@host", "https://host"),
        ("postgresql+psycopg2://me:sec/ret@?:@host/runs", "postgresql+psycopg2://host/runs"),
        ("mysql://host/runs?user=me&password=secret", "mysql://host/runs"),
        ("no answer from 'https://me:secret@host/api?token=secret', why?", "no answer from 'https://host/api', why?"),
    ],
)
def test_no_credentials_are_shown(uri: str, shown: str) -> None:
    assert shown_uri(uri) == shown


@pytest.mark.parametrize(
    "given",
    [
        "http://me:s%2Fcret word@host:5000",
        "postgresql://me:s%2Fcret word@host/runs",
        "mysql://host/runs?user=me&password=s%2Fcret word",
        "https://s%2Fcret word@host",
    ],
)
def test_a_password_is_not_shown_without_its_address(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, given)
    assert shown_uri("user me, s%2Fcret word or s/cret word, at host") == "user me, *** or ***, at host"
    assert "cret" not in shown_uri(f"cannot open {given} here")


def test_a_password_in_the_variable_of_mlflow_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://me:s%2Fcret@host:5000")
    for name, value in store_environment(tmp_path).items():  # as opening the store leaves them
        monkeypatch.setenv(name, value)
    assert shown_uri("s%2Fcret, s/cret") == "***, ***"
