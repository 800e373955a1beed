"""List the files of a folder quickly, without importing MLflow.

Examples
--------
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     _ = Path(folder, "report.txt").write_text("text")
...     files_in(folder)
{'report.txt': 4}
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LEFT_BY_LOADING = ("__pycache__", "registered_model_meta")
"""Files that loading a model adds to its folder."""


def files_in(folder: Path | str) -> dict[str, int | None]:
    """Return the size, in bytes, of each file in a folder and in its subfolders.

    The result is a dictionary whose keys are relative paths. Files that MLflow creates when it loads a model are
    ignored. If the folder does not exist, the result is empty.
    """
    found: dict[str, int | None] = {}
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return found
    for entry in entries:
        if entry.name in LEFT_BY_LOADING:
            continue
        with suppress(OSError):  # removed in the meantime, or a broken link
            if entry.is_dir(follow_symlinks=False):
                found |= {f"{entry.name}/{name}": size for name, size in files_in(entry.path).items()}
            else:
                found[entry.name] = entry.stat().st_size
    return found
