"""Real files in every accepted format are read, and every other file gives one line."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lineup.data import pictures
from lineup.data.pictures import read_picture
from lineup.errors import LineupError

RED, BLUE = (200, 30, 30), (30, 30, 200)


def two_colours(mode: str = "RGB") -> Image.Image:
    """Return a picture whose left third is red and whose other pixels are blue."""
    image = Image.new("RGB", (48, 32), BLUE)
    image.paste(RED, (0, 0, 16, 32))
    return image.convert(mode)


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("name", "mode", "tolerance"),
    [
        ("picture.png", "RGB", 0),
        ("palette.png", "P", 20),
        ("grey.png", "L", 0),
        ("bits.png", "1", 255),
        ("picture.jpg", "RGB", 12),
        ("grey.jpg", "L", 12),
        ("print.jpg", "CMYK", 12),
        ("picture.webp", "RGB", 12),
        ("alpha.webp", "RGBA", 12),
        ("alpha.png", "RGBA", 0),
        ("grey_alpha.png", "LA", 0),
    ],
)
def test_every_format_and_mode_is_read(tmp_path: Path, name: str, mode: str, tolerance: int) -> None:
    image = two_colours(mode)
    picture = read_picture(saved(image, tmp_path / name))
    assert picture.shape == (32, 48, 4)
    assert picture.dtype == np.uint8
    assert (picture[..., 3] == 255).all()
    expected = np.asarray(image.convert("RGB")).astype(int)
    for place in ((8, 4), (8, 40)):  # in the middle of each colour, because JPEG and WebP blur the edge
        assert abs(picture[place][:3] - expected[place]).max() <= tolerance


def test_the_content_decides_about_the_format(tmp_path: Path) -> None:
    assert read_picture(saved(two_colours(), tmp_path / "a.txt", format="PNG")).shape == (32, 48, 4)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    levels = np.array([[0, 257, 128 * 257], [65535, 256, 200 * 257]], np.uint16)
    picture = read_picture(saved(Image.fromarray(levels), tmp_path / "deep.png"))
    assert picture[..., 0].tolist() == [[0, 1, 128], [255, 1, 200]]


def test_transparent_colours_of_a_palette_are_transparent(tmp_path: Path) -> None:
    image = two_colours().quantize(2)
    picture = read_picture(saved(image, tmp_path / "sprite.png", transparency=image.getpixel((0, 0))))
    assert (picture[:, :16, 3] == 0).all()
    assert (picture[:, 16:, 3] == 255).all()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    ("orientation", "place"), [(1, (16, 2)), (2, (16, 45)), (3, (16, 45)), (6, (2, 16)), (8, (45, 16))]
)
def test_the_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int, place: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(saved(two_colours(), tmp_path / f"turned.{suffix}", exif=exif))
    assert picture.shape == ((48, 32, 4) if orientation >= 5 else (32, 48, 4))
    assert picture[place][0] > 150
    assert picture[place][2] < 80


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    picture = read_picture(saved(Image.new("RGB", (3000, 10), RED), tmp_path / "long.png"))
    assert picture.shape == (3, 1024, 4)
    assert picture[0, 0].tolist() == [*RED, 255]


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (9, 9), RED), Image.new("RGB", (9, 9), BLUE)]
    path = tmp_path / "moving.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    assert read_picture(path)[0, 0].tolist() == [*RED, 255]


def png_header(width: int, height: int) -> bytes:
    """Return a small file whose header states this picture size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(1000))
    chunks = [
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in (header, data)
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("size", [(7072, 7072), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_with_too_many_pixels_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    with pytest.raises(LineupError, match=r"bomb\.png: expected a picture of at most 50,000,000 pixels"):
        read_picture(path)


def test_a_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_BYTES", 2**20)
    (tmp_path / "large.png").write_bytes(bytes(2**20 + 1))
    with pytest.raises(LineupError, match=r"large\.png: expected a file of at most 1 MiB"):
        read_picture(tmp_path / "large.png")


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _gif(path: Path) -> None:
    two_colours().save(path, format="GIF")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (_folder, "expected a file"),
        (_pipe, "expected a file"),
        (lambda path: path.write_bytes(b""), "expected a picture in the format PNG, JPEG or WebP"),
        (lambda path: path.write_text("<svg/>"), "expected a picture in the format PNG, JPEG or WebP"),
        (_gif, "expected a picture in the format PNG, JPEG or WebP"),
        (lambda path: path.write_bytes(png_header(400, 400)), "cannot read the picture; the file is damaged"),
    ],
    ids=["missing", "folder", "pipe", "empty", "text", "gif", "short"],
)
def test_other_files_give_one_line(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    path = tmp_path / "picture.png"
    make(path)
    with pytest.raises(LineupError) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def _contents() -> list[bytes]:
    """Return a file in each format."""
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = []
    for name in ("PNG", "JPEG", "WEBP"):
        file = io.BytesIO()
        two_colours().save(file, name, exif=exif)
        contents.append(file.getvalue())
    return contents


CONTENTS = _contents()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.sampled_from(CONTENTS),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
    kept=st.integers(0, 10_000),
)
def test_a_damaged_file_is_read_or_gives_one_line(
    tmp_path: Path, content: bytes, changes: list[tuple[int, int]], kept: int
) -> None:
    damaged = bytearray(content)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    path = tmp_path / "damaged"
    path.write_bytes(damaged[: kept % (len(damaged) + 1) or None])
    try:
        picture = read_picture(path)
    except LineupError as error:
        assert str(error).startswith(str(path))  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 4
