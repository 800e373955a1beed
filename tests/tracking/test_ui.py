"""The UI's server is started for the store that lineup uses, whose URI is for nobody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow.cli import server

from lineup.errors import LineupError
from lineup.tracking.ui import serve_ui

# In the folder in which the server is started it is found before MLflow itself, and tells how it was called.
STAND_IN = """
import json, os, sys
with open("called.json", "w") as file:
    json.dump({"arguments": sys.argv[1:], "environment": dict(os.environ)}, file)
sys.exit(int(os.environ.get("STATUS", "0")))
"""


def test_the_server_gets_the_uri_where_nobody_else_reads_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"sqlite:///{root / 'mlflow.db'}?timeout=5"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (root / "mlflow.py").write_text(STAND_IN)
    serve_ui(root, "synthetic", 5001)
    called = json.loads((root / "called.json").read_text())
    assert called["arguments"] == ["server", "--host", "127.0.0.1", "--port", "5001", "--workers", "1"]
    (option,) = [option for option in server.params if option.name == "backend_store_uri"]
    assert called["environment"][option.envvar] == uri


def test_a_server_that_fails_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUS", "3")
    (root / "mlflow.py").write_text(STAND_IN)
    with pytest.raises(LineupError, match="ended with status 3; is port 5001 in use"):
        serve_ui(root, "synthetic", 5001)


def test_a_tracking_server_has_the_ui_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org:5000")
    with pytest.raises(LineupError, match=r"^MLFLOW_TRACKING_URI is https://example\.org:5000: that server has the UI"):
        serve_ui(tmp_path, "synthetic", 5001)
