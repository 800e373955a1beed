"""IDX files: round trips, and one clear error for each hostile or damaged file."""

from __future__ import annotations

import gzip
import os
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lineup.data.datasets import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from lineup.data.idx import read_idx, write_idx
from lineup.errors import LineupError

# Hypothesis calls one test many times in one folder: each call overwrites the file.
ONE_FOLDER = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SAMPLE = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
ARRAYS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6))


def _header(*shape: int, magic: int = 0, kind: int = 8, dimensions: int | None = None) -> bytes:
    count = len(shape) if dimensions is None else dimensions
    return struct.pack(f">HBB{len(shape)}I", magic, kind, count, *shape)


def _error(path: Path, content: bytes, max_bytes: int = 1 << 20) -> str:
    path.write_bytes(content)
    with pytest.raises(LineupError) as caught:
        read_idx(path, max_bytes=max_bytes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


@given(ARRAYS)
@ONE_FOLDER
def test_round_trip_of_any_array(tmp_path: Path, array: np.ndarray) -> None:
    write_idx(tmp_path / "a.gz", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz"), array, strict=True)
    (tmp_path / "a").write_bytes(gzip.decompress((tmp_path / "a.gz").read_bytes()))
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array, strict=True)


def test_equal_arrays_give_equal_bytes_for_any_name_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / "a.gz", SAMPLE)
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    write_idx(tmp_path / "b.gz", np.array(SAMPLE, order="F"))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gz", "b.gz"]


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((0, 2), np.uint8), np.zeros((1, 1, 1, 1, 1), np.uint8)])
def test_only_arrays_of_the_format_are_written(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a uint8 array"):
        write_idx(tmp_path / "a.gz", array)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an IDX file"),
        (b"\0\0\x08", "expected an IDX file"),
        (b"<html>404</html>", "found b'<htm'"),
        (_header(2, magic=1) + b"ab", "two zero bytes"),
        (_header(2, kind=0x0D) + b"ab", "found 0x0d"),
        (_header(), "found 0"),
        (_header(1, 1, 1, 1, 1) + b"a", "expected 1 to 4 dimensions, found 5"),
        (_header(2, dimensions=255) + b"ab", "found 255"),
        (_header(2, dimensions=3) + b"ab", "header ends early: expected 16 bytes"),
        (_header(0), "above 0, found 0"),
        (_header(5, 0, 2), "found 5 x 0 x 2"),
        (_header(2, 3) + b"abcde", "expected 2 x 3 bytes of data, found only 5"),
        (_header(2, 3) + b"abcdefg", "expected 2 x 3 bytes of data, found more"),
        (_header(4_294_967_295, 4_294_967_295, 4_294_967_295), "expected at most 1,048,576 bytes"),
    ],
)
def test_each_error_is_named_plain_and_compressed(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in _error(tmp_path / "a", content)
    if content:
        assert message in _error(tmp_path / "a.gz", gzip.compress(content))


def test_a_missing_file_and_a_folder_raise_one_line_errors(tmp_path: Path) -> None:
    with pytest.raises(LineupError, match="none: no such file"):
        read_idx(tmp_path / "none")
    with pytest.raises(LineupError, match="cannot be read"):
        read_idx(tmp_path)


def test_a_gzip_bomb_is_never_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(_header(4) + bytes(100_000_000), compresslevel=1)
    path = tmp_path / "a.gz"
    path.write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(LineupError, match="found more"):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    write_idx(tmp_path / "whole.gz", SAMPLE)
    whole = (tmp_path / "whole.gz").read_bytes()
    for length in range(len(whole)):
        _error(tmp_path / "a.gz", whole[:length])
    plain = gzip.decompress(whole)
    for length in range(len(plain)):
        _error(tmp_path / "a", plain[:length])


@given(st.integers(0, 10_000), st.integers(1, 255), st.booleans())
@ONE_FOLDER
def test_a_changed_byte_is_an_error_or_changes_only_values(
    tmp_path: Path, where: int, change: int, compressed: bool
) -> None:
    write_idx(tmp_path / "a", SAMPLE)
    content = bytearray((tmp_path / "a").read_bytes())
    if not compressed:
        content = bytearray(gzip.decompress(bytes(content)))
    content[where % len(content)] ^= change
    (tmp_path / "a").write_bytes(content)
    try:
        found = read_idx(tmp_path / "a", max_bytes=1000)
    except LineupError as error:
        found, message = SAMPLE, str(error)
    else:
        message = ""
    assert found.size == SAMPLE.size
    assert "\n" not in message


@given(st.binary(max_size=60), st.booleans())
@ONE_FOLDER
def test_any_bytes_are_read_or_refused(tmp_path: Path, tail: bytes, compressed: bool) -> None:
    content = _header(2, dimensions=2) + tail
    (tmp_path / "a").write_bytes(gzip.compress(content) if compressed else content)
    well_formed = len(tail) > 4 and len(tail) - 4 == 2 * int.from_bytes(tail[:4], "big")
    if well_formed:
        assert read_idx(tmp_path / "a").shape == (2, int.from_bytes(tail[:4], "big"))
    else:
        with pytest.raises(LineupError):
            read_idx(tmp_path / "a")


def test_the_real_files_have_the_published_content() -> None:
    folder = os.environ.get("FASHION_MNIST_DIR")
    if not folder:
        pytest.skip("FASHION_MNIST_DIR is not set: no folder with the real files")
    train, test = read_idx(Path(folder) / TRAIN_IMAGES), read_idx(Path(folder) / TEST_IMAGES)
    assert train.shape == (60_000, 28, 28)
    assert test.shape == (10_000, 28, 28)
    assert train.mean() == pytest.approx(72.94, abs=0.005)
    assert train.std() == pytest.approx(90.02, abs=0.005)
    assert np.bincount(read_idx(Path(folder) / TRAIN_LABELS)).tolist() == [6_000] * 10
    assert np.bincount(read_idx(Path(folder) / TEST_LABELS)).tolist() == [1_000] * 10
