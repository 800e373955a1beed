"""Errors of a store as one line: what is wrong, and the remedy that helps."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lineup.errors import LineupError, shortened
from lineup.tracking.address import VARIABLE, is_default, prepare_environment, shown_uri, store_file, tracking_uri

DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Packages that are named differently from the module that they hold."""


class StoreError(LineupError):
    """A store that cannot be used.

    Parameters
    ----------
    found : str
        What is wrong, and with which store.
    remedy : str
        What to do.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"{found}; {remedy}")
        self.found = found
        self.remedy = remedy


@contextmanager
def store_errors(root: Path) -> Iterator[None]:
    """Turn what MLflow raises of a store that is out of reach, damaged or refuses something into a `StoreError`.

    Parameters
    ----------
    root : Path
        Project folder; decides on the store.
    """
    prepare_environment(root)
    from alembic.util import CommandError  # MLflow lets it through, and the next one, when it opens a store
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, CommandError, OSError, ImportError) as error:
        text = shown_uri(str(error))
        # What follows is the statement and an address of SQLAlchemy's documentation.
        reason = shortened(text.partition("\n[SQL: ")[0])
        raise StoreError(f"MLflow store {shown_uri(tracking_uri(root))}: {reason}", _remedy(text, root)) from error


def _remedy(text: str, root: Path) -> str:
    """Return what helps against an error, by its text: the libraries have no types for most kinds."""
    if version := re.search(r"(?:found version|revision identified by) '?(\w+)", text):
        return _schema_remedy(version[1], root)
    if driver := re.search(r"No module named '(\w+)'", text):
        package = shlex.quote(DRIVERS.get(driver[1], driver[1]))
        return f"install the driver of this database: {shlex.quote(sys.executable)} -m pip install {package}"
    for pattern, remedy in _remedies(root).items():
        if re.search(pattern, text, re.IGNORECASE):
            return remedy
    return "the records are whole, so that lineup publish can go on once the reason is removed"


def _remedies(root: Path) -> dict[str, str]:
    """Return the remedy for each pattern of errors."""
    uri = tracking_uri(root)
    file = store_file(uri)
    place = file.parent if file else "the database"
    unset = "" if is_default(root) else f", or unset {VARIABLE}"
    recreate = _recreate(root)
    return {
        "error code 40[13]|unauthorized|forbidden|password authentication": f"correct user and password in {VARIABLE}",
        "database is locked": "another program is using it: wait until that has ended, then run the command again",
        "duplicate column|already exists|no such (table|column)": f"it is incomplete: {recreate}",
        "not a database|disk image is malformed": recreate,
        "readonly|read-only|permission denied|unable to open database": (
            f"make {place} writable, or name another store in {VARIABLE}"
        ),
        "is a directory": f"move that folder away, or name another store in {VARIABLE}",
        "disk is full|no space left": f"free space on the disk of {place}",
        "maintenance mode|unsupported uri|can't load plugin|invalid database uri": (
            f"name an SQLite file in {VARIABLE}, such as sqlite:///mlflow.db, or unset it"
        ),
        "connection|connect to|resolve|timed out|max retries|invalid url": f"start the server{unset}",
        "api request to .* failed|error code": f"is this an MLflow server? Correct {VARIABLE}, or unset it",
    }


def _schema_remedy(version: str, root: Path) -> str:
    """Return what helps against tables of another version of MLflow, by the name of that version in its tables."""
    if version == "None":
        return f"it is incomplete: {_recreate(root)}"
    if not _is_known(version):
        return f"a newer MLflow made it: install that version, or {_recreate(root)}"
    uri = tracking_uri(root)
    address = shlex.quote(uri) if store_file(uri) else f'"${VARIABLE}"'
    mlflow = "mlflow" if shutil.which("mlflow") else shlex.quote(str(Path(sys.executable).with_name("mlflow")))
    return f"an older MLflow made it: run {mlflow} db upgrade {address}, or {_recreate(root)}"


def _is_known(version: str) -> bool:
    """Return whether the installed MLflow knows how to bring tables of this version up to date."""
    import mlflow
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        scripts = ScriptDirectory(str(Path(mlflow.__file__).parent / "store" / "db_migrations"))
        return scripts.get_revision(version) is not None
    except CommandError:
        return False


def _recreate(root: Path) -> str:
    file = store_file(tracking_uri(root))
    what = f"delete {shlex.quote(str(file))}" if file else "empty the database"
    return f"{what}, and lineup publish makes everything in it again from the records"
