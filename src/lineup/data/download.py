"""Get the four files of a dataset: from a folder, from its hosts in turn, or drawn.

What arrives is checked by SHA-256 before it takes its name; a transfer that breaks off is continued by the next host or
the next run. Drawn data never replaces real data unless it was asked for.
"""

from __future__ import annotations

import json
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
from lineup.data.synthetic import generate
from lineup.errors import LineupError
from lineup.files import file_sha256, replacing_file

if TYPE_CHECKING:
    import requests

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 30.0
_CHUNK_BYTES = 1 << 16
_WAYS_ON = (
    f"try again with a network, or set data.folder in params.yaml or {FOLDER_VARIABLE} to a folder with the four files,"
    " or run `make demo`, which draws its own images"
)


class _HostError(Exception):
    """One host did not deliver a file; the next one may."""

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
    hosts: Sequence[str] | None = None,
) -> str:
    """Put the four IDX files of a dataset and ``dataset.json`` into a folder.

    Files that are there already, with the right content, are left alone.

    Parameters
    ----------
    name : str
        A key of `lineup.data.datasets.DATASETS`.
    target : Path
        The folder; made if missing.
    folder : LocalFolder or None
        Where to take the files of a fetched dataset from instead of its hosts. See `lineup.data.local.local_folder`.
    train_images, test_images : int
        How many images to draw; for a generated dataset only.
    seed : int
        Seed of the drawing; for a generated dataset only.
    hosts : sequence of str, optional
        Addresses to fetch from instead of the dataset's own, in this order.

    Returns
    -------
    str
        What was done, one line for the user.

    Raises
    ------
    LineupError
        If the name is unknown, the folder lacks a file or has a wrong one, no host delivers, or ``target`` cannot be
        written.
    """
    spec = find_dataset(name)
    more: dict[str, int] = {}
    try:
        target.mkdir(parents=True, exist_ok=True)
        if spec.generated:
            more = {"seed": seed, "train_images": train_images, "test_images": test_images}
            _draw(target, train_images, test_images, seed)
            done = f"{train_images:,} training and {test_images:,} test images drawn"
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
    """Return where the files came from."""
    total = len(spec.files)
    if taken == 0:
        return f"{total} files already in {target}, verified"
    if taken < total:
        return f"{taken} of {total} files {how}, the others already in {target}, verified"
    return f"{total} files {how}, verified"


def _describe(spec: DatasetSpec, target: Path, more: dict[str, int]) -> None:
    """Write ``dataset.json``: the same bytes for the same files."""
    description: dict[str, Any] = {
        "name": spec.name,
        "title": spec.title,
        "classes": spec.classes,
        "generated": spec.generated,
        "files": {file_name: file_sha256(target / file_name) for file_name in FILE_NAMES},
        **more,
    }
    with replacing_file(target / DESCRIPTION) as partial:
        partial.write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")


def _draw(target: Path, train_images: int, test_images: int, seed: int) -> None:
    drawn = generate(train_images, test_images, seed)
    write_idx(target / TRAIN_IMAGES, drawn.train_images)
    write_idx(target / TRAIN_LABELS, drawn.train_labels)
    write_idx(target / TEST_IMAGES, drawn.test_images)
    write_idx(target / TEST_LABELS, drawn.test_labels)


def _fetch(spec: DatasetSpec, hosts: Sequence[str], target: Path) -> int:
    """Fetch the missing files and return how many; the host that delivered the last one is asked first for the next."""
    missing = [file for file in spec.files if not has_content(target / file.name, file)]
    for file in missing:
        delivered = _fetch_file(spec, file, hosts, target)
        hosts = [delivered, *(host for host in hosts if host != delivered)]
    return len(missing)


def _fetch_file(spec: DatasetSpec, file: RemoteFile, hosts: Sequence[str], target: Path) -> str:
    """Fetch one file from the first host that delivers it, and return the host."""
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
    """Complete and verify the partial file from one host.

    What an earlier transfer left may be of another host: if the whole is wrong, this host delivers it once more alone.
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
    """Append what a host sends, from byte ``start`` on, and return from which byte on it did send.

    The bytes are taken as they are: a host may declare the compression of the file as that of the transfer.
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
    """Return whether the host sends the rest of the file, as asked, and not all of it or an error."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _store(response: requests.Response, host: str, file: RemoteFile, partial: Path, start: int) -> None:
    """Write the body of a response to the partial file, never more than is missing."""
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
                    f"{host}: broke off after {received:,} of {file.size_bytes:,} bytes, which are kept", reached=True
                )
            out.write(chunk)
            missing -= len(chunk)
            advance(len(chunk))


@contextmanager
def _progress(file: RemoteFile, start: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, nothing elsewhere; yield what moves it by a number of bytes."""
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
