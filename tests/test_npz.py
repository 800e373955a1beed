"""NPZ files: equal arrays give equal bytes, and any damaged file raises one clear error."""

from __future__ import annotations

import os
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lineup.errors import LineupError
from lineup.npz import read_npz, write_npz

LIMIT = 1 << 20
ARRAYS = {
    "index": np.arange(7, dtype=np.int32),
    "probabilities": np.linspace(0, 1, 21, dtype=np.float32).reshape(7, 3),
    "scalar": np.array(3.5),
    "empty": np.zeros((0, 4), np.uint8),
}
# Hypothesis calls one test many times in one folder: each call overwrites the file.
ONE_FOLDER = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _npy(header: str) -> bytes:
    """Return an NPY file of version 1.0 with this header and no data."""
    encoded = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(encoded).to_bytes(2, "little") + encoded


def _zip(path: Path, content: bytes, name: str = "a.npy") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def test_round_trip_keeps_names_order_shapes_and_types(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.npz"
    write_npz(path, ARRAYS)
    found = read_npz(path, max_bytes=LIMIT)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)
    with np.load(path, allow_pickle=False) as plain:
        assert set(plain.files) == set(ARRAYS)


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int32, np.float32, np.bool_]),
        hnp.array_shapes(min_dims=0, min_side=0, max_side=5),
    )
)
@ONE_FOLDER
def test_round_trip_of_any_array(tmp_path: Path, array: np.ndarray) -> None:
    write_npz(tmp_path / "a.npz", {"a": array})
    np.testing.assert_array_equal(read_npz(tmp_path / "a.npz", max_bytes=LIMIT)["a"], array, strict=True)


def test_same_arrays_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    write_npz(tmp_path / "b.npz", {name: np.array(array, order="F") for name, array in ARRAYS.items()})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_failed_write_keeps_only_the_old_file(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", ARRAYS)
    before = (tmp_path / "a.npz").read_bytes()
    with pytest.raises(ValueError, match="Object arrays"):
        write_npz(tmp_path / "a.npz", {"good": np.zeros(3), "bad": np.array([object()])})
    assert (tmp_path / "a.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_missing_file_and_a_folder_raise_one_line_errors(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match=r"none\.npz: no such file"):
        read_npz(tmp_path / "none.npz", max_bytes=LIMIT)
    with pytest.raises(LineupError, match="expected an NPZ file"):
        read_npz(tmp_path, max_bytes=LIMIT)


def test_the_limit_is_checked_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(50_000_000, np.uint8))
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(LineupError, match=r"at most 1,048,576 bytes unpacked, found 50,000,128"):
        read_npz(path, max_bytes=LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_header_with_too_large_a_shape_raises_an_error(tmp_path: Path) -> None:
    for shape in ("(1000000000000,)", "(-1,)", "(-2, -3)"):
        header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}"
        with pytest.raises(LineupError, match=r"a\.npy: its header gives"):
            read_npz(_zip(tmp_path / "a.npz", _npy(header)), max_bytes=LIMIT)


def test_python_objects_raise_an_error(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(LineupError, match="found Python objects"):
        read_npz(tmp_path / "a.npz", max_bytes=LIMIT)


@pytest.mark.parametrize("header", ["(" * 9000, "{'descr': '|u1'}", "'\\N{", "{'descr': 3, 'shape': 4}", "\x00"])
def test_a_malicious_header_raises_one_error(tmp_path: Path, header: str) -> None:
    with pytest.raises(LineupError) as caught:
        read_npz(_zip(tmp_path / "a.npz", _npy(header)), max_bytes=LIMIT)
    assert "\n" not in str(caught.value)


@given(st.integers(0, 10_000), st.integers(0, 255), st.booleans())
@settings(ONE_FOLDER, max_examples=200)
def test_a_damaged_file_is_read_or_raises_one_error(tmp_path: Path, where: int, value: int, cut: bool) -> None:
    path = tmp_path / "a.npz"
    write_npz(path, ARRAYS)
    content = path.read_bytes()
    where %= len(content)
    path.write_bytes(content[:where] if cut else content[:where] + bytes([value]) + content[where + 1 :])
    message = ""
    try:
        read_npz(path, max_bytes=LIMIT)
    except LineupError as error:
        message = str(error)
    assert "\n" not in message


def test_a_pipe_raises_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(LineupError, match=r"a\.npz: .*not a regular file"):
        read_npz(tmp_path / "a.npz", max_bytes=LIMIT)


@pytest.mark.parametrize(
    "content", [b"x", _npy("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }"), b"\n" * 9]
)
def test_long_names_and_reasons_are_shortened(tmp_path: Path, content: bytes) -> None:
    path = _zip(tmp_path / "a.npz", content, "n" * 60_000 + ".npy")
    with pytest.raises(LineupError) as error:
        read_npz(path, max_bytes=LIMIT)
    assert len(str(error.value)) < 600


def test_a_long_header_in_an_error_of_numpy_is_shortened(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.npz", _npy("{'descr': '" + "x" * 9_000 + "', 'fortran_order': False, 'shape': (5,), }"))
    with pytest.raises(LineupError) as error:
        read_npz(path, max_bytes=LIMIT)
    assert len(str(error.value)) < 600
