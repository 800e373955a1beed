"""Open the MLflow UI on this machine alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lineup.errors import LineupError
from lineup.tracking.store import open_store, shown_uri, store_errors_as_one_line, tracking_uri


def serve_ui(root: Path, data: str, port: int) -> None:
    """Run the MLflow server on 127.0.0.1 until it is interrupted.

    Parameters
    ----------
    root : Path
        Project folder; its store is made if it is missing.
    data : str
        Name of the dataset whose experiment is made, too.
    port : int
        Of the server.

    Raises
    ------
    LineupError
        If the runs are on a tracking server already, or the server fails.
    """
    uri = tracking_uri(root)
    if uri.startswith(("http:", "https:")):
        raise LineupError(f"MLFLOW_TRACKING_URI is {shown_uri(uri)}: that server has the UI; open it in a browser")
    with store_errors_as_one_line(uri):
        open_store(root, data)
    print(f"MLflow UI: http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    # The URI may hold a password, and everybody on a machine can read the arguments of a process.
    # Without the job executor it starts in a quarter of the time and with two processes instead of eleven.
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    try:
        status = subprocess.run(command, env=environment, cwd=root, check=False).returncode
    except KeyboardInterrupt:
        return
    if status:
        raise LineupError(f"mlflow server ended with status {status}; is port {port} in use? (lineup ui --port)")
