"""Errors of real stores: one line with a remedy, the same in every command."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from alembic import command
from mlflow.store.db.utils import _get_alembic_config

from lineup.execution.doctor import _store
from lineup.paths import Project
from lineup.tracking.address import StoreError, sqlite_uri
from lineup.tracking.errors import store_errors
from lineup.tracking.store import open_store

RECREATE = r"delete \S+/mlflow\.db, and run lineup publish, which recreates all runs from the records$"


def change(root: Path, *statements: str) -> None:
    """Change the tables of a store."""
    with sqlite3.connect(root / "mlflow.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def refused(root: Path, remedy: str) -> str:
    """Open a damaged store, check the remedy, and return the message."""
    with pytest.raises(StoreError, match=remedy) as caught:
        open_store(root, "synthetic")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    finding = _store(Project(root))
    assert not finding.fine
    assert finding.remedy == caught.value.remedy
    return str(caught.value)


def test_tables_of_a_newer_mlflow(root: Path) -> None:
    change(root, "UPDATE alembic_version SET version_num = 'ffff77228345'")
    refused(
        root,
        rf": a newer version of MLflow created its tables \(ffff77228345\); use that version of MLflow, or {RECREATE}",
    )
    change(root, "DROP TABLE logged_model_tags")
    refused(
        root,
        rf": a newer version of MLflow created its tables \(ffff77228345\); use that version of MLflow, or {RECREATE}",
    )


def test_incomplete_tables_of_an_interrupted_process(root: Path) -> None:
    change(root, "DELETE FROM alembic_version")
    refused(root, f": its tables are incomplete; {RECREATE}")
    change(root, "DROP TABLE logged_model_tags")
    refused(root, f": its tables are incomplete; {RECREATE}")


def test_a_file_that_is_not_a_database_and_half_a_database(root: Path) -> None:
    store = root / "mlflow.db"
    whole = store.read_bytes()
    for content in (b"no database" * 500, whole[: len(whole) // 2]):
        store.write_bytes(content)
        message = refused(root, f"; {RECREATE}")
        assert message.startswith(f"MLflow store {sqlite_uri(store)}: ")
        assert "unset" not in message
        assert "SELECT" not in message


def test_an_empty_file_counts_as_a_missing_store(root: Path) -> None:
    (root / "mlflow.db").write_bytes(b"")
    assert _store(Project(root)).found.endswith("not created yet; the first run creates it")


def test_a_folder_instead_of_the_store(root: Path) -> None:
    (root / "mlflow.db").unlink()
    (root / "mlflow.db").mkdir()
    with pytest.raises(StoreError, match=r"mlflow\.db: it is a folder, not a file; move the folder away"):
        open_store(root, "synthetic")


def test_a_locked_store(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{sqlite_uri(root / 'mlflow.db')}?timeout=0.1")
    with sqlite3.connect(root / "mlflow.db") as connection:
        connection.execute("BEGIN EXCLUSIVE")
        refused(root, r"database is locked; another program is using it: wait until it has ended, then run")
    connection.close()
    assert capfd.readouterr() == ("", "")


# As a user without write permission; root may write everywhere.
READ_ONLY = """
import os, sys
from pathlib import Path
import alembic.util, mlflow, sqlalchemy.dialects.sqlite, mlflow.store.tracking.sqlalchemy_store
from lineup.tracking.store import open_store
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for folder in sys.argv[1:]:
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    try:
        open_store(Path(folder), "synthetic")
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_a_read_only_folder(empty_store: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to other users
        folders = [Path(place) / name for name in ("empty", "made")]
        for folder in folders:
            folder.mkdir()
        shutil.copy(empty_store, folders[1] / "mlflow.db")
        for folder in (*folders, Path(place)):
            folder.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, *map(str, folders)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        for folder in (Path(place), *folders):
            folder.chmod(0o755)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    for folder, line in zip(folders, lines, strict=True):
        assert line.startswith("StoreError ")
        assert f"; make {folder} writable, or name another store in MLFLOW_TRACKING_URI" in line


def test_a_server_that_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{address}")
    message = refused(
        tmp_path,
        "Connection refused; start the server, or unset MLFLOW_TRACKING_URI; nothing is lost: lineup publish",
    )
    assert message.startswith(f"MLflow store http://{address}: ")
    assert "secret" not in message


@pytest.mark.parametrize(
    ("uri", "package"),
    [
        ("postgresql://me:secret@127.0.0.1/runs", r"'psycopg\[binary\]'"),
        ("postgresql+psycopg2://me:secret@127.0.0.1/runs", "psycopg2-binary"),
        ("mysql://me:secret@127.0.0.1/runs", "mysqlclient"),
        ("mysql+pymysql://me:secret@127.0.0.1/runs", "pymysql"),
    ],
)
def test_a_database_without_its_driver(uri: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setitem(sys.modules, "psycopg2", None)  # the tests of the shared server install it
    message = refused(
        tmp_path,
        rf": no driver for this kind of database \(\w+\); install it: \S+ -m pip install {package}(==[\d.]+)?$",
    )
    assert "secret" not in message


@pytest.mark.parametrize("uri", ["foo://me:secret@host/runs", "mlruns", "file:mlruns"])
def test_a_kind_of_address_that_mlflow_does_not_support(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(
        StoreError, match=r"; name an SQLite file in MLFLOW_TRACKING_URI, such as .*, or unset it$"
    ) as caught:
        open_store(tmp_path, "synthetic")
    assert "secret" not in str(caught.value)


def test_other_errors_are_not_described_as_errors_of_the_store(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), store_errors(root):
        raise ZeroDivisionError
    with pytest.raises(ModuleNotFoundError), store_errors(root):
        import no_such_module  # type: ignore[import-not-found] # noqa: F401
    client, _ = open_store(root, "synthetic")
    with (
        pytest.raises(StoreError, match=r"already exists.*; nothing is lost: the records are complete"),
        store_errors(root),
    ):
        client.create_experiment("lineup-synthetic")
    with pytest.raises(StoreError, match=f"free space on the disk of {root / 'other'}$"), store_errors(root):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(root / "other" / "file"))


@pytest.mark.slow
def test_the_named_command_upgrades_tables_of_an_older_mlflow(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder whose name needs quoting, in the address and in the shell."""
    root = tmp_path / "what? it's #1"
    root.mkdir()
    shutil.copy(empty_store, root / "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # MLflow upgrades tables by itself if one of them is missing, and refuses the store otherwise.
    change(root, "UPDATE alembic_version SET version_num = '75868b020152'")
    message = refused(
        root,
        r": an older version of MLflow created its tables \(75868b020152\); run \S*mlflow db upgrade \S+.*, or delete ",
    )
    change(root, "UPDATE alembic_version SET version_num = 'dc11669786a5'")
    command.downgrade(_get_alembic_config(sqlite_uri(root / "mlflow.db")), "75868b020152")  # type: ignore[no-untyped-call]
    shell = message.partition("; run ")[2].partition(", or delete ")[0]
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(root / "mlflow.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("dc11669786a5",)]
    connection.close()
    assert [path.name for path in tmp_path.iterdir()] == [root.name]
