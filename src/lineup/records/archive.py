"""Write records to an archive, and check an archive before its records are imported.

The file is an uncompressed ZIP archive, so its content is not larger than the file. Two exports of the same records are
identical. Each record is a folder in the archive. The last entry, ``manifest.json``, contains the size and the SHA-256
of each file. Names in an archive are never used as paths. The name of the folder depends on the content of the record
(see `lineup.records.imported`).

Examples
--------
>>> entry_folder_and_file("basic_cnn_seed1-0d1f/model/network.keras")
('basic_cnn_seed1-0d1f', 'model/network.keras')
>>> entry_folder_and_file("../record.json") is None
True
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass as checked_dataclass

from lineup.errors import LineupError, count, shortened
from lineup.files import ROOM, TEXT_LIMIT, check_room, open_regular, replacing_file
from lineup.records.check import MODEL_FILES, RECORD_FILES, check_content
from lineup.records.header import STRICT, Sha256
from lineup.records.record import MODEL, PREDICTIONS, Record
from lineup.remedies import how_to_make
from lineup.schema import checked, read_json, to_json

FORMAT, VERSION = "lineup records", 1
MANIFEST = "manifest.json"
BYTES = 2 * 2**30
"""Largest size of an archive, in bytes."""
ENTRIES = 20_000
"""Largest number of files in an archive."""
DIRECTORY = 4 * 2**20
"""Largest size of the directory of an archive, in bytes."""

_DATE = (1980, 1, 1, 0, 0, 0)
_CHUNK = 2**20
# The end of a ZIP archive, and the locator before the end of an archive with 64-bit sizes.
_END, _END_SIGNATURE = 22, b"PK\x05\x06"
_LOCATOR, _LOCATOR_SIGNATURE = 20, b"PK\x06\x07"
_FOLDER = re.compile(r"[A-Za-z0-9_-]{1,100}")


@checked_dataclass(frozen=True, config=STRICT)
class PackedFile:
    """A file in the manifest of an archive.

    Parameters
    ----------
    bytes : int
        Its size.
    sha256 : str
        Its hash.
    """

    bytes: Annotated[int, Field(ge=0, le=BYTES)]
    sha256: Sha256


@checked_dataclass(frozen=True, config=STRICT)
class Manifest:
    """``manifest.json``.

    Parameters
    ----------
    format : str
        Always ``lineup records``.
    version : int
        Version of the archive's format.
    files : dict of str to PackedFile
        All other entries of the archive.
    """

    format: Literal["lineup records"]
    version: Annotated[int, Field(ge=VERSION, le=VERSION)]
    files: Annotated[dict[str, PackedFile], Field(max_length=ENTRIES)]


@dataclass(frozen=True)
class Archive:
    """Archive of records. The names and sizes of the entries are checked, but the content is not. See `open_archive`.

    Parameters
    ----------
    path : Path
        The file.
    records : dict of str to list of str
        Files of each record, by the folder of the record in the archive.
    bytes : int
        Size of all files.
    """

    path: Path
    records: dict[str, list[str]]
    bytes: int
    _archive: zipfile.ZipFile
    _manifest: Manifest

    def unpack(self, folder: str, target: Path) -> None:
        """Copy the files of a record to a new folder, and compare their hashes with the manifest.

        Raises
        ------
        LineupError
            If a file is damaged. The folder is then incomplete.
        """
        for name in self.records[folder]:
            entry, place = f"{folder}/{name}", target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with place.open("xb") as file:
                for chunk in _chunks(self.path, self._archive, entry):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != self._manifest.files[entry].sha256:
                raise LineupError(f"{self.path}: {entry}: its content differs from its hash in {MANIFEST}")


def write_archive(records: Sequence[Record], path: Path, *, models: bool = True) -> None:
    """Pack records into an archive.

    Parameters
    ----------
    records : sequence of Record
        At least one, in any order. No record twice.
    path : Path
        The archive. It is replaced atomically.
    models : bool, optional
        Whether to include the trained models. Default: yes.

    Raises
    ------
    LineupError
        If a record is incomplete, damaged or named twice, or if the archive would be too large.
    """
    packed = sorted((name, file) for record in records for name, file in _files_to_pack(record, models=models))
    total = sum(file.stat().st_size for _, file in packed)
    if total > BYTES - 2 * DIRECTORY or len(packed) >= ENTRIES:
        raise LineupError(
            f"{path}: {total:,} bytes in {count(packed, 'file')}, more than a file of records can hold;"
            " export fewer records, or use --no-models"
        )
    names = [name for name, _ in packed]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise LineupError(f"{twice.partition('/')[0]}: named twice; expected different records")
    check_room(path, total + ROOM)
    with replacing_file(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        files = {name: _pack(archive, name, file) for name, file in packed}
        manifest = to_json({"format": FORMAT, "version": VERSION, "files": files})
        archive.writestr(_entry(MANIFEST), manifest)


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive and check the names, types and sizes of its entries.

    Parameters
    ----------
    path : Path
        File of `write_archive`, which may be damaged or hostile. Its directory is limited before it is read.

    Raises
    ------
    LineupError
        If the file is not an archive of records. The message names the entry.
    """
    try:
        stream = open_regular(path)
    except FileNotFoundError:
        raise LineupError(f"{path}: no such file") from None
    except OSError as error:
        raise LineupError(f"{path}: cannot be read: {error.strerror}") from error
    with stream:
        _check_directory(path, stream)
        try:
            archive = zipfile.ZipFile(stream)
        except Exception as error:  # damaged files cause many types of errors
            raise _not_records(path, error) from error
        with archive:
            sizes = _checked_sizes(path, archive)
            manifest = _read_manifest(path, archive)
            _check_listed(path, manifest, sizes)
            total = sum(file.bytes for file in manifest.files.values())
            yield Archive(path, _records(path, manifest), total, archive, manifest)


def entry_folder_and_file(name: str) -> tuple[str, str] | None:
    """Split the path of an archive entry into the name of the record folder and the name of the file. Return None for
    any other name.
    """
    folder, slash, file = name.partition("/")
    known = (*RECORD_FILES, *(f"{MODEL}/{model}" for model in MODEL_FILES))
    return (folder, file) if slash and _FOLDER.fullmatch(folder) and file in known else None


def _files_to_pack(record: Record, *, models: bool) -> Iterator[tuple[str, Path]]:
    """Check a record, and yield the archive name and the path of each file."""
    absent = [name for name in RECORD_FILES if not (record.folder / name).exists()]
    if models and not (record.folder / MODEL).is_dir():
        absent.append(f"{MODEL}/")
    if absent:
        instead = ", or use --no-models" if absent == [f"{MODEL}/"] else ""
        raise LineupError(f"{record.folder}: no {', no '.join(absent)}; {how_to_make(record.folder)}{instead}")
    check_content(record)
    folder = f"{record.header.label}-{record.header.key}"
    for name in RECORD_FILES:
        yield f"{folder}/{name}", record.folder / name
    if models or record.header.members:
        for file in sorted((record.folder / MODEL).iterdir()):
            yield f"{folder}/{MODEL}/{file.name}", file


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def _pack(archive: zipfile.ZipFile, name: str, file: Path) -> dict[str, Any]:
    """Copy a file into an archive, and return its size and hash."""
    digest, size = hashlib.sha256(), 0
    entry = _entry(name)
    entry.file_size = file.stat().st_size
    with open_regular(file) as source, archive.open(entry, "w") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return {"bytes": size, "sha256": digest.hexdigest()}


def _check_directory(path: Path, stream: IO[bytes]) -> None:
    """Check the size of a ZIP archive and the size of its directory. zipfile reads the whole directory into memory."""
    size = stream.seek(0, os.SEEK_END)
    if size > BYTES:
        raise LineupError(f"{path}: expected at most {BYTES:,} bytes, found {size:,}")
    stream.seek(max(0, size - _END - _LOCATOR))
    tail = stream.read()
    end = tail[-_END:]
    if not end.startswith(_END_SIGNATURE) or end[-2:] != b"\0\0" or tail.startswith(_LOCATOR_SIGNATURE):
        raise _not_records(path, "not a ZIP archive, or incomplete")
    entries, directory = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if entries > ENTRIES or directory > DIRECTORY:
        raise LineupError(
            f"{path}: expected at most {ENTRIES:,} entries in {DIRECTORY:,} bytes,"
            f" found {entries:,} in {directory:,} bytes"
        )
    stream.seek(0)


def _checked_sizes(path: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    """Check each entry of an archive, and return a dictionary of the sizes by name."""
    sizes: dict[str, int] = {}
    for entry in archive.infolist():
        name = entry.filename
        problem = "found twice" if name in sizes else _problem(entry)
        if problem:
            raise LineupError(f"{path}: entry {shortened(ascii(entry.orig_filename), 100)}: {problem}")
        sizes[name] = entry.file_size
    if sum(sizes.values()) > BYTES:
        raise LineupError(f"{path}: expected at most {BYTES:,} bytes in all entries, found {sum(sizes.values()):,}")
    return sizes


def _problem(entry: zipfile.ZipInfo) -> str | None:
    """Describe the problem with an entry of an archive, or return None if the entry is valid."""
    name = entry.filename
    if entry.orig_filename != name or (name != MANIFEST and entry_folder_and_file(name) is None):
        return "not a file of a record"
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        return "a link or a special file; expected a regular file"
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.file_size != entry.compress_size:
        return "compressed or encrypted; expected a stored file"
    if name.endswith((".json", ".csv")) and entry.file_size > TEXT_LIMIT:
        return f"expected at most {TEXT_LIMIT:,} bytes, found {entry.file_size:,}"
    return None


def _read_manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    if MANIFEST not in archive.namelist():
        raise _not_records(path, f"no {MANIFEST}")
    with TemporaryDirectory() as folder:
        copy = Path(folder) / MANIFEST
        copy.write_bytes(b"".join(_chunks(path, archive, MANIFEST)))
        try:
            values = read_json(copy)
        except LineupError as error:
            raise LineupError(str(error).replace(str(copy), f"{path}: {MANIFEST}")) from error
    version = values.get("version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise LineupError(
            f"{path}: written by a newer version of lineup (format {version}, expected {VERSION}); update lineup"
        )
    manifest: Manifest = checked(values, Manifest, Path(f"{path}: {MANIFEST}"))
    return manifest


def _check_listed(path: Path, manifest: Manifest, sizes: Mapping[str, int]) -> None:
    """Check that the manifest lists all other entries with their correct sizes."""
    wrong = sorted(manifest.files.keys() ^ (sizes.keys() - {MANIFEST}))
    if wrong:
        problem = f"not in {MANIFEST}" if wrong[0] in sizes else "missing"
        raise LineupError(f"{path}: entry {shortened(ascii(wrong[0]), 100)}: {problem}")
    for name, file in manifest.files.items():
        if file.bytes != sizes[name]:
            raise LineupError(f"{path}: entry {name!r}: expected {file.bytes:,} bytes, found {sizes[name]:,}")


def _records(path: Path, manifest: Manifest) -> dict[str, list[str]]:
    """Check that all records are complete, and return a dictionary of their files by folder."""
    records: dict[str, list[str]] = {}
    for name in manifest.files:
        folder, _, file = name.partition("/")
        records.setdefault(folder, []).append(file)
    if not records:
        raise _not_records(path, "no records")
    for folder, files in records.items():
        absent = [name for name in RECORD_FILES if name not in files]
        if absent:
            small = "a small record, " if absent == [PREDICTIONS] else ""
            raise LineupError(f"{path}: {folder}: {small}no {', no '.join(absent)}; expected complete records")
    return records


def _chunks(path: Path, archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield the content of an entry. zipfile also checks its CRC and its second header."""
    try:
        with archive.open(name) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    except Exception as error:  # damaged files cause many types of errors
        raise _not_records(path, error) from error


def _not_records(path: Path, reason: object) -> LineupError:
    text = shortened(reason) or type(reason).__name__
    return LineupError(f"{path}: expected a file of lineup export, found a damaged or different file: {text}")
