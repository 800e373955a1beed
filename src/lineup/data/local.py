"""Copy the files of a dataset from a local folder.

The SHA-256 of the uncompressed content identifies each file. A file can therefore be uncompressed, or compressed with
other gzip settings.

Examples
--------
>>> local_folder("/data/images").path
PosixPath('/data/images')
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lineup.data.datasets import DatasetSpec, RemoteFile
from lineup.data.idx import idx_bytes, read_idx, write_idx
from lineup.errors import LineupError
from lineup.files import file_sha256, replacing_file

FOLDER_VARIABLE = "FASHION_MNIST_DIR"
_PARAMETER = "data.folder in params.yaml"


@dataclass(frozen=True)
class LocalFolder:
    """Local folder that contains the files of a dataset.

    Parameters
    ----------
    path : Path
        The folder.
    named_by : str
        The setting that contains the path, for error messages.
    """

    path: Path
    named_by: str


def local_folder(parameter: str | None) -> LocalFolder | None:
    """Return the local folder of the dataset, which is set in ``params.yaml`` or in an environment variable.

    Parameters
    ----------
    parameter : str or None
        ``data.folder`` of ``params.yaml``. It has precedence over the environment variable ``FASHION_MNIST_DIR``.

    Returns
    -------
    LocalFolder or None
        None if both are unset or empty.
    """
    variable = os.environ.get(FOLDER_VARIABLE)
    if parameter:
        named_by = f"{_PARAMETER}, which has precedence over {FOLDER_VARIABLE}" if variable else _PARAMETER
        return LocalFolder(Path(parameter).expanduser(), named_by)
    return LocalFolder(Path(variable).expanduser(), FOLDER_VARIABLE) if variable else None


def copy_files(spec: DatasetSpec, folder: LocalFolder, target: Path) -> int:
    """Copy missing files from a local folder to ``target``, and return the number of copied files.

    Published files are copied unchanged. All other files are compressed again, for example uncompressed files.

    Raises
    ------
    LineupError
        If the folder does not exist, or a file in the folder is missing or has unexpected content.
    """
    if not folder.path.is_dir():
        raise LineupError(f"{folder.path}: no such folder; it is set by {folder.named_by}")
    missing = [file for file in spec.files if not has_content(target / file.name, file)]
    for file in missing:
        try:
            _copy_file(file, folder.path, target / file.name)
        except LineupError as error:
            raise LineupError(f"{error}; expected {spec.title} in the folder set by {folder.named_by}") from error
    return len(missing)


def has_content(path: Path, file: RemoteFile) -> bool:
    """Return whether a file contains the published data, compressed or uncompressed."""
    if not path.is_file():
        return False
    try:
        return _is_published(path, file) or _read_content(path, file) is not None
    except LineupError:
        return False


def _copy_file(file: RemoteFile, folder: Path, target: Path) -> None:
    """Search for a published file under its usual names, check its content, and copy the file."""
    names = _usual_names(file.name)
    sources = [folder / name for name in names if (folder / name).is_file()]
    if not sources:
        raise LineupError(f"{folder / file.name}: no such file; also looked for {', '.join(names[1:])}")
    source = next((source for source in sources if has_content(source, file)), sources[0])
    array = _read_content(source, file)
    if _is_published(source, file):
        with replacing_file(target) as partial:
            shutil.copyfile(source, partial)
    else:
        write_idx(target, array)


def _usual_names(name: str) -> list[str]:
    """Return the names that local copies of a published file often have.

    The suffix ``.gz`` can be missing. The name can also contain ``.idx`` instead of ``-idx``.
    """
    plain = name.removesuffix(".gz")
    dotted = plain.replace("-idx", ".idx")
    return [f"{plain}.gz", plain, f"{dotted}.gz", dotted]


def _is_published(path: Path, file: RemoteFile) -> bool:
    return path.stat().st_size == file.size_bytes and file_sha256(path) == file.sha256


def _read_content(path: Path, file: RemoteFile) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read an IDX file and check that it contains the published data."""
    array = read_idx(path)
    if array.shape != file.shape:
        raise LineupError(f"{path}: expected {_dimensions(file.shape)} bytes of data, found {_dimensions(array.shape)}")
    found = hashlib.sha256(idx_bytes(array)).hexdigest()
    if found != file.content_sha256:
        raise LineupError(
            f"{path}: unexpected content: the SHA-256 of its {_dimensions(array.shape)} bytes of data is {found},"
            f" expected {file.content_sha256}"
        )
    return array


def _dimensions(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{size:,}" for size in shape)
