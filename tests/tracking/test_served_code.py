"""The code that MLflow stores with a model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lineup.code.closure import SOURCE, source_files
from lineup.tracking.model import SERVED


def test_the_stored_code_needs_no_other_file_of_the_package(tmp_path: Path) -> None:
    names = source_files(SERVED)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / name, tmp_path / name)
    assert sum((tmp_path / name).stat().st_size for name in names) < 500_000
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
    code = f"import {', '.join(modules)}; print(lineup.__file__)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "lineup" / "__init__.py")
