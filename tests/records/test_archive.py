"""Archives of records: what they contain, and which damaged or hostile files are refused before anything is written."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lineup.errors import LineupError
from lineup.paths import Project
from lineup.records import archive as archive_module
from lineup.records.archive import MANIFEST, write_archive
from lineup.records.importing import import_archive
from lineup.records.record import CONFUSION, HEADER, METRICS, PREDICTIONS, RUNTIME, Record
from tests.make_records import RUNTIME as RAN
from tests.make_records import make_record, random_predictions

FOLDER = "small_seed1"
ALL = ("record.json", "history.csv", "metrics.json", "predictions.npz", "confusion_matrix.csv", "runtime.json")


def make_run(folder: Path, seed: int = 1, **header: Any) -> Record:
    runtime = dataclasses.replace(RAN, attempt=f"attempt-{folder.name}-{seed}")
    return make_record(folder, random_predictions(seed), runtime=runtime, name="small", seed=seed, **header)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return make_run(tmp_path / "other" / "small")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project")


@pytest.fixture
def whole(record: Record, tmp_path: Path) -> Path:
    """A valid archive of one record without a model."""
    write_archive([record], tmp_path / "whole.zip", models=False)
    return tmp_path / "whole.zip"


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def refused(path: Path, project: Project) -> str:
    """Return the error of a file that is refused; nothing may be left in the project."""
    before = files_in(project.root)
    with pytest.raises(LineupError) as caught:
        import_archive(path, project)
    message = str(caught.value)
    assert files_in(project.root) == before
    assert "\n" not in message
    assert str(project.root) not in message
    return message.replace(str(path), "FILE")


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, files: dict[str, bytes], *, listed: bool = True) -> Path:
    """Write an archive by hand, with a manifest of its files unless there is one."""
    if listed:
        files = {name: content for name, content in files.items() if name != MANIFEST}
        described = {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        }
        files[MANIFEST] = json.dumps({"format": "lineup records", "version": 1, "files": described}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


def changed(whole: Path, file: str, change: Callable[[bytes], bytes]) -> Path:
    """Write a copy with one changed file of the record and with the hash of the changed file."""
    files = contents(whole)
    name = next(name for name in files if name.endswith(f"/{file}"))
    return write(whole.with_name("changed.zip"), files | {name: change(files[name])})


def test_an_archive_contains_the_files_and_their_hashes(record: Record, whole: Path) -> None:
    files = contents(whole)
    manifest = json.loads(files.pop(MANIFEST))
    folder = f"{FOLDER}-{record.header.key}"
    assert sorted(files) == sorted(f"{folder}/{name}" for name in ALL)
    assert manifest["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()
    }
    with zipfile.ZipFile(whole) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_two_archives_of_the_same_records_are_identical(record: Record, whole: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other" / "small2", seed=2)
    write_archive([record, other], tmp_path / "a.zip", models=False)
    os.utime(record.folder / HEADER, (1, 1))
    (record.folder / HEADER).chmod(0o600)
    write_archive([other, record], tmp_path / "b.zip", models=False)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / PREDICTIONS).unlink(), "no predictions.npz; make it again"),
        (lambda folder: (folder / PREDICTIONS).write_bytes(b"x"), "predictions.npz: expected an NPZ file of arrays"),
        (lambda folder: None, "no model/; make it again, or use --no-models"),
    ],
)
def test_an_incomplete_record_is_not_packed(
    record: Record, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(record.folder)
    with pytest.raises(LineupError, match=message):
        write_archive([record], tmp_path / "x.zip", models="or use" in message)
    assert not (tmp_path / "x.zip").exists()


def test_a_record_is_packed_once(record: Record, tmp_path: Path) -> None:
    with pytest.raises(LineupError, match="named twice"):
        write_archive([record, record], tmp_path / "x.zip", models=False)


def linked(entry: zipfile.ZipInfo) -> None:
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16


def deflated(entry: zipfile.ZipInfo) -> None:
    entry.compress_type = zipfile.ZIP_DEFLATED


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("../../evil/record.json", None, "not a file of a record"),
        ("/etc/record.json", None, "not a file of a record"),
        ("a/../record.json", None, "not a file of a record"),
        ("C:\\a/record.json", None, "not a file of a record"),
        ("small/model/../record.json", None, "not a file of a record"),
        ("small/model/network.pkl", None, "not a file of a record"),
        ("small/model/estimator.joblib", None, "not a file of a record"),
        ("small/.git/config", None, "not a file of a record"),
        ("small/", None, "not a file of a record"),
        ("small/record.json\0.txt", None, "not a file of a record"),
        ("small/\N{CYRILLIC SMALL LETTER A}/record.json", None, "not a file of a record"),
        ("small/record.json", linked, "a link or a special file"),
        ("small/record.json", deflated, "compressed or encrypted"),
    ],
)
def test_hostile_entries_are_refused(
    whole: Path, project: Project, name: str, change: Callable[[zipfile.ZipInfo], None] | None, message: str
) -> None:
    entry = zipfile.ZipInfo("placeholder" if "\0" in name else name)
    if "\0" in name:
        entry.filename = name
    if change:
        change(entry)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(entry, b"x" * 1000, compress_type=entry.compress_type)
    assert message in refused(whole, project)


def test_an_entry_found_twice_is_refused(whole: Path, project: Project) -> None:
    name = next(name for name in contents(whole) if name.endswith(HEADER))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(whole, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"{}")
    assert "found twice" in refused(whole, project)


def test_the_manifest_lists_exactly_the_files(whole: Path, project: Project, tmp_path: Path) -> None:
    files = contents(whole)
    first = next(iter(files))
    path = write(tmp_path / "x.zip", {name: files[name] for name in files if name != first}, listed=False)
    assert f"entry '{first}': missing" in refused(path, project)
    path = write(tmp_path / "x.zip", files | {"small/record.json": b"{}"}, listed=False)
    assert "entry 'small/record.json': not in manifest.json" in refused(path, project)
    path = write(tmp_path / "x.zip", files | {first: files[first][:-1]}, listed=False)
    assert f"entry '{first}': expected {len(files[first]):,} bytes" in refused(path, project)
    path = write(tmp_path / "x.zip", files | {first: b"x" * len(files[first])}, listed=False)
    assert "its content differs from its hash" in refused(path, project)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"[]", "manifest.json"),
        (b"{", "manifest.json: not JSON"),
        (b"\xff", "manifest.json: not a UTF-8 text"),
        (b'{"format": "lineup records", "version": 2, "files": {}}', "written by a newer version of lineup"),
        (b'{"format": "pickles", "version": 1, "files": {}}', "format: Input should be 'lineup records'"),
        (b'{"format": "lineup records", "version": 1, "files": {}, "run": "x"}', "run: Unexpected keyword argument"),
    ],
)
def test_a_wrong_manifest_is_refused(whole: Path, project: Project, manifest: bytes, message: str) -> None:
    path = write(whole.with_name("x.zip"), contents(whole) | {MANIFEST: manifest}, listed=False)
    assert message in refused(path, project)


def test_an_archive_without_records_is_refused(project: Project, tmp_path: Path) -> None:
    assert refused(write(tmp_path / "x.zip", {}), project).endswith("no records")
    assert refused(write(tmp_path / "x.zip", {}, listed=False), project).endswith("no manifest.json")
    (tmp_path / "x.zip").write_bytes(b"")
    assert "not a ZIP archive" in refused(tmp_path / "x.zip", project)
    assert refused(tmp_path / "none.zip", project) == "FILE: no such file"
    assert "not a regular file" in refused(tmp_path, project) or "Is a directory" in refused(tmp_path, project)


def test_a_small_record_is_refused_with_one_line(whole: Path, project: Project, tmp_path: Path) -> None:
    files = {name: content for name, content in contents(whole).items() if not name.endswith(PREDICTIONS)}
    message = refused(write(tmp_path / "x.zip", files), project)
    assert message.endswith("a small record, no predictions.npz; expected complete records")


def test_sizes_are_limited(whole: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "TEXT_LIMIT", 100)
    assert "expected at most 100 bytes" in refused(whole, project)
    monkeypatch.setattr(archive_module, "BYTES", 1000)
    assert "expected at most 1,000 bytes, found" in refused(whole, project)
    monkeypatch.undo()
    monkeypatch.setattr(archive_module, "DIRECTORY", 100)
    assert "entries in 100 bytes" in refused(whole, project)


def test_a_promised_directory_of_gigabytes_is_not_read(whole: Path, project: Project) -> None:
    content = bytearray(whole.read_bytes())
    content[-10:-6] = struct.pack("<I", 0xFFFFFFFF)
    whole.write_bytes(content)
    assert "found 7 in 4,294,967,295 bytes" in refused(whole, project)
    whole.write_bytes(bytes(content[:-22]) + b"PK\x06\x07" + bytes(16) + bytes(content[-22:]))
    assert "not a ZIP archive, or incomplete" in refused(whole, project)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (HEADER, lambda text: text.replace(b'"small"', b'"../x"'), "record.json: name: String should match"),
        (HEADER, lambda text: text.replace(b'"schema": 2', b'"schema": 3'), "written by a newer version of lineup"),
        (HEADER, lambda text: text.replace(b'"network"', b'"virus"'), "record.json: kind: String should match"),
        (RUNTIME, lambda text: text.replace(b'"host"', b'"hosts"'), "runtime.json: machine.hosts: Unexpected keyword"),
        (METRICS, lambda text: text.replace(b'"test_accuracy": 0.', b'"test_accuracy": 0.9'), "differs from that of"),
        (CONFUSION, lambda text: text.replace(b"Trouser", b"Trousers"), "not a confusion matrix of these classes"),
        (PREDICTIONS, lambda text: text[:-100], "expected an NPZ file of arrays"),
    ],
)
def test_the_content_of_records_is_checked(
    whole: Path, project: Project, file: str, change: Callable[[bytes], bytes], message: str
) -> None:
    path = changed(whole, file, change)
    assert contents(path) != contents(whole)
    said = refused(path, project)
    assert said.startswith(f"FILE: {FOLDER}-")
    assert message in said


@pytest.mark.parametrize("file", [PREDICTIONS, "model/figures.npz"])
def test_arrays_that_expand_are_refused(whole: Path, project: Project, tmp_path: Path, file: str) -> None:
    with io.BytesIO() as stream:
        np.savez_compressed(stream, val_indices=np.zeros(10**6, np.uint8))
        content = stream.getvalue()
    files = contents(whole)
    folder = next(iter(files)).partition("/")[0]
    said = refused(write(tmp_path / "x.zip", files | {f"{folder}/{file}": content}), project)
    assert f"{file}: 1,000,128 bytes compressed to {len(content):,}; expected arrays without compression" in said


def test_pickles_in_predictions_are_refused(whole: Path, project: Project) -> None:
    with io.BytesIO() as stream:
        np.savez(stream, val_indices=np.array([print], dtype=object))
        said = refused(changed(whole, PREDICTIONS, lambda _: stream.getvalue()), project)
    assert "expected numbers, found Python objects" in said


def test_a_pickle_with_the_name_of_a_model_is_refused(whole: Path, project: Project, tmp_path: Path) -> None:
    files = contents(whole)
    folder = next(iter(files)).partition("/")[0]
    for content in (b"\x80\x04cos\nsystem\n", empty_zip()):
        path = write(tmp_path / "x.zip", files | {f"{folder}/model/estimator.skops": content})
        assert "model/estimator.skops: expected a model" in refused(path, project)


def empty_zip() -> bytes:
    return b"PK\x05\x06" + bytes(18)


PLACES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4)
"""Positions in a file, with the new value of the byte."""


def outcome(path: Path, project: Project) -> tuple[Record | None, str]:
    """Import a file, and return the first record or the message of the error."""
    try:
        return import_archive(path, project)[0].record, ""
    except LineupError as error:
        return None, str(error)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.none() | st.integers(0, 10**6), flips=PLACES)
def test_damaged_archives_give_one_line_or_the_same_record(
    whole: Path, project: Project, record: Record, cut: int | None, flips: list[tuple[int, int]]
) -> None:
    content = bytearray(whole.read_bytes())
    for place, value in flips:
        content[place % len(content)] = value
    path = whole.with_name("damaged.zip")
    path.write_bytes(content if cut is None else content[: cut % len(content)])
    done, message = outcome(path, project)
    assert "\n" not in message
    assert str(project.root) not in message
    assert done is None or done.digest() == record.digest()
    assert not list(project.root.rglob(".*"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from([HEADER, RUNTIME, METRICS]),
    key=st.sampled_from(["name", "seed", "data", "members", "parameters", "machine", "attempt", "test_accuracy", "x"]),
    value=JSON,
)
def test_any_value_in_a_record_gives_one_line_or_a_valid_record(
    whole: Path, project: Project, file: str, key: str, value: object
) -> None:
    path = changed(whole, file, lambda text: json.dumps(json.loads(text) | {key: value}).encode())
    assert "\n" not in outcome(path, project)[1]
    for folder in project.root.glob("*/*/*"):
        assert folder.parent == project.root / "runs" / "imported"
    assert not [path for path in project.root.parent.iterdir() if path.name.startswith("..")]
