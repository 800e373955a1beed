"""Build and parse the URIs of MLflow stores, and hide passwords in them.

Examples
--------
>>> sqlite_uri(Path("/projects/C#/mlflow.db"))
'sqlite+pysqlite:////projects/C%23/mlflow.db'
>>> shown_uri("https://me:secret@example.org:5000")
'https://example.org:5000'
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from lineup.errors import LineupError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

VARIABLE = "MLFLOW_TRACKING_URI"
USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
DATABRICKS = ("databricks", "databricks-uc", "uc")
EXPECTED = "expected sqlite:///FILE, http://HOST:PORT or the address of a database"

# MLflow reads these variables when it is imported. With them, MLflow sends no telemetry, prints no messages about
# tables, no addresses and no tracebacks, and gives up on a server within seconds instead of minutes. Values that the
# user has set have priority.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}

# The private parts of an address: the user name and the password, which may contain any character except a space, and
# the query, which may contain a password for some drivers.
_PRIVATE = re.compile(r"://(?:[^/\s:]*(?::\S*)?@)?([^\s?]*)(?:\?[^\s'\"]*)?")
_DECODED = re.compile("%[0-9a-fA-F]{2}")
_PASSWORDS = re.compile(r"[?&][^=&]*(?:pass|pwd|secret|token|key)[^=&]*=([^&#]+)", re.IGNORECASE)


class StoreError(LineupError):
    """Raised if a store cannot be used.

    Parameters
    ----------
    found : str
        The store and the reason.
    remedy : str
        How to fix it.
    """

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(f"{found}; {remedy}")
        self.found = found
        self.remedy = remedy


def tracking_uri(root: Path) -> str:
    """Return the absolute address of the MLflow store, without user name and password.

    Parameters
    ----------
    root : Path
        Project folder. A relative address in ``MLFLOW_TRACKING_URI`` is relative to this folder, not to the working
        directory. If the variable is not set, the store is ``mlflow.db`` in this folder.

    Raises
    ------
    StoreError
        If the variable is not a valid address, or is the address of a store in memory.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return sqlite_uri(root / "mlflow.db")
    scheme = given.partition(":")[0].lower()
    if scheme.startswith(DATABASES):
        return _database_uri(given, root)
    if scheme in ("http", "https"):
        return _split_credentials(given)[0]
    if given in DATABRICKS or (scheme != "file" and ("://" in given or scheme == "arn")):
        return given  # MLflow or one of its plug-ins handles it
    if scheme == "file" and "[" not in given:  # which would be a host
        return _absolute(url2pathname(urlsplit(given).path), root).as_uri()
    if ":" in given:
        raise _malformed(given)
    return _absolute(given, root).as_uri()


def is_default(root: Path) -> bool:
    """Return whether the project uses the default MLflow store, which is the file ``mlflow.db`` in the project
    folder.
    """
    return local_store(root) == (root / "mlflow.db").resolve()


def store_environment(root: Path) -> dict[str, str]:
    """Return environment variables that tell MLflow and child processes which store to use.

    The user name and the password are passed in separate variables, because MLflow prints the address of the store. If
    the user has already set ``MLFLOW_TRACKING_USERNAME``, the variable is not changed.
    """
    found = {VARIABLE: tracking_uri(root)}
    given = os.environ.get(VARIABLE, "")
    if given.lower().startswith(("http:", "https:")) and USER not in os.environ:
        _, user, password = _split_credentials(given)
        if user and password:
            found |= {USER: user, PASSWORD: password}
    return found


def prepare_environment(root: Path) -> str:
    """MLflow reads environment variables when it is imported. Set these variables, and return the address of the
    store.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.update(store_environment(root))
    return os.environ[VARIABLE]


def sqlite_uri(path: Path, query: Mapping[str, str | tuple[str, ...]] | None = None) -> str:
    """Convert the path of an SQLite file to an address, and quote special characters.

    Parameters
    ----------
    path : Path
        Absolute path of the file.
    query : dict of str to str, optional
        Query parameters of the address. Default: none.

    Raises
    ------
    StoreError
        If the path is not UTF-8, or contains a percent sign before two hexadecimal digits. MLflow would use another
        file, because it decodes the path once too often when it loads a model.
    """
    from sqlalchemy.engine import URL

    text = str(path)
    if _DECODED.search(text) or text.encode("utf-8", "replace").decode() != text:
        raise StoreError(
            f"{ascii(text)[1:-1]}: MLflow cannot store models in a folder whose name is not UTF-8 or contains % and two"
            " hexadecimal digits",
            f"rename it, or set {VARIABLE} to another store",
        )
    uri = URL.create("sqlite", database=text, query=query or {}).render_as_string()
    # For an address without a driver, MLflow creates a folder with the quoted name.
    return uri.replace("sqlite:", "sqlite+pysqlite:", 1) if "%" in uri else uri


def store_file(uri: str) -> Path | None:
    """Return the path of the database file if the store uses SQLite, otherwise None."""
    if not uri.startswith("sqlite"):
        return None
    from sqlalchemy.engine import make_url

    return Path(make_url(uri).database or "").resolve()


def local_store(root: Path) -> Path | None:
    """Return the path of the database file of a project, or None if the store does not use SQLite.

    SQLAlchemy is imported only if ``MLFLOW_TRACKING_URI`` is set, because the import takes 0.2 s.
    """
    return store_file(tracking_uri(root)) if os.environ.get(VARIABLE) else (root / "mlflow.db").resolve()


def shown_uri(text: str) -> str:
    """Remove user names and passwords from all addresses in a string. Call this function before printing an address."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return _PRIVATE.sub(r"://\1", text)


def _secrets() -> list[str]:
    """Return all passwords in environment variables, as plain text and with URL quoting."""
    given = os.environ.get(VARIABLE, "")
    rest = given.partition("://")[2]
    user, colon, password = rest.rpartition("@")[0].partition(":")
    found = [*_PASSWORDS.findall(given), os.environ.get(PASSWORD, ""), os.environ.get(TOKEN, "")]
    if not rest.startswith("/"):  # a path has no user
        found.append(password if colon else user)  # some servers accept a token instead of a user
    forms = {form for secret in found for form in (secret, unquote(secret), quote(unquote(secret), safe="")) if form}
    return sorted(forms, key=len, reverse=True)


def _split_credentials(given: str) -> tuple[str, str, str]:
    """Split the address of a server into its public part, the user name and the password."""
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _malformed(given) from None
    if not host:
        raise _malformed(given)
    name = f"[{host}]" if ":" in host else host
    address = urlunsplit((parts.scheme, name if port is None else f"{name}:{port}", parts.path, "", ""))
    return address, unquote(parts.username or ""), unquote(parts.password or "")


def _database_uri(given: str, root: Path) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise _malformed(given) from None
    return _absolute_sqlite(url, given, root) if url.get_backend_name() == "sqlite" else given


def _absolute_sqlite(url: URL, given: str, root: Path) -> str:
    """Return the address of an SQLite file with an absolute path."""
    if url.host or url.username or url.port or url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise _malformed(given)
    if ("?" in given and not url.query) or any("/" in str(value) for value in url.query.values()):
        raise StoreError(
            f"{VARIABLE}: the name of a file or folder contains a question mark",
            "write it as %3F, and a percent sign as %25",
        )
    if url.database in (None, "", ":memory:") or "uri" in url.query:
        raise _malformed(given)
    return sqlite_uri(_absolute(str(url.database), root), url.query)


def _absolute(path: str, root: Path) -> Path:
    return (root / path).resolve()


def _malformed(given: str) -> StoreError:
    return StoreError(f"{VARIABLE}: {EXPECTED}, found {_safe(given)}", "correct it, or unset it")


def _safe(given: str) -> str:
    """Format an invalid store address for an error message. If the address may contain a password, the address is not
    shown.
    """
    return (
        "an address that is not shown, because it may contain a password"
        if "@" in given or "?" in given
        else repr(given)
    )
