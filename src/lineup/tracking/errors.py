"""Explain errors of the MLflow store in one line, and suggest a fix.

Examples
--------
>>> DRIVERS["psycopg2"]
'psycopg2-binary'
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lineup.errors import shortened
from lineup.remedies import how_to_install
from lineup.tracking.address import (
    PASSWORD,
    USER,
    VARIABLE,
    StoreError,
    is_default,
    prepare_environment,
    shown_uri,
    store_file,
    tracking_uri,
)

DRIVERS = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "pymysql": "pymysql",
    "pyodbc": "pyodbc",
}
"""Modules of SQLAlchemy's usual drivers, and the packages that contain them."""

INCOMPLETE = "its tables are incomplete"


@contextmanager
def store_errors(root: Path) -> Iterator[None]:
    """Convert errors of the MLflow store to `StoreError`.

    Parameters
    ----------
    root : Path
        Project folder, which determines the store.
    """
    prepare_environment(root)
    from alembic.util import CommandError  # MLflow does not catch it, nor SQLAlchemyError, when it opens a store
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in DRIVERS:
            raise
        install = f"install it: {how_to_install(DRIVERS[error.name])}"
        raise _error(root, f"no driver for this kind of database ({error.name})", install) from error
    except OSError as error:
        raise _error(root, *_explained(_text(error), root, error.filename)) from error
    except (MlflowException, SQLAlchemyError, CommandError) as error:
        raise _error(root, *_explained(str(error), root)) from error


def _error(root: Path, reason: str, remedy: str) -> StoreError:
    return StoreError(f"MLflow store {shown_uri(tracking_uri(root))}: {reason}", remedy)


def _text(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def _explained(text: str, root: Path, path: str | None = None) -> tuple[str, str]:
    """Return two texts: the reason for an error and a suggestion how to fix it.

    The libraries use one exception type for many errors. The function therefore searches the text of the error message.
    ``path`` is the file that a system error names. Default: the file of the store.
    """
    text = shown_uri(text)
    if version := re.search(r"(?:found version|revision identified by) '?(\w+)", text):
        return _schema(version[1], root)
    for pattern, reason, remedy in _kinds(root, path):
        if found := re.search(pattern, text, re.IGNORECASE):
            return reason or shortened(text if path else found[0]), remedy
    # The rest is the SQL statement and an address of SQLAlchemy's documentation.
    own = shortened(text.partition("\n[SQL: ")[0])
    return own, "nothing is lost: the records are complete; fix this and run lineup publish again"


def _kinds(root: Path, path: str | None) -> list[tuple[str, str, str]]:
    """For each kind of error, return a search pattern, a reason and a suggested fix.

    If the reason is empty, the matching part of the error message is used as the reason.
    """
    uri = tracking_uri(root)
    file = Path(path) if path else store_file(uri)
    place = "the database" if file is None else file if _is_folder(file) else file.parent
    unset = "" if is_default(root) else f", or unset {VARIABLE}"
    other = f"or name another store in {VARIABLE}"
    recreate = _recreate(root)
    start = f"start the server{unset}; nothing is lost: lineup publish logs the missing runs"
    return [
        ("error code 401|password authentication failed", "access denied", _login(uri)),
        (
            "error code 403",
            "access denied",
            "this user has no permission for it: ask the administrator of the server for the permission MANAGE",
        ),
        ("database is locked", "", "another program is using it: wait until it has ended, then run this again"),
        (
            r"duplicate column name|table \S+ already exists|no such (table|column)",
            "its tables are incomplete",
            recreate,
        ),
        ("file is not a database|database disk image is malformed", "", recreate),
        (
            "readonly database|read-only file system|permission denied|unable to open database file",
            "",
            f"make {place} writable, {other}",
        ),
        ("is a directory", "it is a folder, not a file", f"move the folder away, {other}"),
        ("disk is full|no space left on device", "", f"free space on the disk of {place}"),
        ("maintenance mode", "MLflow no longer supports stores in a folder", _sqlite_instead()),
        (
            "unsupported uri|can't load plugin|invalid database uri",
            "MLflow does not support this kind of address",
            _sqlite_instead(),
        ),
        ("connection refused|failed to resolve|timed out|unreachable", "", start),
        ("max retries|connection failed|could not connect", "the server does not respond", start),
        ("api request to .*|error code [0-9]+.*", "", f"is this an MLflow server? Correct {VARIABLE}, or unset it"),
    ]


def _login(uri: str) -> str:
    """If a store denies access, suggest which environment variables to check."""
    if not uri.startswith("http"):
        return f"correct the user and the password in {VARIABLE}"
    return f"{'correct' if USER in os.environ else 'set'} the user and the password in {USER} and {PASSWORD}"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no permission
        return False


def _sqlite_instead() -> str:
    return f"name an SQLite file in {VARIABLE}, such as sqlite:///mlflow.db, or unset it"


def _schema(version: str, root: Path) -> tuple[str, str]:
    """Explain that another version of MLflow has created the database tables, and suggest a fix."""
    if version == "None":
        return INCOMPLETE, _recreate(root)
    if not _is_known(version):
        return (
            f"a newer version of MLflow created its tables ({version})",
            f"use that version of MLflow, or {_recreate(root)}",
        )
    uri = tracking_uri(root)
    address = shlex.quote(uri) if store_file(uri) else f'"${VARIABLE}"'
    mlflow = "mlflow" if shutil.which("mlflow") else shlex.quote(str(Path(sys.executable).with_name("mlflow")))
    command = f"{mlflow} db upgrade {address}"
    return f"an older version of MLflow created its tables ({version})", f"run {command}, or {_recreate(root)}"


def _is_known(version: str) -> bool:
    """Return whether the installed MLflow can upgrade database tables of the given version."""
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
    return f"{what}, and run lineup publish, which recreates all runs from the records"
