"""The script for GPUs runs on a processor, continues after failing parts, and leaves at most eight files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from lineup.models.settings import NetworkRecipe
from lineup.params import load_params
from tests.fork_server import python_folder

SCRIPT = Path(__file__).with_name("gpu.sh")

# The tested script finds this python on the PATH. Two parts fail at once, and the others run.
PYTHON = """#!/bin/sh
case "$*" in *"lineup doctor"* | *bf16*) exit 3 ;; esac
exec "{python}" "$@"
"""


@pytest.mark.slow
def test_the_script_for_gpus(tmp_path: Path) -> None:
    """The results are complete, except for the parts that fail."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(PYTHON.format(python=python_folder() / "python"))
    python.chmod(0o755)
    environment = os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", str(SCRIPT), "--smoke", "results"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    results = tmp_path / "results"
    summary = (results / "summary.txt").read_text()

    assert done.stdout == summary
    words = [line.split() for line in summary.splitlines() if " exit status " in line]
    status = {first: int(number.rstrip(",")) for first, _, _, number, *_ in words}
    failed = dict.fromkeys(("doctor", "precision"), 3)
    log = (results / "log.txt").read_text()
    succeeded = dict.fromkeys(("download", "split", "training", "identical", "line-up", "export"), 0)
    assert status == failed | succeeded, log
    assert len(list(results.iterdir())) <= 8

    training = json.loads((results / "training.json").read_text())
    assert training["data"]["generated"]
    assert training["rows"][0]["lineup"] > 0
    assert training["rows"][0]["plain"] > 0
    assert json.loads((results / "identical.json").read_text())["rows"][0]["identical"] == "yes"
    with zipfile.ZipFile(results / "records.zip") as archive:
        assert any(name.endswith("predictions.npz") for name in archive.namelist())
    assert "records: 1," in summary


def test_the_script_trains_the_networks_of_the_reports() -> None:
    """``params.yaml`` lists their 23 networks before all other models, with 65 training runs."""
    names = re.search(r"^models=\((.*?)\)", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert names is not None
    models = load_params(SCRIPT.parents[1] / "params.yaml").models
    networks = [name for name, recipe in models.items() if isinstance(recipe, NetworkRecipe)]
    assert sorted(names[1].split()) == sorted(networks[:23])
    assert sum(len(models[name].seeds) for name in networks[:23]) == 65
