"""For each format, write damaged files and read them in the same way as lineup."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml
from PIL import Image

from lineup.data.idx import idx_bytes, read_idx
from lineup.data.pictures import read_picture
from lineup.data.preparation import prepare
from lineup.npz import read_npz
from lineup.params import load_params
from lineup.paths import Project
from lineup.records.archive import MANIFEST, write_archive
from lineup.records.check import check_content
from lineup.records.compact import FILE as COMPACT
from lineup.records.compact import open_record, predictions_sha256, score_summary, write_compact_records
from lineup.records.importing import import_archive
from lineup.records.record import MODEL, PREDICTIONS, Record, read_record
from tests.make_records import make_record, member_of, model_folder, random_predictions

from .mutate import NUMBERS, changed, changed_json, changed_text, damaged

ROOT = Path(__file__).parents[2]
ARRAY_BYTES = 64 * 2**20
"""Largest size of the arrays of an IDX or NPZ file here. The default of `read_idx` is 2 GiB."""

Files = dict[str, bytes]


@dataclass(frozen=True)
class Format:
    """A format of files.

    Parameters
    ----------
    write : callable
        Write a damaged file or folder into an empty folder, and return its path.
    read : callable
        Read the file or folder. The only error that may be raised is `lineup.errors.LineupError`.
    """

    write: Callable[[Random, Path], Path]
    read: Callable[[Path], object]


def _file(make: Callable[[Random], bytes]) -> Callable[[Random, Path], Path]:
    def write(random: Random, folder: Path) -> Path:
        path = folder / "input"
        path.write_bytes(make(random))
        return path

    return write


def idx_file(random: Random) -> bytes:
    """Return a damaged IDX file: its header, its values, or its compression."""
    shape = random.choice(((5,), (3, 4), (2, 4, 4), (2, 3, 3, 3)))
    content = idx_bytes(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape))
    match random.randrange(3):
        case 0:
            sizes = [random.choice(NUMBERS) % 2**32 for _ in range(random.randrange(6))]
            start = bytes((0, 0, random.choice((8, 8, 9, 13, 255)), random.choice((len(sizes), 255))))
            content = start + struct.pack(f">{len(sizes)}I", *sizes) + bytes(random.choice((0, 1, 300)))
        case 1:
            content = damaged(random, content)
    if random.random() < 0.5:
        content = gzip.compress(content, mtime=0)
        if random.random() < 0.5:
            content = damaged(random, content)
    return content


_ARRAYS: Mapping[str, Any] = {
    "labels": np.arange(7, dtype=np.int32),
    "probabilities": np.linspace(0, 1, 21, dtype=np.float32).reshape(7, 3),
    "names": np.array(["a", "bc"]),
    "fortran": np.asfortranarray(np.ones((2, 3), np.float64)),
    "empty": np.zeros((0, 4), np.uint8),
}


def npz_file(random: Random) -> bytes:
    """Return a damaged NPZ file: its ZIP archive, or the header or the values of an array in it."""
    packed = {f"{name}.npy": npy(array) for name, array in _ARRAYS.items()}
    name = random.choice(list(packed))
    match random.randrange(4):
        case 0:
            packed[name] = damaged(random, packed[name], list(packed.values()))
        case 1:
            packed[name] = changed_text(random, packed[name])
        case 2:
            packed[name] = _npy_header(random)
    content = zipped(packed, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)))
    return content if random.random() < 0.5 else damaged(random, content, list(packed.values()))


def npy(array: Any) -> bytes:
    """Return an array as an NPY file."""
    with io.BytesIO() as stream:
        np.lib.format.write_array(stream, array, allow_pickle=False)
        return stream.getvalue()


def _npy_header(random: Random) -> bytes:
    """Return an NPY file with almost no data, whose header states any type and any shape."""
    kinds = (
        "'|u1'",
        "'<f4'",
        "'>c16'",
        "'|O'",
        "'|V9'",
        "'<U1000000000'",
        "'<M8[s]'",
        "[('a', '<f4', (9,))]",
        "3",
        "''",
    )
    shape = tuple(random.choice((*NUMBERS, -5, 3)) for _ in range(random.choice((0, 1, 2, 3, 40))))
    header = (
        f"{{'descr': {random.choice(kinds)}, 'fortran_order': {random.choice((True, False, 7))}, 'shape': {shape}}}"
    )
    encoded = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(encoded).to_bytes(2, "little") + encoded + bytes(random.randrange(64))


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a ZIP archive of files."""
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w", method) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
        return stream.getvalue()


@cache
def _params() -> tuple[bytes, Any]:
    """Return a short ``params.yaml`` with each kind of section, as text and as values."""
    content = (ROOT / "src" / "lineup" / "template" / "params.yaml").read_bytes()
    # Without the architecture in the template's models.py, which would be looked for in the current folder.
    for old, new in (
        (b"family: project", b"family: cnn"),
        (b": small_cnn", b": deeper_cnn"),
        (b"filters: 8", b"dropout: 0.1"),
    ):
        assert old in content
        content = content.replace(old, new)
    values = yaml.safe_load(content)
    fit = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01}
    values["models"]["coded"] = fit | {
        "family": "autoencoder",
        "architecture": "frozen_encoder",
        "validation": 0.2,
        "seeds": [1, 5],
        "pretrain": fit,
    }
    values["committees"]["some"] = {"members": {"kind": "network", "best": 1}, "rule": "average", "seeds": 1}
    return content, values


_YAML = ("&a ", "*a", "<<: ", "!!int ", "? ", "- ", "---\n", "\t", "#", "|\n", ">\n", "{", "[", ": ", "~", "1:1", "\0")


def params_file(random: Random) -> bytes:
    """Return a ``params.yaml`` with changed values, or with a changed text."""
    content, values = _params()
    match random.randrange(5):
        case 0:
            return damaged(random, content)
        case 1:
            return changed_text(random, content)
        case 2:
            place = random.randrange(len(content))
            return content[:place] + random.choice(_YAML).encode() + content[place:]
        case 3:
            return json.dumps(changed(random, values)).encode()
        case _:
            try:
                return yaml.dump(changed(random, values), Dumper=yaml.CSafeDumper).encode()
            except UnicodeEncodeError:  # half of a character, which libyaml does not write
                return b'models: {"\\ud800": "\\ud800"}'


def _read_params(path: Path) -> None:
    params = load_params(path)
    params.summary()
    for name in params.models:
        params.recipe(name)


@cache
def _pictures() -> list[bytes]:
    """Return a picture of each kind in each format."""
    random = np.random.default_rng(1)
    colours = Image.fromarray(random.integers(0, 256, (24, 16, 4), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    saved: list[tuple[str, str, dict[str, Any]]] = [
        *(("PNG", mode, {}) for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")),
        ("PNG", "RGBA", {"save_all": True, "append_images": [colours.rotate(90)]}),
        ("PNG", "RGB", {"exif": exif, "icc_profile": bytes(200), "optimize": True}),
        *(("JPEG", mode, {"exif": exif}) for mode in ("RGB", "L", "CMYK")),
        ("JPEG", "RGB", {"progressive": True, "restart_marker_blocks": 2}),
        ("WEBP", "RGB", {"exif": exif}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("WEBP", "RGBA", {"save_all": True, "append_images": [colours.rotate(180)]}),
    ]
    contents = []
    for name, mode, options in saved:
        with io.BytesIO() as file:
            image = Image.fromarray(np.asarray(colours)[..., 0].astype(np.uint16) * 200) if mode == "I;16" else colours
            (image if mode == "I;16" else image.convert(mode)).save(file, name, **options)
            contents.append(file.getvalue())
    return contents


def picture_file(random: Random) -> bytes:
    """Return a damaged picture. In half of the damaged PNG files, the checksums are right."""
    pictures = _pictures()
    content = random.choice(pictures)
    if content.startswith(b"\x89PNG") and random.random() < 0.5:
        return _changed_chunk(random, content)
    return damaged(random, content, pictures)


def _changed_chunk(random: Random, content: bytes) -> bytes:
    """Change one chunk of a PNG file, and write its new checksum, without which decoders do not read the chunk."""
    chunks, place = [], 8
    while place + 12 <= len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    number = random.randrange(len(chunks))
    name, data = chunks[number]
    if name == b"IDAT" and random.random() < 0.5:
        data = zlib.compress(damaged(random, zlib.decompress(data))) if len(chunks) < 6 else damaged(random, data)
    else:
        data = damaged(random, data)
    chunks[number] = (random.choice((name, name, b"tRNS", b"PLTE", b"acTL", b"eXIf", b"zTXt")), data)
    if random.random() < 0.2:
        random.shuffle(chunks)
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _read_picture(path: Path) -> None:
    picture = read_picture(path)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 4
    prepare("fashion_mnist", picture, (28, 28, 1))


@cache
def small_records() -> list[Files]:
    """Return the files of two networks, one of them with a model, and of their committee."""
    with TemporaryDirectory() as place:
        (model_folder(Path(place, "one")) / "network.keras").write_bytes(zipped({"config.json": b"{}"}))
        for name in ("committee.json", "analysis.json"):
            path = Path(place, "pair", MODEL, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text('{"rule": "average", "weights": [0.5, 0.5]}')
        one, two = (make_record(Path(place, name), random_predictions(1)) for name in ("one", "two"))
        pair = make_record(
            Path(place, "pair"),
            random_predictions(3),
            name="pair",
            kind="committee",
            family="committee",
            architecture="average",
            parameters={"rule": "average"},
            members=[member_of(one), member_of(two)],
            weights=None,
            threads=None,
        )
        return [files_in(record.folder) for record in (one, two, pair)]


def files_in(folder: Path) -> Files:
    """Return the files of a folder with their contents, by their paths in the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def _changed_files(random: Random, files: Files) -> Files:
    """Damage one file of a record, or remove it."""
    name = random.choice(list(files))
    if random.random() < 0.02:
        return {other: content for other, content in files.items() if other != name}
    content = files[name]
    if name.endswith(".json"):
        content = changed_json(random, content)
    elif name.endswith(".csv") and random.random() < 0.7:
        content = changed_text(random, content)
    elif name in (PREDICTIONS, COMPACT) and random.random() < 0.7:
        content = _changed_predictions(random, content)
    else:
        content = damaged(random, content, list(files.values()))
    return files | {name: content}


def _changed_predictions(random: Random, content: bytes) -> bytes:
    """Return predictions of which one array has another type, another shape or other values."""
    with np.load(io.BytesIO(content)) as loaded:
        arrays = {name: loaded[name].copy() for name in loaded.files}
    name = random.choice(list(arrays))
    array = arrays[name]
    match random.randrange(5):
        case 0:
            kinds = ("u1", "i8", ">f4", "f2", "f8", "c8", "?", "S3", "U2")
            array = array.astype(random.choice(kinds))
        case 1:
            array.flat[random.randrange(array.size)] = random.choice((0, 1, 3, 100, 200))
        case 2 if array.dtype.kind == "f":
            with np.errstate(over="ignore"):  # half floats end at 65,504
                array.flat[random.randrange(array.size)] = random.choice((np.nan, np.inf, -1, 1e38, 1.5, 1e-40))
        case 3:
            array = np.atleast_1d(array)[random.choice((slice(0), slice(1), slice(None, None, -1), None, ...))]
        case _:
            arrays[random.choice(("x", "val_labels.npy", "../x"))] = array
    arrays[name] = array
    return zipped({f"{name}.npy": npy(array) for name, array in arrays.items()})


def record_folder(random: Random, folder: Path) -> Path:
    """Write a record of which one file is damaged."""
    write_files(_changed_files(random, random.choice(small_records())), folder / "record")
    return folder / "record"


def write_files(files: Files, folder: Path) -> None:
    """Write files into a folder, which is created."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _read_record(path: Path) -> None:
    record = read_record(path)
    check_content(record)
    _use(record)


def _use(record: Record) -> None:
    assert record.header.key
    assert record.header.label
    record.digest()


@cache
def _compact_records() -> list[Files]:
    with TemporaryDirectory() as place:
        records = []
        for number, files in enumerate(small_records()):
            write_files(files, Path(place, str(number)))
            records.append(read_record(Path(place, str(number))))
        write_compact_records(records, Path(place, "compact"))
        return [files_in(path.parent) for path in sorted(Path(place, "compact").rglob(COMPACT))]


def compact_folder(random: Random, folder: Path) -> Path:
    """Write a compact record of which one file is damaged."""
    write_files(_changed_files(random, random.choice(_compact_records())), folder / "record")
    return folder / "record"


def _read_compact(path: Path) -> None:
    record = open_record(path)
    score_summary(record)
    assert record.header.key
    assert len(predictions_sha256(record)) == 64


def archive_file(random: Random) -> bytes:
    """Return a damaged archive: its bytes, its manifest, the name of an entry, or a file with the hash of this file."""
    files = dict(_archive())
    folder = random.choice(list(files)).partition("/")[0]
    match random.randrange(4):
        case 0:
            return damaged(random, zipped(files), list(files.values()))
        case 1:
            return zipped(files | {MANIFEST: changed_json(random, files[MANIFEST])})
        case 2:
            own = {name.partition("/")[2]: content for name, content in files.items() if name.startswith(f"{folder}/")}
            if own:
                files = {name: content for name, content in files.items() if not name.startswith(f"{folder}/")}
                files |= {f"{folder}/{name}": content for name, content in _changed_files(random, own).items()}
        case _:
            name = random.choice(list(files))
            other = random.choice((f"{folder}/../x", "/x", f"{folder}/", "", f"{folder}/model/x.pkl", "x" * 9_000))
            files[other] = files.pop(name)
    return zipped(listed(files))


@cache
def _archive() -> Files:
    with TemporaryDirectory() as place:
        records = []
        for number, files in enumerate(small_records()):
            write_files(files, Path(place, str(number)))
            if f"{MODEL}/network.keras" in files or number == 2:
                records.append(read_record(Path(place, str(number))))
        write_archive(records, Path(place, "all.zip"))
        with zipfile.ZipFile(Path(place, "all.zip")) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def listed(files: Files) -> Files:
    """Return the files of an archive with a manifest that contains their sizes and hashes."""
    files = {name: content for name, content in files.items() if name != MANIFEST}
    described = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    return files | {MANIFEST: json.dumps({"format": "lineup records", "version": 1, "files": described}).encode()}


def _import(path: Path) -> None:
    """Import an archive into a new project. After an error, nothing may be left in the project."""
    project = Project(path.parent / "project")
    project.root.mkdir()
    done = False
    try:
        for one in import_archive(path, project):
            _use(one.record)
        done = True
    finally:
        left = sorted(project.root.rglob("*"))
        assert done or not left, left
        assert not [item for item in left if item.name.startswith(".")], left


FORMATS: Mapping[str, Format] = {
    "IDX": Format(_file(idx_file), lambda path: read_idx(path, max_bytes=ARRAY_BYTES)),
    "NPZ": Format(_file(npz_file), lambda path: read_npz(path, max_bytes=ARRAY_BYTES)),
    "params.yaml": Format(_file(params_file), _read_params),
    "picture": Format(_file(picture_file), _read_picture),
    "record": Format(record_folder, _read_record),
    "compact record": Format(compact_folder, _read_compact),
    "archive": Format(_file(archive_file), _import),
}
"""All formats by their names in the results."""
