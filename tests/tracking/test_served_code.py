"""The code that MLflow stores with a model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lineup.code.closure import SOURCE, source_files
from lineup.tracking.model import SERVED, copy_code


def run(code: str, *search: Path) -> str:
    """Run Python code with folders at the start of the search path, and return its output."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, search))}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=search[0], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_stored_code_needs_no_other_file_of_the_package(tmp_path: Path) -> None:
    copy_code(tmp_path)
    names = source_files(SERVED)
    assert sum((tmp_path / name).stat().st_size for name in names) < 500_000
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
    # Without the line that extends the packages, so that modules are not found elsewhere.
    for path in tmp_path.rglob("__init__.py"):
        path.write_text((SOURCE / path.relative_to(tmp_path)).read_text())
    assert run(f"import {', '.join(modules)}; print(lineup.__file__)", tmp_path).startswith(str(tmp_path))


def test_a_process_with_the_stored_code_finds_all_modules(tmp_path: Path) -> None:
    copy_code(tmp_path)
    code = "import lineup.serving.predictor as a, lineup.records.record as b, lineup.paths as c; print(a.__file__)"
    assert run(code, tmp_path, SOURCE).startswith(str(tmp_path))
