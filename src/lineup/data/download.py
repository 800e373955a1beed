"""Copy, download or generate the four files of a dataset.

A downloaded file gets its final name only after its SHA-256 checksum has been verified. If a download is interrupted,
it continues from another host or in the next run.

Examples
--------
>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     download("synthetic", Path(folder), folder=None, train_images=20, test_images=10, seed=1)
'Synthetic garments: 20 training and 10 test images generated'
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lineup.data.datasets import (
    DESCRIPTION,
    FILE_NAMES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DatasetSpec,
    RemoteFile,
    find_dataset,
)
from lineup.data.idx import write_idx
from lineup.data.local import FOLDER_VARIABLE, LocalFolder, copy_files, has_content
from lineup.data.synthetic import SHAPE, SyntheticImages, generate
from lineup.errors import LineupError
from lineup.files import file_sha256
from lineup.schema import write_json

if TYPE_CHECKING:
    import requests

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 30.0
_CHUNK_BYTES = 1 << 16
_WAYS_ON = (
    f"try again with a network, or set data.folder in params.yaml or {FOLDER_VARIABLE} to a folder with the four files,"
    " or run `make demo`, which generates its images"
)


class _HostError(Exception):
    """Raised if the download from a host fails."""

    def __init__(self, reason: str, *, reached: bool) -> None:
        super().__init__(reason)
        self.reached = reached


def download(
    name: str,
    target: Path,
    *,
    folder: LocalFolder | None,
    train_images: int,
    test_images: int,
    seed: int,
    shape: Sequence[int] = SHAPE,
    hosts: Sequence[str] | None = None,
) -> str:
    """Create the four IDX files of a dataset, and describe the dataset in ``dataset.json``.

    Existing files with the expected content are not downloaded again.

    Parameters
    ----------
    name : str
        A key of `lineup.data.datasets.DATASETS`.
    target : Path
        Output folder. It is created if it does not exist.
    folder : LocalFolder or None
        Source of the files of a downloaded dataset instead of its hosts. See `lineup.data.local.local_folder`.
    train_images, test_images : int
        Number of images of a generated dataset.
    seed : int
        Seed of a generated dataset.
    shape : sequence of int
        Height, width and channels of a generated dataset. Default 28 by 28 pixels with one channel.
    hosts : sequence of str, optional
        Addresses to use instead of the dataset's own, in this order.

    Returns
    -------
    str
        Message that describes the source of the files.

    Raises
    ------
    LineupError
        If the name is unknown, a file in the folder is missing or wrong, all downloads failed, or ``target`` cannot be
        written.
    """
    spec = find_dataset(name)
    more: dict[str, Any] = {}
    try:
        target.mkdir(parents=True, exist_ok=True)
        if spec.generated:
            more = {"seed": seed, "train_images": train_images, "test_images": test_images, "shape": list(shape)}
            height, width, channels = shape
            _write_images(target, generate(train_images, test_images, seed, (height, width, channels)))
            done = f"{train_images:,} training and {test_images:,} test images generated"
        elif folder is not None:
            copied = copy_files(spec, folder, target)
            done = _counted(spec, copied, f"from {folder.path} ({folder.named_by})", target)
        else:
            fetched = _fetch(spec, spec.hosts if hosts is None else hosts, target)
            done = _counted(spec, fetched, "downloaded", target)
        for file_name in FILE_NAMES:
            _partial(target, file_name).unlink(missing_ok=True)
        _describe(spec, target, more)
    except OSError as error:
        raise LineupError(f"{error.filename or target}: {error.strerror or error}") from error
    return f"{spec.title}: {done}"


def _counted(spec: DatasetSpec, taken: int, how: str, target: Path) -> str:
    """Return the source of the files as text."""
    total = len(spec.files)
    if taken == 0:
        return f"{total} files already in {target}, verified"
    if taken < total:
        return f"{taken} of {total} files {how}, the others already in {target}, verified"
    return f"{total} files {how}, verified"


def _describe(spec: DatasetSpec, target: Path, more: dict[str, Any]) -> None:
    """Write ``dataset.json``. The same files give the same bytes."""
    description: dict[str, Any] = {
        "name": spec.name,
        "title": spec.title,
        "classes": spec.classes,
        "generated": spec.generated,
        "files": {file_name: file_sha256(target / file_name) for file_name in FILE_NAMES},
        **more,
    }
    write_json(target / DESCRIPTION, description)


def _write_images(target: Path, images: SyntheticImages) -> None:
    write_idx(target / TRAIN_IMAGES, images.train_images)
    write_idx(target / TRAIN_LABELS, images.train_labels)
    write_idx(target / TEST_IMAGES, images.test_images)
    write_idx(target / TEST_LABELS, images.test_labels)


def _fetch(spec: DatasetSpec, hosts: Sequence[str], target: Path) -> int:
    """Download the missing files and return their number.

    The host of the last successful download is tried first.
    """
    missing = [file for file in spec.files if not has_content(target / file.name, file)]
    for file in missing:
        delivered = _fetch_file(spec, file, hosts, target)
        hosts = [delivered, *(host for host in hosts if host != delivered)]
    return len(missing)


def _fetch_file(spec: DatasetSpec, file: RemoteFile, hosts: Sequence[str], target: Path) -> str:
    """Download one file from the first host that works, and return the name of this host."""
    failures: list[_HostError] = []
    partial = _partial(target, file.name)
    for host in hosts:
        try:
            _fetch_from(host, file, partial)
        except _HostError as error:
            failures.append(error)
            continue
        partial.replace(target / file.name)
        after = "".join(f"; {failure}" for failure in failures)
        print(f"{file.name}: {file.size_bytes:,} bytes from {host}, SHA-256 verified{after}", file=sys.stderr)
        return host
    reasons = "; ".join(map(str, failures))
    if any(failure.reached for failure in failures):
        raise LineupError(f"{file.name}: all downloads failed: {reasons}; {_WAYS_ON}")
    raise LineupError(f"{spec.title}: no host can be reached ({reasons or 'none is named'}); {_WAYS_ON}")


def _fetch_from(host: str, file: RemoteFile, partial: Path) -> None:
    """Complete a partial download from one host, and verify the checksum of the file.

    The first part of the file may come from another host. If the checksum is wrong, the whole file is downloaded again.
    """
    while True:
        start = _size(partial)
        if start > file.size_bytes:
            partial.unlink()
            start = 0
        if start < file.size_bytes:
            start = _receive(host, file, partial, start)
        found = file_sha256(partial)
        if found == file.sha256:
            return
        partial.unlink()
        if start == 0:
            raise _HostError(f"{host}: wrong SHA-256: expected {file.sha256}, found {found}", reached=True)


def _receive(host: str, file: RemoteFile, partial: Path, start: int) -> int:
    """Download a file from the byte ``start`` to the end.

    Return the position of the first byte that was received. Some hosts ignore the start position in the request, and
    send the whole file. The response is not decompressed, because some hosts send gzip files with the header
    ``Content-Encoding: gzip``.
    """
    import requests

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        response = requests.get(
            f"{host.rstrip('/')}/{file.name}", headers=headers, stream=True, timeout=(_CONNECT_SECONDS, _READ_SECONDS)
        )
    except requests.RequestException as error:
        raise _HostError(f"{host}: {type(error).__name__}", reached=False) from error
    with response:
        if start and not _continues(response, start):
            start = 0
            if response.status_code != 200:
                return _receive(host, file, partial, 0)
        if response.status_code not in (200, 206):
            raise _HostError(f"{host}: HTTP status {response.status_code}", reached=True)
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != file.size_bytes - start:
            raise _HostError(f"{host}: expected {file.size_bytes - start:,} bytes, found {int(length):,}", reached=True)
        _store(response, host, file, partial, start)
    return start


def _continues(response: requests.Response, start: int) -> bool:
    """Return whether a response contains the requested part of a file."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _store(response: requests.Response, host: str, file: RemoteFile, partial: Path, start: int) -> None:
    """Write the content of a response to a file, up to the expected file size."""
    import urllib3

    missing = file.size_bytes - start
    with partial.open("ab" if start else "wb") as out, _progress(file, start) as advance:
        while missing:
            try:
                chunk = response.raw.read(min(_CHUNK_BYTES, missing), decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError):
                chunk = b""
            if not chunk:
                received = file.size_bytes - missing
                raise _HostError(
                    f"{host}: disconnected after {received:,} of {file.size_bytes:,} bytes (kept)", reached=True
                )
            out.write(chunk)
            missing -= len(chunk)
            advance(len(chunk))


@contextmanager
def _progress(file: RemoteFile, start: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar if the output is a terminal.

    Yield a function that advances the progress bar by a number of bytes.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(file.name, total=file.size_bytes, completed=start)
        yield lambda count: bar.advance(task, count)


def _partial(target: Path, file_name: str) -> Path:
    return target / f".{file_name}.partial"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
